public import PCIe

/// An entry of a PASID directory, the upper level of a VM's PASID translation table (virtualization §4.2). 8 bytes.
///
/// | Bits | Field |
/// |---|---|
/// | 0 | present |
/// | 11:1 | reserved |
/// | 51:12 | address of the PASID table |
/// | 63:52 | reserved, beyond the physical address width |
public struct PASIDTranslationDirectoryEntry: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    /// The 64 bits of the entry.
    public let rawValue: UInt64

    /// The entry of these 64 bits, valid or not.
    @inlinable
    public init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// A present entry for the table at `table`.
    ///
    /// - Precondition: `table` is a multiple of 4096 below 2^52.
    @inlinable
    public init(table: HostPhysicalAddress) {
        precondition(table.rawValue & ~Self.addressBits == 0, "a PASID table fills one 4 KiB frame")
        rawValue = table.rawValue | Self.presentBit
    }

    /// The entry of a directory without a table.
    @inlinable public static var notPresent: Self { Self(rawValue: 0) }

    /// Bit 0. Without it a guest PASID of this entry does not translate.
    @inlinable public var isPresent: Bool { rawValue & Self.presentBit != 0 }

    /// Whether any of bits 11:1 and 63:52 is 1, which fails the walk.
    @inlinable public var hasReservedBits: Bool { rawValue & ~(Self.addressBits | Self.presentBit) != 0 }

    /// The PASID table; of meaning only in a present entry.
    @inlinable public var table: HostPhysicalAddress { HostPhysicalAddress(rawValue: rawValue & Self.addressBits) }

    @inlinable static var presentBit: UInt64 { 1 }

    @inlinable static var addressBits: UInt64 { 0x000F_FFFF_FFFF_F000 }
}
