/// The layout and the limits of a delta record (DSA 3.0 §8.3.8, §8.3.9): entries of 10 bytes, each an offset of 16 bits
/// in units of 8 bytes and the 8 bytes of the second source that stand there, in increasing order of the offsets.
public enum DeltaRecord {
    /// Bytes of an entry.
    public static let entryByteCount: UInt32 = 10
    /// Bytes that an entry replaces, and the unit of its offset.
    public static let blockByteCount: UInt32 = 8
    /// The largest Transfer Size: what 16 bits of offset reach.
    public static let transferSizeMax: UInt32 = 0x8_0000
    /// The smallest Maximum Delta Record Size of Create Delta Record.
    public static let maximumSizeMin: UInt32 = 80
}
