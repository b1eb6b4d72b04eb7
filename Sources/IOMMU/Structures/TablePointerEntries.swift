public import PCIe

/// What the entries of root table, context table, PASID directory and PASID table have in common (virtualization §6.1).
enum EntryBits {
    static let present: UInt64 = 1 << 0
    /// FPD. Counts in an entry that is not present, too.
    static let faultProcessingDisable: UInt64 = 1 << 1
    /// A 4 KiB aligned host physical address of 52 bits.
    static let pointer: UInt64 = 0x000F_FFFF_FFFF_F000
    /// What lies above the host address width of 52 bits, and is reserved.
    static let aboveHostWidth: UInt64 = 0xFFF0_0000_0000_0000
}

/// Half of a root entry, 8 bytes: the context table of devices 0-15 (lower half) or 16-31 (upper half) of one bus
/// (virtualization §6.1).
public struct RootEntryHalf: RawRepresentable, Equatable, Sendable, BitwiseCopyable {
    /// The 64 bits of the half.
    public let rawValue: UInt64

    /// The half of these 64 bits, valid or not.
    public init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// A present half. `contextTable` is page-aligned.
    public init(contextTable: HostPhysicalAddress) {
        rawValue = contextTable.rawValue & EntryBits.pointer | EntryBits.present
    }

    /// LP or UP, bit 0.
    public var isPresent: Bool { rawValue & EntryBits.present != 0 }

    /// Bits 11:1, and those above the host address width.
    @inline(__always)
    public var hasReservedBits: Bool { rawValue & (EntryBits.aboveHostWidth | 0xFFE) != 0 }

    /// LCTP or UCTP, bits 63:12.
    public var contextTable: HostPhysicalAddress { HostPhysicalAddress(rawValue: rawValue & EntryBits.pointer) }

    /// Where `requester`'s half lies in the root table at `rootTable`.
    static func location(in rootTable: HostPhysicalAddress, of requester: RequesterID) -> HostPhysicalAddress {
        rootTable.advanced(by: UInt64(requester.bus) * 16 + UInt64(requester.deviceFunction >> 7) * 8)
    }
}

/// An entry of a PASID directory, 8 bytes: the table of 64 PASIDs (virtualization §6.1).
public struct PASIDDirectoryEntry: RawRepresentable, Equatable, Sendable, BitwiseCopyable {
    /// The 64 bits of the entry.
    public let rawValue: UInt64

    /// The entry of these 64 bits, valid or not.
    public init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// A present entry. `table` is page-aligned.
    public init(table: HostPhysicalAddress) {
        rawValue = table.rawValue & EntryBits.pointer | EntryBits.present
    }

    /// P, bit 0.
    public var isPresent: Bool { rawValue & EntryBits.present != 0 }

    /// FPD, bit 1.
    public var isFaultProcessingDisabled: Bool { rawValue & EntryBits.faultProcessingDisable != 0 }

    /// Bits 11:2, and those above the host address width.
    @inline(__always)
    public var hasReservedBits: Bool { rawValue & (EntryBits.aboveHostWidth | 0xFFC) != 0 }

    /// SMPTBLPTR, bits 63:12.
    public var table: HostPhysicalAddress { HostPhysicalAddress(rawValue: rawValue & EntryBits.pointer) }

    /// Where the entry of `pasid` lies in `directory`: index PASID[19:6].
    static func location(in directory: HostPhysicalAddress, of pasid: HostPASID) -> HostPhysicalAddress {
        directory.advanced(by: UInt64(pasid.rawValue >> 6) * 8)
    }
}
