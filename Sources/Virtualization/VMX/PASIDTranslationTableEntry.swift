public import PCIe

/// An entry of a PASID table, the lower level of a VM's PASID translation table (virtualization §4.2). 4 bytes.
///
/// | Bits | Field |
/// |---|---|
/// | 19:0 | host PASID |
/// | 30:20 | reserved |
/// | 31 | valid |
///
/// Not the IOMMU's PASID table entry, which has 64 bytes and another index.
public struct PASIDTranslationTableEntry: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    /// The 32 bits of the entry.
    public let rawValue: UInt32

    /// The entry of these 32 bits, valid or not.
    @inlinable
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// A valid entry that translates to `hostPASID`.
    @inlinable
    public init(_ hostPASID: HostPASID) {
        rawValue = hostPASID.rawValue | Self.validBit
    }

    /// The entry of a guest PASID that does not translate.
    @inlinable public static var invalid: Self { Self(rawValue: 0) }

    /// Bit 31. Without it the guest PASID does not translate.
    @inlinable public var isValid: Bool { rawValue & Self.validBit != 0 }

    /// Whether any of bits 30:20 is 1, which fails the walk.
    @inlinable public var hasReservedBits: Bool { rawValue & 0x7FF0_0000 != 0 }

    /// Bits 19:0; of meaning only in a valid entry.
    @inlinable public var hostPASID: HostPASID { HostPASID(truncating: rawValue) }

    @inlinable static var validBit: UInt32 { 1 << 31 }
}
