/// EVLSTATUS, BAR0 + 0xF0: how far the event log is written and read (DSA 3.0 §9.2.17, dsa-device 5.4). DSA 2.0.
public struct EventLogStatus: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    /// The 64 bits of the register, reserved ones 0.
    public private(set) var rawValue: UInt64

    /// The status that these 64 bits state. Reserved bits are dropped.
    public init(rawValue: UInt64 = 0) {
        self.rawValue = rawValue & 0x4000_FFFF_0000_FFFF
    }

    /// Bits 15:0, written by software: the entry it reads next.
    public var head: UInt16 {
        get { UInt16(truncatingIfNeeded: rawValue) }
        set { rawValue = rawValue & ~0xFFFF | UInt64(newValue) }
    }

    /// Bits 47:32, read-only: the entry that the device writes next.
    public var tail: UInt16 {
        get { UInt16(truncatingIfNeeded: rawValue >> 32) }
        set { rawValue = rawValue & ~(0xFFFF << 32) | UInt64(newValue) << 32 }
    }

    /// Bit 62, write 1 to clear: an interrupt was raised for an entry; until it is cleared there is no other.
    public var isInterruptPending: Bool {
        get { rawValue >> 62 & 1 == 1 }
        set { rawValue = rawValue & ~(1 << 62) | (newValue ? 1 << 62 : 0) }
    }
}
