public import PCIe

/// What a PASID entry permits beyond its translation (virtualization §6.1).
public struct PASIDEntryOptions: OptionSet, Sendable, BitwiseCopyable {
    /// One bit for each option, numbered here: in the entry the options lie apart.
    public let rawValue: UInt8

    /// The options whose bits are 1.
    public init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// SRE: privileged requests are taken. Without it they fault with 5DH, whatever the translation.
    public static let supervisorRequests = Self(rawValue: 1 << 0)
    /// WPE: privileged writes heed the write permission of the first stage, as CR0.WP has it for the processor.
    public static let writeProtect = Self(rawValue: 1 << 1)
    /// FPD: faults of this PASID are not recorded. They block all the same (M-06).
    public static let suppressFaultRecords = Self(rawValue: 1 << 2)
    /// SLADE: second-stage entries get accessed and dirty flags.
    public static let secondStageFlags = Self(rawValue: 1 << 3)
}

/// An entry of a PASID table, 64 bytes: how one (requester, PASID) is translated (virtualization §6.1).
public struct PASIDTableEntry: Sendable, BitwiseCopyable {
    /// Bytes of an entry.
    public static let byteCount: UInt64 = 64

    /// PGTT, bits 8:6. Open: a table holds any value.
    public struct TranslationType: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
        /// The three bits of the field.
        public let rawValue: UInt8

        /// The type of these three bits, defined or not.
        public init(rawValue: UInt8) {
            self.rawValue = rawValue
        }

        /// The first stage alone, at FSPTPTR.
        public static let firstStage = Self(rawValue: 1)
        /// The second stage alone, at SSPTPTR.
        public static let secondStage = Self(rawValue: 2)
        /// The first stage at FSPTPTR, whose addresses the second stage at SSPTPTR translates.
        public static let nested = Self(rawValue: 3)
        /// Addresses are host physical.
        public static let passThrough = Self(rawValue: 4)
        /// A foreign address space (``AddressSpaceTranslation/foreign``). Reserved in VT-d: hardware, which walks the
        /// process's own tables, has 1 there.
        public static let foreign = Self(rawValue: 7)
    }

    /// Bits 63:0 first. Any value can be held; ``translation`` says what it means.
    public var words: InlineArray<8, UInt64>

    /// The entry of these eight words, valid or not.
    public init(words: InlineArray<8, UInt64>) {
        self.words = words
    }

    /// A present entry.
    public init(_ translation: AddressSpaceTranslation, domain: DomainID, options: PASIDEntryOptions) {
        /// AW = 2: a second stage of four levels, 48 bits.
        let addressWidth: UInt64 = 2 << 2
        words = InlineArray(repeating: 0)
        words[0] = EntryBits.present
        words[1] = UInt64(domain.rawValue)
        if options.contains(.suppressFaultRecords) { words[0] |= EntryBits.faultProcessingDisable }
        if options.contains(.secondStageFlags) { words[0] |= 1 << 9 }
        if options.contains(.supervisorRequests) { words[2] |= 1 << 0 }
        if options.contains(.writeProtect) { words[2] |= 1 << 4 }
        switch translation {
        case .firstStage(let root, let levels):
            setType(.firstStage)
            setFirstStage(root.rawValue, levels)
        case .nested(let firstStage, let levels, let secondStage):
            setType(.nested)
            setFirstStage(firstStage.rawValue, levels)
            words[0] |= secondStage.rawValue & EntryBits.pointer | addressWidth
        case .secondStage(let root):
            setType(.secondStage)
            words[0] |= root.rawValue & EntryBits.pointer | addressWidth
        case .passThrough:
            setType(.passThrough)
        case .foreign:
            setType(.foreign)
        }
    }

    /// Reads the entry at `address`; `nil` when that is not memory.
    @inline(__always)
    init?(in memory: PhysicalMemory, at address: HostPhysicalAddress) {
        guard let pointer = unsafe memory.pointer(to: address, byteCount: Self.byteCount) else { return nil }
        words = InlineArray { index in
            unsafe UInt64(littleEndian: pointer.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self))
        }
    }

    private mutating func setType(_ type: TranslationType) {
        words[0] |= UInt64(type.rawValue) << 6
    }

    private mutating func setFirstStage(_ root: UInt64, _ levels: PagingLevels) {
        words[2] |= root & EntryBits.pointer | (levels == .five ? 1 << 2 : 0)
    }
}

// MARK: Fields

extension PASIDTableEntry {
    /// P, bit 0.
    public var isPresent: Bool { words[0] & EntryBits.present != 0 }

    /// FPD, bit 1.
    public var isFaultProcessingDisabled: Bool { words[0] & EntryBits.faultProcessingDisable != 0 }

    /// AW, bits 4:2, the width of the second stage's input: 2 is 48 bits, the only one here.
    public var addressWidth: UInt8 { UInt8(truncatingIfNeeded: words[0] >> 2 & 7) }

    /// PGTT, bits 8:6.
    public var translationType: TranslationType {
        TranslationType(rawValue: UInt8(truncatingIfNeeded: words[0] >> 6 & 7))
    }

    /// SLADE, bit 9: second-stage entries get accessed and dirty flags.
    public var setsSecondStageFlags: Bool { words[0] & 1 << 9 != 0 }

    /// SSPTPTR, bits 63:12.
    public var secondStageRoot: HostPhysicalAddress { HostPhysicalAddress(rawValue: words[0] & EntryBits.pointer) }

    /// DID, bits 79:64.
    public var domain: DomainID { DomainID(rawValue: UInt16(truncatingIfNeeded: words[1])) }

    /// SRE, bit 128.
    public var takesSupervisorRequests: Bool { words[2] & 1 << 0 != 0 }

    /// FSPM, bits 131:130: 0 is 4 levels, 1 is 5 levels, `nil` is neither.
    @inline(__always)
    public var firstStageLevels: PagingLevels? {
        switch words[2] >> 2 & 3 {
        case 0: .four
        case 1: .five
        default: nil
        }
    }

    /// WPE, bit 132.
    public var isWriteProtectEnabled: Bool { words[2] & 1 << 4 != 0 }

    /// FSPTPTR, bits 191:140: a GPA when nested, else a host physical address.
    public var firstStageRoot: UInt64 { words[2] & ~0xFFF }

    /// Bits that are reserved, or belong to what this unit does not offer: memory types (89, 90, 127:96), extended
    /// accessed flag (135). The snoop bits 87 and 88 are allowed: memory is coherent here whatever they say. A
    /// first-stage pointer above the host width is reserved unless it is a GPA, which the walk checks against the
    /// guest's width.
    @inline(__always)
    public var hasReservedBits: Bool {
        let highPointerBits = translationType == .nested ? 0 : EntryBits.aboveHostWidth
        return words[0] & (EntryBits.aboveHostWidth | 0xC20) | words[1] & ~0x0180_FFFF
            | words[2] & (highPointerBits | 0xF82) | words[3] | words[4] | words[5] | words[6] | words[7] != 0
    }

    /// What the entry's type and pointers say, or `nil` when PGTT, AW or FSPM names nothing this unit has.
    @inline(__always)
    public var translation: AddressSpaceTranslation? {
        switch translationType {
        case .firstStage:
            guard let levels = firstStageLevels else { return nil }
            return .firstStage(root: HostPhysicalAddress(rawValue: firstStageRoot), levels: levels)
        case .nested:
            guard let levels = firstStageLevels, addressWidth == 2 else { return nil }
            return .nested(
                firstStage: GuestPhysicalAddress(rawValue: firstStageRoot), levels: levels,
                secondStage: secondStageRoot)
        case .secondStage:
            guard addressWidth == 2 else { return nil }
            return .secondStage(root: secondStageRoot)
        case .passThrough:
            return .passThrough
        case .foreign:
            return .foreign
        default:
            return nil
        }
    }

    /// Where the entry of `pasid` lies in `table`: index PASID[5:0].
    static func location(in table: HostPhysicalAddress, of pasid: HostPASID) -> HostPhysicalAddress {
        table.advanced(by: UInt64(pasid.rawValue & 0x3F) * byteCount)
    }
}
