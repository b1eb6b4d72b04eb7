/// CPUID.(EAX=7,ECX=0):ECX as far as it enumerates direct stores (virtualization §2.1).
public struct ProcessorFeatures: OptionSet, Hashable, Sendable, BitwiseCopyable {
    /// ECX.
    public let rawValue: UInt32

    /// The features whose bits in ECX are 1.
    @inlinable
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// Bit 28: MOVDIR64B.
    @inlinable public static var movdir64b: Self { Self(rawValue: 1 << 28) }

    /// Bit 29: ENQCMD, ENQCMDS and the IA32_PASID MSR.
    @inlinable public static var enqcmd: Self { Self(rawValue: 1 << 29) }
}
