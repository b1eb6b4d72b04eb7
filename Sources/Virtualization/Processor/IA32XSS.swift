/// The IA32_XSS MSR, 0DA0H: which supervisor state components XSAVES and XRSTORS manage (virtualization §3.2).
///
/// Bit 10 is the PASID state. The model's processors have no other supervisor component: the other bits are reserved.
public struct IA32XSS: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    /// The MSR's address.
    public static let address: UInt32 = 0xDA0

    /// What RDMSR returns.
    public let rawValue: UInt64

    /// Returns `nil` when a reserved bit is set; WRMSR answers that with #GP(0).
    public init?(rawValue: UInt64) {
        guard rawValue & ~Self.pasid.rawValue == 0 else { return nil }
        self.rawValue = rawValue
    }

    private init(unchecked rawValue: UInt64) { self.rawValue = rawValue }

    /// The reset value: no supervisor component.
    public static let none = Self(unchecked: 0)

    /// Bit 10: IA32_PASID.
    public static let pasid = Self(unchecked: 1 << 10)

    /// Whether XSAVES and XRSTORS manage IA32_PASID.
    public var managesPASID: Bool { self == .pasid }
}
