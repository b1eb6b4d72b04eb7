/// The secondary processor-based VM-execution controls (virtualization §4.1).
public struct SecondaryProcessorControls: OptionSet, Hashable, Sendable, BitwiseCopyable {
    /// The 32 bits of the field.
    public let rawValue: UInt32

    /// The controls whose bits are 1.
    @inlinable
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// Bit 20: XSAVES and XRSTORS are no #UD in non-root mode.
    @inlinable public static var enableXSAVES: Self { Self(rawValue: 1 << 20) }

    /// Bit 21: ENQCMD and ENQCMDS in non-root mode translate their PASID.
    @inlinable public static var pasidTranslation: Self { Self(rawValue: 1 << 21) }

    /// The controls that may be 1: bits 63:32 of IA32_VMX_PROCBASED_CTLS2 (48BH).
    @inlinable public static var allowed: Self { [.enableXSAVES, .pasidTranslation] }
}
