package import PCIe

/// An entry of a PASID directory, the upper level of a VM's PASID translation table (virtualization §4.2). 8 bytes.
///
/// | Bits | Field |
/// |---|---|
/// | 0 | present |
/// | 11:1 | reserved |
/// | 51:12 | address of the PASID table |
/// | 63:52 | reserved, beyond the physical address width |
package struct PASIDTranslationDirectoryEntry: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    package let rawValue: UInt64

    @inlinable
    package init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// A present entry for the table at `table`.
    ///
    /// - Precondition: `table` is a multiple of 4096 below 2^52.
    @inlinable
    package init(table: HostPhysicalAddress) {
        precondition(table.rawValue & ~Self.addressBits == 0, "a PASID table fills one 4 KiB frame")
        rawValue = table.rawValue | Self.presentBit
    }

    /// The entry of a directory without a table.
    @inlinable package static var notPresent: Self { Self(rawValue: 0) }

    @inlinable package var isPresent: Bool { rawValue & Self.presentBit != 0 }

    @inlinable package var hasReservedBits: Bool { rawValue & ~(Self.addressBits | Self.presentBit) != 0 }

    /// The PASID table; of meaning only in a present entry.
    @inlinable package var table: HostPhysicalAddress { HostPhysicalAddress(rawValue: rawValue & Self.addressBits) }

    @inlinable static var presentBit: UInt64 { 1 }

    @inlinable static var addressBits: UInt64 { 0x000F_FFFF_FFFF_F000 }
}
