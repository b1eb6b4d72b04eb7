/// The flags of a descriptor, bytes 4 to 6 (DSA 3.0 table 8-3). Bit 0 is Fence.
package struct DescriptorFlags: OptionSet, Hashable, Sendable, BitwiseCopyable {
    /// 24 bits; bits 31:24 are 0.
    package let rawValue: UInt32

    @inlinable
    package init(rawValue: UInt32) {
        self.rawValue = rawValue & 0xFF_FFFF
    }

    /// Wait for all earlier members of the batch.
    package static let fence = Self(rawValue: 1 << 0)
    /// Wait for a page request instead of completing partially (BOF).
    package static let blockOnFault = Self(rawValue: 1 << 1)
    /// CRAV.
    package static let completionRecordAddressValid = Self(rawValue: 1 << 2)
    /// RCR.
    package static let requestCompletionRecord = Self(rawValue: 1 << 3)
    /// RCI.
    package static let requestCompletionInterrupt = Self(rawValue: 1 << 4)
    package static let checkResult = Self(rawValue: 1 << 7)
    /// Cache Control 1: allocate destination writes in the cache.
    package static let cacheControl = Self(rawValue: 1 << 8)
    package static let address1TrafficClass = Self(rawValue: 1 << 9)
    package static let address2TrafficClass = Self(rawValue: 1 << 10)
    package static let address3TrafficClass = Self(rawValue: 1 << 11)
    package static let completionRecordTrafficClass = Self(rawValue: 1 << 12)
    package static let strictOrdering = Self(rawValue: 1 << 13)
    /// Cache Control 2.
    package static let destinationReadback = Self(rawValue: 1 << 14)

    /// Drain: Readback Address 1 Valid.
    package static let readbackAddress1Valid = Self(rawValue: 1 << 16)
    /// Drain: Readback Address 2 Valid.
    package static let readbackAddress2Valid = Self(rawValue: 1 << 17)
    /// Drain: suppress the implicit readback on TC-A.
    package static let suppressReadbackA = Self(rawValue: 1 << 18)
    /// Drain: suppress the implicit readback on TC-B.
    package static let suppressReadbackB = Self(rawValue: 1 << 19)

    /// CRC: read the seed from memory.
    package static let readCRCSeed = Self(rawValue: 1 << 16)
    /// CRC: leave out the inversion and reflection of seed and result.
    package static let bypassCRCInversion = Self(rawValue: 1 << 17)
    /// CRC: do not reflect the data bytes.
    package static let bypassDataReflection = Self(rawValue: 1 << 18)
}
