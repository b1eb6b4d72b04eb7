public import PCIe

/// The 32 bytes a device writes when a descriptor ends (DSA 3.0 §8.2), as four little-endian words.
public struct CompletionRecord: Hashable, Sendable, BitwiseCopyable {
    /// Bytes of a record, and what its address is a multiple of.
    public static let byteCount = 32

    /// Bytes 0-7: status, result, fault info, bytes completed.
    public var word0: UInt64 = 0
    /// Bytes 8-15: the fault address.
    public var word1: UInt64 = 0
    /// Bytes 16-23, by operation and status.
    public var word2: UInt64 = 0
    /// Bytes 24-31, by operation.
    public var word3: UInt64 = 0

    /// A record of `status` with every other field 0.
    @inlinable
    public init(status: CompletionStatus) {
        word0 = UInt64(status.rawValue)
    }

    /// The 32 bytes at `bytes`, which needs no alignment.
    @inlinable
    public init(loading bytes: UnsafeRawPointer) {
        word0 = unsafe UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self))
        word1 = unsafe UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        word2 = unsafe UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self))
        word3 = unsafe UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 24, as: UInt64.self))
    }

    /// Byte 0, bits 5:0.
    @inlinable public var status: CompletionStatus {
        get { CompletionStatus(rawValue: UInt8(truncatingIfNeeded: word0) & 0x3F) }
        set { word0 = word0 & ~0x3F | UInt64(newValue.rawValue) }
    }

    /// Byte 0, bit 7: the faulting access was a write.
    @inlinable public var faultWasWrite: Bool {
        get { word0 & 0x80 != 0 }
        set { word0 = word0 & ~0x80 | (newValue ? 0x80 : 0) }
    }

    /// Byte 1: Compare 0 equal, 1 different; Create Delta Record 2 as well, when the record is full; Memory Move 1 when
    /// bytes were done from the end.
    @inlinable public var result: UInt8 {
        get { UInt8(truncatingIfNeeded: word0 >> 8) }
        set { word0 = word0 & ~0xFF00 | UInt64(newValue) << 8 }
    }

    /// Bytes 4-7: table 2.4 of the device reference; Descriptors Completed for a batch.
    @inlinable public var bytesCompleted: UInt32 {
        get { UInt32(truncatingIfNeeded: word0 >> 32) }
        set { word0 = word0 & 0xFFFF_FFFF | UInt64(newValue) << 32 }
    }

    /// Bytes 8-15: the first byte that could not be accessed; with page-fault statuses only.
    @inlinable public var faultAddress: LinearAddress {
        get { LinearAddress(rawValue: word1) }
        set { word1 = newValue.rawValue }
    }

    /// Bytes 16-18: at least one offending flag; with status 0x11 only.
    @inlinable public var invalidFlags: DescriptorFlags {
        get { DescriptorFlags(rawValue: UInt32(truncatingIfNeeded: word2)) }
        set { word2 = word2 & ~0xFF_FFFF | UInt64(newValue.rawValue) }
    }

    /// CRC operations, bytes 16-19.
    @inlinable public var crcValue: UInt32 {
        get { UInt32(truncatingIfNeeded: word2) }
        set { word2 = word2 & ~0xFFFF_FFFF | UInt64(newValue) }
    }

    /// CRC operations with CRC64, bytes 16-23.
    @inlinable public var crc64Value: UInt64 {
        get { word2 }
        set { word2 = newValue }
    }

    /// Create Delta Record, bytes 16-19: bytes of the record that were written.
    @inlinable public var deltaRecordSize: UInt32 {
        get { UInt32(truncatingIfNeeded: word2) }
        set { word2 = word2 & ~0xFFFF_FFFF | UInt64(newValue) }
    }

    /// DIF Check, Strip and Update, byte 1: what failed in the block that ended the operation.
    @inlinable public var difStatus: DIFStatus {
        get { DIFStatus(rawValue: result) }
        set { result = newValue.rawValue }
    }

    /// DIF Check, Strip and Update, bytes 16-23: what the next block of the source is to be compared with.
    @inlinable public var sourceDIFTags: DIFTags {
        get { DIFTags(word: word2) }
        set { word2 = newValue.word }
    }

    /// DIF Insert and Update, bytes 24-31: what the next block of the destination is to get.
    @inlinable public var destinationDIFTags: DIFTags {
        get { DIFTags(word: word3) }
        set { word3 = newValue.word }
    }
}
