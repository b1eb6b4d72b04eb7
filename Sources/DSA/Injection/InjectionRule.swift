public import DSASpec
public import PCIe

/// A failure that a device is made to show, and the descriptors that meet it: for software whose paths of failure
/// hardware almost never takes.
public struct InjectionRule: Hashable, Sendable {
    /// What happens to a descriptor.
    public enum Action: Hashable, Sendable {
        /// The DMWr that carries it is answered Retry: ENQCMD and ENQCMDS set ZF.
        case retry
        /// Its transfer meets a page fault at this page, 0 being the page of the first byte that it reaches. With Block
        /// On Fault that is a page request, and the operation goes on when the page was granted.
        case pageFault(page: UInt32)
        /// Its transfer ends with a page fault after at most so many bytes, whatever Block On Fault says.
        case partial(byteCount: UInt32)
        /// It ends with this status instead of being carried out.
        case status(CompletionStatus)
        /// The device halts; the descriptor and all others are abandoned.
        case halt
        /// Its WQ is disabled while it is under way.
        case disableWorkQueue
        /// Its PASID is unbound while it is under way.
        case revokePASID
    }

    /// What happens.
    public var action: Action
    /// Only descriptors of this operation; `nil` for any.
    public var opcode: Opcode?
    /// Only descriptors of this WQ; `nil` for any.
    public var workQueue: Int?
    /// Only descriptors of this PASID; `nil` for any.
    public var pasid: HostPASID?
    /// Only this member of a batch, from 0; `nil` for descriptors that were submitted directly, and all members.
    public var member: UInt32?
    /// So many descriptors that match are let pass first.
    public var skipped: UInt64 = 0
    /// So many descriptors meet the failure, then none any more; `nil` for no limit.
    public var count: UInt64?
    /// How many of a million descriptors that match meet the failure. The seed and the place of the descriptor among
    /// those that match decide which.
    public var perMillion: UInt32 = 1_000_000
    /// Another choice of descriptors for each seed.
    public var seed: UInt64 = 0

    /// A rule for every descriptor.
    public init(_ action: Action) {
        self.action = action
    }
}

/// What a rule looks at.
struct InjectionCandidate {
    let opcode: Opcode
    let workQueue: Int
    let pasid: HostPASID?
    /// The place in its batch; `nil` for a descriptor that was submitted directly.
    var member: UInt32?
}

extension InjectionRule {
    /// Whether the rule is about a descriptor.
    func matches(_ candidate: InjectionCandidate) -> Bool {
        switch action {
        case .pageFault, .partial:
            guard candidate.opcode != .noOp, Transfer.carriesOut(candidate.opcode) else { return false }
        case .retry, .status, .halt, .disableWorkQueue, .revokePASID: break
        }
        return (opcode == nil || opcode == candidate.opcode) && (workQueue == nil || workQueue == candidate.workQueue)
            && (pasid == nil || pasid == candidate.pasid) && (member == nil || member == candidate.member)
    }

    /// Whether chance chooses the descriptor that is the `place`-th to match, from 0: SplitMix64 of seed and place.
    func chooses(_ place: UInt64) -> Bool {
        guard perMillion < 1_000_000 else { return true }
        var bits = seed &+ (place &+ 1) &* 0x9E37_79B9_7F4A_7C15
        bits = (bits ^ bits >> 30) &* 0xBF58_476D_1CE4_E5B9
        bits = (bits ^ bits >> 27) &* 0x94D0_49BB_1331_11EB
        bits ^= bits >> 31
        return UInt32(truncatingIfNeeded: ((bits >> 32) &* 1_000_000) >> 32) < perMillion
    }
}
