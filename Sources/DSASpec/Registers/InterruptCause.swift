/// INTCAUSE, BAR0 + 0x98, write 1 to clear: why MSI-X vector 0 was signalled (DSA 3.0 §9.2.10, dsa-device 7.3).
public struct InterruptCause: OptionSet, Hashable, Sendable, BitwiseCopyable {
    /// The 32 bits of the register.
    public let rawValue: UInt32

    /// The causes whose bits are 1.
    @inlinable
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// Bit 0: SWERROR has become valid. Needs GENCTRL bit 0.
    public static let softwareError = Self(rawValue: 1 << 0)
    /// Bit 1: a command ended that had asked for the interrupt.
    public static let commandCompletion = Self(rawValue: 1 << 1)
    /// Bit 2: the occupancy of a WQ has fallen to its limit. Needs WQCFG Occupancy Interrupt Enable.
    public static let occupancy = Self(rawValue: 1 << 2)
    /// Bit 3: a performance counter overflowed.
    public static let performanceMonitor = Self(rawValue: 1 << 3)
    /// Bit 4: the device has entered Halt. Needs GENCTRL bit 1.
    public static let halt = Self(rawValue: 1 << 4)
    /// Bit 5: the event log has an entry. Needs GENCTRL bit 2. DSA 2.0.
    public static let eventLog = Self(rawValue: 1 << 5)
    /// Bit 31: interrupt handles were revoked.
    public static let handlesRevoked = Self(rawValue: 1 << 31)
}
