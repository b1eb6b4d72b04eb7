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
    @inlinable public static var fence: Self { Self(rawValue: 1 << 0) }
    /// Wait for a page request instead of completing partially (BOF).
    @inlinable public static var blockOnFault: Self { Self(rawValue: 1 << 1) }
    /// CRAV.
    @inlinable public static var completionRecordAddressValid: Self { Self(rawValue: 1 << 2) }
    /// RCR.
    @inlinable public static var requestCompletionRecord: Self { Self(rawValue: 1 << 3) }
    /// RCI.
    @inlinable public static var requestCompletionInterrupt: Self { Self(rawValue: 1 << 4) }
    /// A Result other than the Expected Result ends with status 0x02 (CR).
    @inlinable public static var checkResult: Self { Self(rawValue: 1 << 7) }
    /// Cache Control 1: allocate destination writes in the cache.
    @inlinable public static var cacheControl: Self { Self(rawValue: 1 << 8) }
    /// Address 1 goes out with TC-B of the group, not TC-A.
    @inlinable public static var address1TrafficClass: Self { Self(rawValue: 1 << 9) }
    /// Address 2 goes out with TC-B of the group, not TC-A.
    @inlinable public static var address2TrafficClass: Self { Self(rawValue: 1 << 10) }
    /// Address 3 goes out with TC-B of the group, not TC-A.
    @inlinable public static var address3TrafficClass: Self { Self(rawValue: 1 << 11) }
    /// The completion record goes out with TC-B of the group, not TC-A.
    @inlinable public static var completionRecordTrafficClass: Self { Self(rawValue: 1 << 12) }
    /// Writes become visible in the order in which the device issues them (STORD).
    @inlinable public static var strictOrdering: Self { Self(rawValue: 1 << 13) }
    /// Cache Control 2.
    @inlinable public static var destinationReadback: Self { Self(rawValue: 1 << 14) }

    /// Batch: an earlier part of the batch has failed already (Batch Continuation, DSA 2.0).
    @inlinable public static var batchError: Self { Self(rawValue: 1 << 16) }

    /// Drain: Readback Address 1 Valid.
    @inlinable public static var readbackAddress1Valid: Self { Self(rawValue: 1 << 16) }
    /// Drain: Readback Address 2 Valid.
    @inlinable public static var readbackAddress2Valid: Self { Self(rawValue: 1 << 17) }
    /// Drain: suppress the implicit readback on TC-A.
    @inlinable public static var suppressReadbackA: Self { Self(rawValue: 1 << 18) }
    /// Drain: suppress the implicit readback on TC-B.
    @inlinable public static var suppressReadbackB: Self { Self(rawValue: 1 << 19) }

    /// CRC: read the seed from memory.
    @inlinable public static var readCRCSeed: Self { Self(rawValue: 1 << 16) }
    /// CRC: leave out the inversion and reflection of seed and result.
    @inlinable public static var bypassCRCInversion: Self { Self(rawValue: 1 << 17) }
    /// CRC: do not reflect the data bytes.
    @inlinable public static var bypassDataReflection: Self { Self(rawValue: 1 << 18) }
    /// CRC: CRC64 instead of CRC32C (DSA 2.0).
    @inlinable public static var crc64: Self { Self(rawValue: 1 << 19) }

    /// Fill: the pattern has 16 bytes (DSA 2.0).
    @inlinable public static var widePattern: Self { Self(rawValue: 1 << 18) }

    /// Translation Fetch: one translation per stride (DSA 2.0).
    @inlinable public static var useStride: Self { Self(rawValue: 1 << 16) }
}
