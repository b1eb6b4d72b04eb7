internal import CPlatform

/// What may no longer be done to a memory file, by anybody (fcntl F_ADD_SEALS). Seals are never removed.
package struct MemorySeals: OptionSet, Hashable, Sendable {
    package let rawValue: Int32

    package init(rawValue: Int32) {
        self.rawValue = rawValue
    }

    /// No further seals.
    package static var seal: Self { Self(rawValue: Int32(PLATFORM_SEAL_SEAL)) }

    /// Not made smaller. Without it, the other side could cut the file under a mapping and kill its reader by SIGBUS.
    package static var shrink: Self { Self(rawValue: Int32(PLATFORM_SEAL_SHRINK)) }

    /// Not made larger.
    package static var grow: Self { Self(rawValue: Int32(PLATFORM_SEAL_GROW)) }

    /// Not written.
    package static var write: Self { Self(rawValue: Int32(PLATFORM_SEAL_WRITE)) }

    /// Not written through mappings made from now on.
    package static var futureWrite: Self { Self(rawValue: Int32(PLATFORM_SEAL_FUTURE_WRITE)) }
}
