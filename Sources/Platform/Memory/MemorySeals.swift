internal import CPlatform

/// What may no longer be done to a memory file, by anybody (fcntl F_ADD_SEALS). Seals are never removed.
public struct MemorySeals: OptionSet, Hashable, Sendable {
    /// The bits as F_GET_SEALS returns them.
    public let rawValue: Int32

    /// The seals whose bits are 1.
    public init(rawValue: Int32) {
        self.rawValue = rawValue
    }

    /// No further seals.
    public static var seal: Self { Self(rawValue: Int32(PLATFORM_SEAL_SEAL)) }

    /// Not made smaller. Without it, the other side could cut the file under a mapping and kill its reader by SIGBUS.
    public static var shrink: Self { Self(rawValue: Int32(PLATFORM_SEAL_SHRINK)) }

    /// Not made larger.
    public static var grow: Self { Self(rawValue: Int32(PLATFORM_SEAL_GROW)) }

    /// Not written.
    public static var write: Self { Self(rawValue: Int32(PLATFORM_SEAL_WRITE)) }

    /// Not written through mappings made from now on.
    public static var futureWrite: Self { Self(rawValue: Int32(PLATFORM_SEAL_FUTURE_WRITE)) }
}
