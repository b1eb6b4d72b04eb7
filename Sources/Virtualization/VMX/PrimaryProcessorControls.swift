/// The primary processor-based VM-execution controls, as far as the model has them (SDM vol. 3, "Processor-Based
/// VM-Execution Controls").
public struct PrimaryProcessorControls: OptionSet, Hashable, Sendable, BitwiseCopyable {
    /// The 32 bits of the field.
    public let rawValue: UInt32

    /// The controls whose bits are 1.
    @inlinable
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// Bit 7: HLT exits.
    @inlinable public static var hltExiting: Self { Self(rawValue: 1 << 7) }

    /// Bit 28: the MSR bitmap says which accesses exit. Without it all do.
    @inlinable public static var useMSRBitmaps: Self { Self(rawValue: 1 << 28) }

    /// Bit 31: the secondary controls count. Without it each of them is as if 0.
    @inlinable public static var activateSecondaryControls: Self { Self(rawValue: 1 << 31) }

    /// The controls that may be 1.
    @inlinable public static var allowed: Self { [.hltExiting, .useMSRBitmaps, .activateSecondaryControls] }
}
