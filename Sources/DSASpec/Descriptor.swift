public import PCIe

/// The 64 bytes of a descriptor as eight little-endian words (DSA 3.0 §8.1).
///
/// Plain bytes: any value can be held. ``DescriptorChecks`` says what is wrong with one. Operation-specific fields are
/// named as in table 8-5 ff.; two names may read the same bytes.
public struct Descriptor: Hashable, Sendable, BitwiseCopyable {
    /// Bytes of a descriptor, and of a portal write.
    public static let byteCount = 64

    /// Bytes 0-7: PASID, Priv, flags, operation.
    public var word0: UInt64
    /// Bytes 8-15: the completion record address.
    public var word1: UInt64
    /// Bytes 16-23: source, pattern, descriptor list or first readback address.
    public var word2: UInt64
    /// Bytes 24-31: destination, second source, pattern or second readback address.
    public var word3: UInt64
    /// Bytes 32-39: size or count, interrupt handle.
    public var word4: UInt64
    /// Bytes 40-47, by operation.
    public var word5: UInt64
    /// Bytes 48-55, by operation.
    public var word6: UInt64
    /// Bytes 56-63, by operation.
    public var word7: UInt64

    /// All bytes 0: a No-op of PASID 0 that reports nothing.
    @inlinable
    public init() {
        (word0, word1, word2, word3) = (0, 0, 0, 0)
        (word4, word5, word6, word7) = (0, 0, 0, 0)
    }

    /// The descriptor of these eight words, in the order of its bytes.
    @inlinable
    public init(
        _ word0: UInt64, _ word1: UInt64, _ word2: UInt64, _ word3: UInt64,
        _ word4: UInt64, _ word5: UInt64, _ word6: UInt64, _ word7: UInt64
    ) {
        (self.word0, self.word1, self.word2, self.word3) = (word0, word1, word2, word3)
        (self.word4, self.word5, self.word6, self.word7) = (word4, word5, word6, word7)
    }

    /// The 64 bytes at `bytes`, which needs no alignment.
    @inlinable
    public init(loading bytes: UnsafeRawPointer) {
        word0 = unsafe UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self))
        word1 = unsafe UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        word2 = unsafe UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self))
        word3 = unsafe UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 24, as: UInt64.self))
        word4 = unsafe UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 32, as: UInt64.self))
        word5 = unsafe UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 40, as: UInt64.self))
        word6 = unsafe UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 48, as: UInt64.self))
        word7 = unsafe UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 56, as: UInt64.self))
    }

    /// Byte `index`, 0 to 63.
    @inlinable
    public func byte(_ index: Int) -> UInt8 {
        let word =
            switch index >> 3 {
            case 0: word0
            case 1: word1
            case 2: word2
            case 3: word3
            case 4: word4
            case 5: word5
            case 6: word6
            case 7: word7
            default: preconditionFailure("a descriptor has bytes 0 to 63")
            }
        return UInt8(truncatingIfNeeded: word >> (UInt64(index & 7) * 8))
    }

    /// Word `index`, 0 to 7: bytes 8 x `index` and the seven after it.
    @inlinable
    public subscript(word index: Int) -> UInt64 {
        get {
            switch index {
            case 0: word0
            case 1: word1
            case 2: word2
            case 3: word3
            case 4: word4
            case 5: word5
            case 6: word6
            case 7: word7
            default: preconditionFailure("a descriptor has words 0 to 7")
            }
        }
        set {
            switch index {
            case 0: word0 = newValue
            case 1: word1 = newValue
            case 2: word2 = newValue
            case 3: word3 = newValue
            case 4: word4 = newValue
            case 5: word5 = newValue
            case 6: word6 = newValue
            case 7: word7 = newValue
            default: preconditionFailure("a descriptor has words 0 to 7")
            }
        }
    }
}

// MARK: Common fields

extension Descriptor {
    /// Bytes 0-3: PASID 19:0, reserved 30:20, Priv 31.
    @inlinable public var firstDword: UInt32 {
        get { UInt32(truncatingIfNeeded: word0) }
        set { word0 = word0 & ~0xFFFF_FFFF | UInt64(newValue) }
    }

    /// PASID, bits 19:0. Trusted: the processor wrote it.
    @inlinable public var pasid: HostPASID { HostPASID(truncating: firstDword) }

    /// Priv, bit 31: 1 for supervisor.
    @inlinable public var isPrivileged: Bool { firstDword >> 31 == 1 }

    /// Bytes 4-6 (DSA 3.0 table 8-3).
    @inlinable public var flags: DescriptorFlags {
        get { DescriptorFlags(rawValue: UInt32(truncatingIfNeeded: word0 >> 32)) }
        set { word0 = word0 & 0xFF00_0000_FFFF_FFFF | UInt64(newValue.rawValue) << 32 }
    }

    /// Byte 7, Operation.
    @inlinable public var opcode: Opcode {
        get { Opcode(rawValue: UInt8(truncatingIfNeeded: word0 >> 56)) }
        set { word0 = word0 & 0x00FF_FFFF_FFFF_FFFF | UInt64(newValue.rawValue) << 56 }
    }

    /// Bytes 8-15 (CRA): a multiple of 32.
    @inlinable public var completionRecordAddress: LinearAddress {
        get { LinearAddress(rawValue: word1) }
        set { word1 = newValue.rawValue }
    }

    /// Bytes 32-35: bytes to transfer, at least 1 where used.
    @inlinable public var transferSize: UInt32 {
        get { UInt32(truncatingIfNeeded: word4) }
        set { word4 = word4 & ~0xFFFF_FFFF | UInt64(newValue) }
    }

    /// Bytes 36-37: index of a MSI-X or IMS entry.
    @inlinable public var completionInterruptHandle: UInt16 {
        get { UInt16(truncatingIfNeeded: word4 >> 32) }
        set { word4 = word4 & ~0xFFFF_0000_0000 | UInt64(newValue) << 32 }
    }
}

// MARK: Fields by operation

extension Descriptor {
    /// Bytes 16-23: source of every operation that reads; source 1 of Compare.
    @inlinable public var sourceAddress: LinearAddress {
        get { LinearAddress(rawValue: word2) }
        set { word2 = newValue.rawValue }
    }

    /// Bytes 24-31: destination of every operation that writes; source 2 of Compare; the range of Cache Flush.
    @inlinable public var destinationAddress: LinearAddress {
        get { LinearAddress(rawValue: word3) }
        set { word3 = newValue.rawValue }
    }

    /// Dualcast, bytes 40-47.
    @inlinable public var destination2Address: LinearAddress {
        get { LinearAddress(rawValue: word5) }
        set { word5 = newValue.rawValue }
    }

    /// Batch, bytes 16-23: a multiple of 64.
    @inlinable public var descriptorListAddress: LinearAddress {
        get { LinearAddress(rawValue: word2) }
        set { word2 = newValue.rawValue }
    }

    /// Batch, bytes 32-35.
    @inlinable public var descriptorCount: UInt32 {
        get { transferSize }
        set { transferSize = newValue }
    }

    /// Fill, bytes 16-23, repeated from the start of the destination.
    @inlinable public var fillPattern: UInt64 {
        get { word2 }
        set { word2 = newValue }
    }

    /// Fill with a pattern of 16 bytes, bytes 40-47: the second eight of them.
    @inlinable public var fillPatternHigh: UInt64 {
        get { word5 }
        set { word5 = newValue }
    }

    /// Compare Pattern, bytes 24-31, repeated from the start of the source.
    @inlinable public var comparePattern: UInt64 {
        get { word3 }
        set { word3 = newValue }
    }

    /// Compare and Compare Pattern, byte 40: bit 0 is compared with Result, the others are ignored.
    @inlinable public var expectedResult: UInt8 {
        get { UInt8(truncatingIfNeeded: word5) }
        set { word5 = word5 & ~0xFF | UInt64(newValue) }
    }

    /// CRC, bytes 40-43.
    @inlinable public var crcSeed: UInt32 {
        get { UInt32(truncatingIfNeeded: word5) }
        set { word5 = word5 & ~0xFFFF_FFFF | UInt64(newValue) }
    }

    /// CRC with CRC64, bytes 40-47.
    @inlinable public var crc64Seed: UInt64 {
        get { word5 }
        set { word5 = newValue }
    }

    /// CRC, bytes 48-55: a multiple of 4, with CRC64 of 8.
    @inlinable public var crcSeedAddress: LinearAddress {
        get { LinearAddress(rawValue: word6) }
        set { word6 = newValue.rawValue }
    }

    /// Translation Fetch, bytes 48-51: bytes from one translation to the next; a multiple of 4096.
    @inlinable public var regionStride: UInt32 {
        get { UInt32(truncatingIfNeeded: word6) }
        set { word6 = word6 & ~0xFFFF_FFFF | UInt64(newValue) }
    }

    /// Drain, bytes 16-23.
    @inlinable public var readbackAddress1: LinearAddress {
        get { LinearAddress(rawValue: word2) }
        set { word2 = newValue.rawValue }
    }

    /// Drain, bytes 24-31.
    @inlinable public var readbackAddress2: LinearAddress {
        get { LinearAddress(rawValue: word3) }
        set { word3 = newValue.rawValue }
    }

    /// Create Delta Record, bytes 40-47. No alignment is asked for. Apply Delta Record has the address of its record in
    /// ``sourceAddress``.
    @inlinable public var deltaRecordAddress: LinearAddress {
        get { LinearAddress(rawValue: word5) }
        set { word5 = newValue.rawValue }
    }

    /// Create Delta Record, bytes 48-51: room at ``deltaRecordAddress``, in bytes; at least 80.
    @inlinable public var maximumDeltaRecordSize: UInt32 {
        get { UInt32(truncatingIfNeeded: word6) }
        set { word6 = word6 & ~0xFFFF_FFFF | UInt64(newValue) }
    }

    /// Create Delta Record, byte 56: bit n, of 2:0, expects Result n; the others are ignored.
    @inlinable public var expectedResultMask: UInt8 {
        get { UInt8(truncatingIfNeeded: word7) }
        set { word7 = word7 & ~0xFF | UInt64(newValue) }
    }

    /// Apply Delta Record, bytes 40-43: bytes of the record, at least 10.
    @inlinable public var deltaRecordSize: UInt32 {
        get { UInt32(truncatingIfNeeded: word5) }
        set { word5 = word5 & ~0xFFFF_FFFF | UInt64(newValue) }
    }
}

// MARK: Data integrity fields

extension Descriptor {
    /// DIF Check, Strip and Update, byte 40.
    @inlinable public var sourceDIFFlags: SourceDIFFlags {
        get { SourceDIFFlags(rawValue: UInt8(truncatingIfNeeded: word5)) }
        set { word5 = word5 & ~0xFF | UInt64(newValue.rawValue) }
    }

    /// DIF Insert and Update, byte 41.
    @inlinable public var destinationDIFFlags: DestinationDIFFlags {
        get { DestinationDIFFlags(rawValue: UInt8(truncatingIfNeeded: word5 >> 8)) }
        set { word5 = word5 & ~0xFF00 | UInt64(newValue.rawValue) << 8 }
    }

    /// DIF operations, byte 42.
    @inlinable public var difFlags: DIFFlags {
        get { DIFFlags(rawValue: UInt8(truncatingIfNeeded: word5 >> 16)) }
        set { word5 = word5 & ~0xFF_0000 | UInt64(newValue.rawValue) << 16 }
    }

    /// DIF Check, Strip and Update, bytes 48-55: what the first block of the source is compared with.
    @inlinable public var sourceDIFTags: DIFTags {
        get { DIFTags(word: word6) }
        set { word6 = newValue.word }
    }

    /// DIF Insert and Update, bytes 56-63: what the first block of the destination gets.
    @inlinable public var destinationDIFTags: DIFTags {
        get { DIFTags(word: word7) }
        set { word7 = newValue.word }
    }
}
