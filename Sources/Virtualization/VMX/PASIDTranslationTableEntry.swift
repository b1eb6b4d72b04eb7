package import PCIe

/// An entry of a PASID table, the lower level of a VM's PASID translation table (virtualization §4.2). 4 bytes.
///
/// | Bits | Field |
/// |---|---|
/// | 19:0 | host PASID |
/// | 30:20 | reserved |
/// | 31 | valid |
///
/// Not the IOMMU's PASID table entry, which has 64 bytes and another index.
package struct PASIDTranslationTableEntry: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    package let rawValue: UInt32

    @inlinable
    package init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// A valid entry that translates to `hostPASID`.
    @inlinable
    package init(_ hostPASID: HostPASID) {
        rawValue = hostPASID.rawValue | Self.validBit
    }

    /// The entry of a guest PASID that does not translate.
    @inlinable package static var invalid: Self { Self(rawValue: 0) }

    @inlinable package var isValid: Bool { rawValue & Self.validBit != 0 }

    @inlinable package var hasReservedBits: Bool { rawValue & 0x7FF0_0000 != 0 }

    /// Bits 19:0; of meaning only in a valid entry.
    @inlinable package var hostPASID: HostPASID { HostPASID(truncating: rawValue) }

    @inlinable static var validBit: UInt32 { 1 << 31 }
}
