/// GENCFG, BAR0 + 0x80, writable while the device is Disabled (DSA 3.0 §9.2.7, dsa-device 7.3).
public struct GeneralConfiguration: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    /// The 32 bits of the register.
    public var rawValue: UInt32

    /// The configuration that these 32 bits state.
    @inlinable
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// Bits 7:0: read buffers that the groups with ``GroupFlags/usesGlobalReadBufferLimit`` may occupy together.
    @inlinable public var globalReadBufferLimit: UInt8 {
        get { UInt8(truncatingIfNeeded: rawValue) }
        set { rawValue = rawValue & ~0xFF | UInt32(newValue) }
    }

    /// Bit 12: descriptors of users may request a completion interrupt.
    @inlinable public var areUserInterruptsEnabled: Bool {
        get { rawValue >> 12 & 1 == 1 }
        set { rawValue = rawValue & ~(1 << 12) | (newValue ? 1 << 12 : 0) }
    }

    /// Bit 13: the event log is used from the next Enable Device on. DSA 2.0.
    @inlinable public var isEventLogEnabled: Bool {
        get { rawValue >> 13 & 1 == 1 }
        set { rawValue = rawValue & ~(1 << 13) | (newValue ? 1 << 13 : 0) }
    }
}

/// GENCTRL, BAR0 + 0x88, writable at any time: which causes reach ``InterruptCause`` (DSA 3.0 §9.2.8).
public struct GeneralControl: OptionSet, Hashable, Sendable, BitwiseCopyable {
    /// The 32 bits of the register.
    public let rawValue: UInt32

    /// The control that these 32 bits state.
    @inlinable
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// Bit 0: SWERROR becoming valid is a cause.
    public static let softwareErrorInterrupt = Self(rawValue: 1 << 0)
    /// Bit 1: entering Halt is a cause.
    public static let haltInterrupt = Self(rawValue: 1 << 1)
    /// Bit 2: an entry of the event log is a cause. DSA 2.0.
    public static let eventLogInterrupt = Self(rawValue: 1 << 2)
}

/// GENSTS bits 3:2: what makes a halted device usable again (DSA 3.0 §9.2.9, dsa-device 7.3).
public enum HaltReset: UInt8, Sendable, CaseIterable, Comparable {
    /// The Reset Device command.
    case resetDevice = 0
    /// A function level reset.
    case functionLevel = 1
    /// A warm reset of the platform.
    case warm = 2
    /// A cold reset of the platform.
    case cold = 3

    /// A reset does all that a lesser one does.
    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}
