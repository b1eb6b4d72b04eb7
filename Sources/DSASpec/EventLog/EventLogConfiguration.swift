public import PCIe

/// EVLCFG, BAR0 + 0xE0, writable while the device is Disabled: where the event log lies (DSA 3.0 §9.2.16,
/// dsa-device 5.4). DSA 2.0.
public struct EventLogConfiguration: Hashable, Sendable, BitwiseCopyable {
    /// The fewest entries of a log.
    public static let sizeMin: UInt16 = 64

    /// Bytes 0-7: base address, privilege, PASID Enable.
    public var word0: UInt64 = 0
    /// Bytes 8-15: size, PASID.
    public var word1: UInt64 = 0

    /// Power-on: no log.
    public init() {}

    /// The configuration that these 128 bits state. Reserved bits are dropped.
    public init(word0: UInt64, word1: UInt64) {
        self.word0 = word0 & ~0xFFC
        self.word1 = word1 & 0xF_FFFF_FFFF
    }

    /// Word 0, bit 0: the log is in the address space of ``pasid``; otherwise its requests carry no PASID.
    public var isPASIDEnabled: Bool {
        get { word0 & 1 == 1 }
        set { word0 = word0 & ~1 | (newValue ? 1 : 0) }
    }

    /// Word 0, bit 1: the privilege of its requests. Counts with ``isPASIDEnabled``.
    public var isPrivileged: Bool {
        get { word0 & 2 == 2 }
        set { word0 = word0 & ~2 | (newValue ? 2 : 0) }
    }

    /// Word 0, bits 63:12: a multiple of 4096.
    public var base: LinearAddress {
        get { LinearAddress(rawValue: word0 & ~0xFFF) }
        set { word0 = word0 & 0xFFF | newValue.rawValue & ~0xFFF }
    }

    /// Word 1, bits 15:0: entries of the log, at least ``sizeMin``.
    public var size: UInt16 {
        get { UInt16(truncatingIfNeeded: word1) }
        set { word1 = word1 & ~0xFFFF | UInt64(newValue) }
    }

    /// Word 1, bits 35:16.
    public var pasid: HostPASID {
        get { HostPASID(truncating: UInt32(truncatingIfNeeded: word1 >> 16)) }
        set { word1 = word1 & 0xFFFF | UInt64(newValue.rawValue) << 16 }
    }
}
