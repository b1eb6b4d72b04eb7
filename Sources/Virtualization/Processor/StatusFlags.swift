/// The six status flags of RFLAGS, at their architectural bit positions.
public struct StatusFlags: OptionSet, Hashable, Sendable, BitwiseCopyable {
    /// The flags at their places in bits 15:0 of RFLAGS.
    public let rawValue: UInt16

    /// The flags whose bits are 1.
    @inlinable
    public init(rawValue: UInt16) {
        self.rawValue = rawValue
    }

    /// CF, bit 0.
    @inlinable public static var carry: Self { Self(rawValue: 1 << 0) }

    /// PF, bit 2.
    @inlinable public static var parity: Self { Self(rawValue: 1 << 2) }

    /// AF, bit 4.
    @inlinable public static var auxiliaryCarry: Self { Self(rawValue: 1 << 4) }

    /// ZF, bit 6. After ENQCMD and ENQCMDS: the command was not accepted.
    @inlinable public static var zero: Self { Self(rawValue: 1 << 6) }

    /// SF, bit 7.
    @inlinable public static var sign: Self { Self(rawValue: 1 << 7) }

    /// OF, bit 11.
    @inlinable public static var overflow: Self { Self(rawValue: 1 << 11) }

    /// What ENQCMD and ENQCMDS leave: ZF tells that the command was not accepted, the other five are 0
    /// (virtualization §2.3).
    @inlinable
    public static func afterEnqueue(accepted: Bool) -> Self { accepted ? [] : .zero }
}
