/// WQCAP, BAR0 + 0x20, read-only: how many WQs there are and what they can do (DSA 3.0 §9.2.3, dsa-device 7.2).
public struct WorkQueueCapabilities: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    /// The 64 bits of the register.
    public let rawValue: UInt64

    /// The capabilities that these 64 bits state.
    @inlinable
    public init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// - Parameters:
    ///   - totalSize: Entries over all WQs, up to 0xFFFF.
    ///   - count: WQs, up to 255.
    ///   - entryByteCount: Bytes from one WQCFG entry to the next, 32 or 64.
    @inlinable
    public init(totalSize: Int, count: Int, entryByteCount: Int, features: WorkQueueFeatures) {
        rawValue =
            UInt64(totalSize & 0xFFFF) | UInt64(count & 0xFF) << 16
            | UInt64(entryByteCount.trailingZeroBitCount - 5) << 24 | features.rawValue
    }

    /// Bits 15:0: entries over all WQs.
    @inlinable public var totalSize: Int { Int(rawValue & 0xFFFF) }

    /// Bits 23:16: how many WQs there are.
    @inlinable public var count: Int { Int(rawValue >> 16 & 0xFF) }

    /// Bits 27:24, as 2^(5 + n): bytes from one WQCFG entry to the next.
    @inlinable public var entryByteCount: Int { 32 << Int(rawValue >> 24 & 0xF) }

    /// Bits 63:48.
    @inlinable public var features: WorkQueueFeatures { WorkQueueFeatures(rawValue: rawValue) }
}

/// The bits of WQCAP that say what a WQ can do (DSA 3.0 §9.2.3).
public struct WorkQueueFeatures: OptionSet, Hashable, Sendable, BitwiseCopyable {
    /// The bits at their places in WQCAP.
    public let rawValue: UInt64

    /// The features whose bits, 48 and above, are 1 in WQCAP.
    @inlinable
    public init(rawValue: UInt64) {
        self.rawValue = rawValue & ~0xFFFF_FFFF_FFFF
    }

    /// Bit 48: WQCFG Mode may be shared.
    public static let shared = Self(rawValue: 1 << 48)
    /// Bit 49: WQCFG Mode may be dedicated.
    public static let dedicated = Self(rawValue: 1 << 49)
    /// Bit 50: WQCFG ATS Disable may be 1.
    public static let atsDisable = Self(rawValue: 1 << 50)
    /// Bit 51: WQCFG Priority counts.
    public static let priority = Self(rawValue: 1 << 51)
    /// Bit 52: WQCFG shows the occupancy.
    public static let occupancy = Self(rawValue: 1 << 52)
    /// Bit 53: the occupancy interrupt exists.
    public static let occupancyInterrupt = Self(rawValue: 1 << 53)
    /// Bit 54: WQCFG has OPCFG. DSA 2.0.
    public static let operationConfiguration = Self(rawValue: 1 << 54)
    /// Bit 55: WQCFG PRS Disable may be 1. DSA 2.0.
    public static let prsDisable = Self(rawValue: 1 << 55)

    /// What a DSA 1.0 part has.
    public static let dsa1: Self = [.shared, .dedicated, .priority, .occupancy, .occupancyInterrupt]
}
