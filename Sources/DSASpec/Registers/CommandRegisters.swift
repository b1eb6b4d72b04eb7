/// CMD, BAR0 + 0xA0, write-only: writing it starts a command (DSA 3.0 §9.2.11, dsa-device 7.4).
public struct CommandRegister: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    /// The 32 bits of the register.
    public let rawValue: UInt32

    /// The command that these 32 bits ask for.
    @inlinable
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// Any code, 0 to 31, with any operand, 0 to 0xFFFFF; bits above are dropped.
    @inlinable
    public init(code: UInt8, operand: UInt32, requestsInterrupt: Bool = false) {
        rawValue = operand & 0xF_FFFF | UInt32(code & 0x1F) << 20 | (requestsInterrupt ? 1 << 31 : 0)
    }

    /// Bits 19:0.
    @inlinable public var operand: UInt32 { rawValue & 0xF_FFFF }

    /// Bits 24:20.
    @inlinable public var code: UInt8 { UInt8(truncatingIfNeeded: rawValue >> 20 & 0x1F) }

    /// Bit 31: the end of the command is an ``InterruptCause/commandCompletion``.
    @inlinable public var requestsInterrupt: Bool { rawValue >> 31 == 1 }
}

/// CMDSTATUS, BAR0 + 0xA8, read-only: what became of the last command (DSA 3.0 §9.2.12, dsa-device 7.4).
public struct CommandStatus: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    /// The 32 bits of the register.
    public let rawValue: UInt32

    /// The status that these 32 bits state.
    @inlinable
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// A command that has ended.
    ///
    /// - Parameter result: What the command returns; 0 for those that return nothing.
    @inlinable
    public init(error: CommandError, result: UInt16 = 0) {
        rawValue = UInt32(error.rawValue) | UInt32(result) << 8
    }

    /// A command that has not ended.
    public static let active = Self(rawValue: 1 << 31)

    /// Bits 7:0. Meaningful once the command has ended.
    @inlinable public var error: CommandError { CommandError(rawValue: UInt8(truncatingIfNeeded: rawValue)) }

    /// Bits 23:8. Meaningful once the command has ended without error.
    @inlinable public var result: UInt16 { UInt16(truncatingIfNeeded: rawValue >> 8) }

    /// Bit 31: the command has not ended.
    @inlinable public var isActive: Bool { rawValue >> 31 == 1 }
}

/// CMDCAP, BAR0 + 0xB0, read-only: bit n says that command n exists. Present with GENCAP bit 4 (DSA 3.0 §9.2.13,
/// dsa-device 7.4).
public struct CommandCapabilities: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    /// The 32 bits of the register.
    public let rawValue: UInt32

    /// The commands whose bits are 1.
    @inlinable
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// Commands 1 to 12, which every device has, and without a CMDCAP register has only.
    public static let basic = Self(rawValue: 0x1FFE)
    /// ``basic``, and Request and Release Interrupt Handle.
    public static let withInterruptHandles = Self(rawValue: 0x7FFE)

    /// Whether the command with this code exists.
    @inlinable
    public func contains(code: UInt8) -> Bool { code < 32 && rawValue >> UInt32(code) & 1 == 1 }
}
