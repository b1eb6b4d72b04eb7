/// How often a vCPU has left non-root mode, by basic exit reason. Each wraps at 2^64.
///
/// Fields and no dictionary: it lies in each processor and is counted on the way of a submission.
public struct VMExitCounts: Hashable, Sendable, BitwiseCopyable {
    private var externalInterrupt: UInt64 = 0
    private var cpuid: UInt64 = 0
    private var hlt: UInt64 = 0
    private var rdmsr: UInt64 = 0
    private var wrmsr: UInt64 = 0
    private var eptViolation: UInt64 = 0
    private var xsaves: UInt64 = 0
    private var xrstors: UInt64 = 0
    private var enqcmd: UInt64 = 0
    private var enqcmds: UInt64 = 0

    /// The reasons that the model's processors exit for, in the order of their numbers.
    public static let reasons: [ExitReason] = [
        .externalInterrupt, .cpuid, .hlt, .rdmsr, .wrmsr, .eptViolation, .xsaves, .xrstors, .enqcmd, .enqcmds,
    ]

    /// Every count 0.
    public init() {}

    /// The exits of a reason; 0 for one that the model's processors never exit for.
    public subscript(reason: ExitReason) -> UInt64 {
        switch reason {
        case .externalInterrupt: externalInterrupt
        case .cpuid: cpuid
        case .hlt: hlt
        case .rdmsr: rdmsr
        case .wrmsr: wrmsr
        case .eptViolation: eptViolation
        case .xsaves: xsaves
        case .xrstors: xrstors
        case .enqcmd: enqcmd
        case .enqcmds: enqcmds
        default: 0
        }
    }

    /// The exits of all reasons.
    public var total: UInt64 {
        externalInterrupt &+ cpuid &+ hlt &+ rdmsr &+ wrmsr &+ eptViolation &+ xsaves &+ xrstors &+ enqcmd &+ enqcmds
    }

    /// Counts one exit.
    public mutating func record(_ reason: ExitReason) {
        switch reason {
        case .externalInterrupt: externalInterrupt &+= 1
        case .cpuid: cpuid &+= 1
        case .hlt: hlt &+= 1
        case .rdmsr: rdmsr &+= 1
        case .wrmsr: wrmsr &+= 1
        case .eptViolation: eptViolation &+= 1
        case .xsaves: xsaves &+= 1
        case .xrstors: xrstors &+= 1
        case .enqcmd: enqcmd &+= 1
        case .enqcmds: enqcmds &+= 1
        default: preconditionFailure("an exit reason that the model does not produce")
        }
    }
}
