public import PCIe

/// The IA32_PASID MSR, 0D93H: the PASID of the software thread that runs on the logical processor (virtualization
/// §3.1).
///
/// | Bits | Field |
/// |---|---|
/// | 19:0 | PASID |
/// | 30:20 | reserved |
/// | 31 | valid |
/// | 63:32 | reserved |
///
/// Reset value 0, which is invalid. In VMX non-root mode the PASID is the guest's, otherwise the host's: the register
/// does not know, so the reader says which by the accessor it uses.
public struct IA32PASID: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    /// The MSR's address.
    public static let address: UInt32 = 0xD93

    /// What RDMSR returns. Reserved bits are 0.
    public let rawValue: UInt64

    /// Returns `nil` when a reserved bit is set; WRMSR answers that with #GP(0).
    @inlinable
    public init?(rawValue: UInt64) {
        guard rawValue & Self.reservedBits == 0 else { return nil }
        self.rawValue = rawValue
    }

    /// A valid register that holds `pasid`.
    @inlinable
    public init(_ pasid: HostPASID) {
        rawValue = UInt64(pasid.rawValue) | Self.validBit
    }

    /// A valid register that holds `pasid`.
    @inlinable
    public init(_ pasid: GuestPASID) {
        rawValue = UInt64(pasid.rawValue) | Self.validBit
    }

    @inlinable
    init(unchecked rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// The reset value: no PASID.
    @inlinable public static var invalid: Self { Self(unchecked: 0) }

    /// Bit 31. ENQCMD with this bit clear raises #GP(0).
    @inlinable public var isValid: Bool { rawValue & Self.validBit != 0 }

    /// Bits 19:0 as a processor outside VMX non-root mode reads them.
    @inlinable public var hostPASID: HostPASID { HostPASID(truncating: UInt32(truncatingIfNeeded: rawValue)) }

    /// Bits 19:0 as a processor in VMX non-root mode reads them.
    @inlinable public var guestPASID: GuestPASID { GuestPASID(truncating: UInt32(truncatingIfNeeded: rawValue)) }

    @inlinable static var validBit: UInt64 { 1 << 31 }

    @inlinable static var reservedBits: UInt64 { 0xFFFF_FFFF_7FF0_0000 }
}
