/// The flags of a descriptor, bytes 4 to 6 (DSA 3.0 table 8-3). Bit 0 is Fence.
public struct DescriptorFlags: OptionSet, Hashable, Sendable, BitwiseCopyable {
    /// 24 bits; bits 31:24 are 0.
    public let rawValue: UInt32

    /// The flags in bits 23:0; bits 31:24 are dropped.
    @inlinable
    public init(rawValue: UInt32) {
        self.rawValue = rawValue & 0xFF_FFFF
    }

    /// Wait for all earlier members of the batch.
    public static let fence = Self(rawValue: 1 << 0)
    /// Wait for a page request instead of completing partially (BOF).
    public static let blockOnFault = Self(rawValue: 1 << 1)
    /// CRAV.
    public static let completionRecordAddressValid = Self(rawValue: 1 << 2)
    /// RCR.
    public static let requestCompletionRecord = Self(rawValue: 1 << 3)
    /// RCI.
    public static let requestCompletionInterrupt = Self(rawValue: 1 << 4)
    /// A Result other than the Expected Result ends with status 0x02 (CR).
    public static let checkResult = Self(rawValue: 1 << 7)
    /// Cache Control 1: allocate destination writes in the cache.
    public static let cacheControl = Self(rawValue: 1 << 8)
    /// Address 1 goes out with TC-B of the group, not TC-A.
    public static let address1TrafficClass = Self(rawValue: 1 << 9)
    /// Address 2 goes out with TC-B of the group, not TC-A.
    public static let address2TrafficClass = Self(rawValue: 1 << 10)
    /// Address 3 goes out with TC-B of the group, not TC-A.
    public static let address3TrafficClass = Self(rawValue: 1 << 11)
    /// The completion record goes out with TC-B of the group, not TC-A.
    public static let completionRecordTrafficClass = Self(rawValue: 1 << 12)
    /// Writes become visible in the order in which the device issues them (STORD).
    public static let strictOrdering = Self(rawValue: 1 << 13)
    /// Cache Control 2.
    public static let destinationReadback = Self(rawValue: 1 << 14)

    /// Batch: an earlier part of the batch has failed already (Batch Continuation, DSA 2.0).
    public static let batchError = Self(rawValue: 1 << 16)

    /// Drain: Readback Address 1 Valid.
    public static let readbackAddress1Valid = Self(rawValue: 1 << 16)
    /// Drain: Readback Address 2 Valid.
    public static let readbackAddress2Valid = Self(rawValue: 1 << 17)
    /// Drain: suppress the implicit readback on TC-A.
    public static let suppressReadbackA = Self(rawValue: 1 << 18)
    /// Drain: suppress the implicit readback on TC-B.
    public static let suppressReadbackB = Self(rawValue: 1 << 19)

    /// CRC: read the seed from memory.
    public static let readCRCSeed = Self(rawValue: 1 << 16)
    /// CRC: leave out the inversion and reflection of seed and result.
    public static let bypassCRCInversion = Self(rawValue: 1 << 17)
    /// CRC: do not reflect the data bytes.
    public static let bypassDataReflection = Self(rawValue: 1 << 18)
    /// CRC: CRC64 instead of CRC32C (DSA 2.0).
    public static let crc64 = Self(rawValue: 1 << 19)

    /// Fill: the pattern has 16 bytes (DSA 2.0).
    public static let widePattern = Self(rawValue: 1 << 18)

    /// Translation Fetch: one translation per stride (DSA 2.0).
    public static let useStride = Self(rawValue: 1 << 16)
}
