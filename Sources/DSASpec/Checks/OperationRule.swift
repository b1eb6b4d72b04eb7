/// Bytes 16 to 63 of a descriptor as masks of its words 2 to 7: a bit is 1 where the descriptor's must be 0.
struct ReservedBytes: Sendable, BitwiseCopyable {
    var word2: UInt64 = 0
    var word3: UInt64 = 0
    /// Never covers bytes 36-37, the interrupt handle.
    var word4: UInt64 = 0
    var word5: UInt64 = 0
    var word6: UInt64 = 0
    var word7: UInt64 = 0

    static let none: UInt64 = 0
    static let all: UInt64 = ~0
    /// The word's bytes 0 to 3.
    static let low: UInt64 = 0x0000_0000_FFFF_FFFF
    /// The word's bytes 4 to 7.
    static let high: UInt64 = 0xFFFF_FFFF_0000_0000
    /// The word's bytes 1 to 7.
    static let allButFirst: UInt64 = ~0xFF
    /// Bytes 38 and 39, reserved in every operation of DSA 1.0.
    static let tail: UInt64 = 0xFFFF_0000_0000_0000

    /// Of word 5: byte 40.
    static let sourceDIFFlags: UInt64 = 0x00_00FF
    /// Of word 5: byte 41.
    static let destinationDIFFlags: UInt64 = 0x00_FF00
    /// Of word 5: bits 2:0 of byte 41.
    static let undefinedDestinationDIFFlags: UInt64 = 0x00_0700
    /// Of word 5: bits 7:4 of byte 42.
    static let undefinedDIFFlags: UInt64 = 0xF0_0000
    /// Of word 5: bytes 43 to 47.
    static let allButDIFFlags: UInt64 = ~0xFF_FFFF
}

/// One row of the table of operations: which flags and bytes one may use, and how its sizes and addresses are checked
/// (DSA 3.0 tables 5-3 to 5-5).
///
/// An operation without a row is not emulated, whatever OPCAP says.
struct OperationRule: Sendable, BitwiseCopyable {
    /// What bytes 32-35 hold.
    enum Size: Sendable, BitwiseCopyable {
        case reserved
        case transferSize
        case descriptorCount
        /// Transfer Size, of blocks of 8 bytes that 16 bits can number.
        case deltaBlocks
        /// Transfer Size, of whole blocks of data.
        case difData
        /// Transfer Size, of whole blocks of data with their fields.
        case difBlocks
    }

    /// What the descriptor says of a delta record's size.
    enum DeltaRecordSize: Sendable, BitwiseCopyable {
        case none
        case maximum
        case actual
    }

    enum Alignment: Sendable, BitwiseCopyable {
        case free
        case descriptorList
        case dualcast
        case deltaSources
        case deltaDestination
        case crcSeed
        case crc64Seed
        /// Translation Fetch: the stride, a multiple of a page.
        case regionStride
    }

    enum Overlap: Sendable, BitwiseCopyable {
        case free
        case memoryMove
        case sourceAndDestination
        case dualcast
        case createDelta
        case applyDelta
        case difInsert
        case difStrip
    }

    /// Flags that may be 1 when every capability and configuration permits them, Fence and the flags of
    /// ``capabilityFlags`` left out.
    var allowedFlags: UInt32
    /// Flags that need one capability of GENCAP for this operation alone, and that capability's bit.
    var capabilityFlags: UInt32 = 0
    var capability: UInt64 = 0
    /// Flags that must be 1.
    var requiredFlags: UInt32 = 0
    /// TC selectors that the descriptor's other flags leave unused.
    var unusedSelectors: UInt32 = 0
    var reserved: ReservedBytes
    /// Reserved because of the descriptor's other flags.
    var reservedByFlags = ReservedBytes()
    /// Bits of word 5 that are reserved beside others of their byte: in DIF Flags and Destination DIF Flags.
    var reservedDIFFlags: UInt64 = 0
    var size = Size.transferSize
    var deltaRecordSize = DeltaRecordSize.none
    var alignment = Alignment.free
    var overlap = Overlap.free
    var mayBeBatchMember = true

    /// CRAV and RCR: the result is in the record.
    private static let recordRequest: UInt32 = 0x00_000C

    /// The row of `opcode` for a descriptor with `flags`, or `nil` when the operation is not emulated.
    @inline(__always)
    init?(_ opcode: Opcode, flags: UInt32) {
        typealias Bytes = ReservedBytes
        switch opcode {
        case .noOp:
            self.init(
                allowedFlags: 0x00_101C,
                reserved: Bytes(
                    word2: Bytes.all, word3: Bytes.all, word4: Bytes.low | Bytes.tail, word5: Bytes.all,
                    word6: Bytes.all, word7: Bytes.all),
                size: .reserved)
        case .batch:
            self.init(
                allowedFlags: 0x00_121C, capabilityFlags: DescriptorFlags.batchError.rawValue, capability: 1 << 15,
                reserved: Bytes(
                    word3: Bytes.all, word4: Bytes.tail, word5: Bytes.all, word6: Bytes.all, word7: Bytes.all),
                size: .descriptorCount, alignment: .descriptorList, mayBeBatchMember: false)
        case .drain:
            let readsFirst = flags & DescriptorFlags.readbackAddress1Valid.rawValue != 0
            let readsSecond = flags & DescriptorFlags.readbackAddress2Valid.rawValue != 0
            self.init(
                allowedFlags: 0x0C_161C, capabilityFlags: 0x03_0000, capability: 1 << 9,
                unusedSelectors: (readsFirst ? 0 : DescriptorFlags.address1TrafficClass.rawValue)
                    | (readsSecond ? 0 : DescriptorFlags.address2TrafficClass.rawValue),
                reserved: Bytes(
                    word4: Bytes.low | Bytes.tail, word5: Bytes.all, word6: Bytes.all, word7: Bytes.all),
                reservedByFlags: Bytes(
                    word2: readsFirst ? Bytes.none : Bytes.all, word3: readsSecond ? Bytes.none : Bytes.all),
                size: .reserved, mayBeBatchMember: false)
        case .memoryMove:
            self.init(
                allowedFlags: 0x00_771E,
                reserved: Bytes(word4: Bytes.tail, word5: Bytes.all, word6: Bytes.all, word7: Bytes.all),
                overlap: .memoryMove)
        case .fill:
            let hasWidePattern = flags & DescriptorFlags.widePattern.rawValue != 0
            self.init(
                allowedFlags: 0x00_751E, capabilityFlags: DescriptorFlags.widePattern.rawValue, capability: 1 << 10,
                reserved: Bytes(word4: Bytes.tail, word6: Bytes.all, word7: Bytes.all),
                reservedByFlags: Bytes(word5: hasWidePattern ? Bytes.none : Bytes.all))
        case .compare:
            self.init(
                allowedFlags: 0x00_169E, requiredFlags: Self.recordRequest,
                reserved: Bytes(word4: Bytes.tail, word5: Bytes.allButFirst, word6: Bytes.all, word7: Bytes.all))
        case .comparePattern:
            self.init(
                allowedFlags: 0x00_129E, requiredFlags: Self.recordRequest,
                reserved: Bytes(word4: Bytes.tail, word5: Bytes.allButFirst, word6: Bytes.all, word7: Bytes.all))
        case .createDeltaRecord:
            self.init(
                allowedFlags: 0x00_7F9E, requiredFlags: Self.recordRequest,
                reserved: Bytes(word4: Bytes.tail, word6: Bytes.high, word7: Bytes.allButFirst),
                size: .deltaBlocks, deltaRecordSize: .maximum, alignment: .deltaSources, overlap: .createDelta)
        case .applyDeltaRecord:
            self.init(
                allowedFlags: 0x00_771E,
                reserved: Bytes(word4: Bytes.tail, word5: Bytes.high, word6: Bytes.all, word7: Bytes.all),
                size: .deltaBlocks, deltaRecordSize: .actual, alignment: .deltaDestination, overlap: .applyDelta)
        case .dualcast:
            self.init(
                allowedFlags: 0x00_7F1E, reserved: Bytes(word4: Bytes.tail, word6: Bytes.all, word7: Bytes.all),
                alignment: .dualcast, overlap: .dualcast)
        case .translationFetch:
            let usesStride = flags & DescriptorFlags.useStride.rawValue != 0
            self.init(
                allowedFlags: 0x00_121E, capabilityFlags: DescriptorFlags.useStride.rawValue, capability: 1 << 7,
                reserved: Bytes(
                    word3: Bytes.all, word4: Bytes.tail, word5: Bytes.all, word6: Bytes.high, word7: Bytes.all),
                reservedByFlags: Bytes(word6: usesStride ? Bytes.none : Bytes.low),
                alignment: usesStride ? .regionStride : .free)
        case .crcGeneration:
            self.init(
                crcWithFlags: flags, allowedFlags: 0x07_1A1E,
                reserved: Bytes(word3: Bytes.all, word4: Bytes.tail, word7: Bytes.all), overlap: .free)
        case .copyWithCRC:
            self.init(
                crcWithFlags: flags, allowedFlags: 0x07_7F1E,
                reserved: Bytes(word4: Bytes.tail, word7: Bytes.all), overlap: .sourceAndDestination)
        case .difCheck:
            self.init(
                allowedFlags: 0x00_121E, requiredFlags: Self.recordRequest,
                reserved: Bytes(
                    word3: Bytes.all, word4: Bytes.tail, word5: Bytes.allButDIFFlags | Bytes.destinationDIFFlags,
                    word7: Bytes.all),
                reservedDIFFlags: Bytes.undefinedDIFFlags, size: .difBlocks)
        case .difInsert:
            self.init(
                allowedFlags: 0x00_771E,
                reserved: Bytes(
                    word4: Bytes.tail, word5: Bytes.allButDIFFlags | Bytes.sourceDIFFlags, word6: Bytes.all),
                reservedDIFFlags: Bytes.undefinedDIFFlags | Bytes.undefinedDestinationDIFFlags, size: .difData,
                overlap: .difInsert)
        case .difStrip:
            self.init(
                allowedFlags: 0x00_771E,
                reserved: Bytes(
                    word4: Bytes.tail, word5: Bytes.allButDIFFlags | Bytes.destinationDIFFlags, word7: Bytes.all),
                reservedDIFFlags: Bytes.undefinedDIFFlags, size: .difBlocks, overlap: .difStrip)
        case .difUpdate:
            self.init(
                allowedFlags: 0x00_771E, reserved: Bytes(word4: Bytes.tail, word5: Bytes.allButDIFFlags),
                reservedDIFFlags: Bytes.undefinedDIFFlags | Bytes.undefinedDestinationDIFFlags, size: .difBlocks,
                overlap: .sourceAndDestination)
        case .cacheFlush:
            self.init(
                allowedFlags: 0x00_741E, capabilityFlags: DescriptorFlags.cacheControl.rawValue, capability: 1 << 3,
                reserved: Bytes(
                    word2: Bytes.all, word4: Bytes.tail, word5: Bytes.all, word6: Bytes.all, word7: Bytes.all))
        default:
            return nil
        }
    }

    /// The seed rule (DSA 3.0 §8.3.12): the seed is either in bytes 40-43, of CRC64 40-47, or at the address in bytes
    /// 48-55.
    @inline(__always)
    private init(crcWithFlags flags: UInt32, allowedFlags: UInt32, reserved: ReservedBytes, overlap: Overlap) {
        let readsSeed = flags & DescriptorFlags.readCRCSeed.rawValue != 0
        let isWide = flags & DescriptorFlags.crc64.rawValue != 0
        self.init(
            allowedFlags: allowedFlags, capabilityFlags: DescriptorFlags.crc64.rawValue, capability: 1 << 11,
            requiredFlags: Self.recordRequest,
            unusedSelectors: readsSeed ? 0 : DescriptorFlags.address3TrafficClass.rawValue,
            reserved: reserved,
            reservedByFlags: readsSeed
                ? ReservedBytes(word5: ReservedBytes.all)
                : ReservedBytes(word5: isWide ? ReservedBytes.none : ReservedBytes.high, word6: ReservedBytes.all),
            alignment: readsSeed ? (isWide ? .crc64Seed : .crcSeed) : .free, overlap: overlap)
    }

    @inline(__always)
    private init(
        allowedFlags: UInt32, capabilityFlags: UInt32 = 0, capability: UInt64 = 0, requiredFlags: UInt32 = 0,
        unusedSelectors: UInt32 = 0, reserved: ReservedBytes, reservedByFlags: ReservedBytes = ReservedBytes(),
        reservedDIFFlags: UInt64 = 0, size: Size = .transferSize, deltaRecordSize: DeltaRecordSize = .none,
        alignment: Alignment = .free, overlap: Overlap = .free, mayBeBatchMember: Bool = true
    ) {
        self.allowedFlags = allowedFlags
        self.capabilityFlags = capabilityFlags
        self.capability = capability
        self.requiredFlags = requiredFlags
        self.unusedSelectors = unusedSelectors
        self.reserved = reserved
        self.reservedByFlags = reservedByFlags
        self.reservedDIFFlags = reservedDIFFlags
        self.size = size
        self.deltaRecordSize = deltaRecordSize
        self.alignment = alignment
        self.overlap = overlap
        self.mayBeBatchMember = mayBeBatchMember
    }
}
