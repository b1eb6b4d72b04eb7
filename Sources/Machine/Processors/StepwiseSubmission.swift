internal import DSA
internal import DSASpec
internal import IOMMU
public import PCIe
public import Virtualization

/// An ENQCMD or ENQCMDS of a vCPU that is executed one micro-step at a time, so that other processors, devices and
/// changes of tables come between its walk, its DMWr and its completion. ``Machine/submit(_:destination:source:on:)``
/// does the same back to back.
public struct StepwiseSubmission: Sendable {
    /// What comes next.
    public enum Step: Hashable, Sendable {
        case decoding
        case loadingSource
        case checkingOperands
        case translatingPASID(GuestPASID)
        case translatingDestination
        case sending
        /// The DMWr is on its way: no device has seen it.
        case travelling(HostPASID)
        /// The device has answered; the instruction has not retired.
        case completing(HostPASID, DMWrCompletion)
    }

    /// What one micro-step did.
    public enum Progress: Hashable, Sendable {
        /// There is more to do.
        case moved
        /// The instruction has ended as the outcome says.
        case ended(SubmissionOutcome)
        /// Exit 72 or 73: the vCPU is outside, and its hypervisor decides.
        case exited(VMExit, GuestPASID)
    }

    /// What comes next.
    public private(set) var step = Step.decoding
    /// The host PASID that the walk found, once it was made.
    public private(set) var hostPASID: HostPASID?
    /// The guest PASID that was walked.
    public private(set) var guestPASID: GuestPASID?

    fileprivate var instruction: EnqueueInstruction
    fileprivate let source: SubmissionSource
    fileprivate var words = Descriptor()
    fileprivate var target = HostPhysicalAddress(rawValue: 0)

    /// An instruction that was fetched.
    ///
    /// - Precondition: `kind` is ENQCMD or ENQCMDS.
    public init(_ kind: EnqueueInstruction.Kind, destination: LinearAddress, source: SubmissionSource) {
        precondition(kind != .movdir64b, "a posted write has no completion to wait for")
        instruction = EnqueueInstruction(kind, destination: destination)
        self.source = source
    }

    fileprivate mutating func go(to step: Step) -> Progress {
        self.step = step
        return .moved
    }

    fileprivate mutating func note(_ guestPASID: GuestPASID, _ hostPASID: HostPASID) {
        self.guestPASID = guestPASID
        self.hostPASID = hostPASID
    }
}

extension Machine {
    /// Executes one micro-step of an instruction of a vCPU in non-root mode.
    public mutating func advance(
        _ submission: inout StepwiseSubmission, on index: Int
    ) -> StepwiseSubmission.Progress {
        precondition(processors[index].activity == .nonRoot, "instructions of a guest run in non-root mode")
        switch submission.step {
        case .decoding:
            if let exception = submission.instruction.decode(on: processors[index].core) {
                return .ended(.exception(exception))
            }
            return submission.go(to: .loadingSource)
        case .loadingSource:
            switch submission.source {
            case .bytes(let bytes):
                submission.words = bytes
            case .address(let address):
                switch load(at: address, on: index) {
                case .loaded(let bytes): submission.words = bytes
                case .fault(let fault): return .ended(deliver(fault, of: &submission.instruction, on: index))
                }
            }
            return submission.go(to: .checkingOperands)
        case .checkingOperands:
            let check = submission.instruction.checkOperands(
                source: EnqueueCommandWord(rawValue: submission.words.word0), on: processors[index].core,
                controls: processors[index].vmcs.activeSecondaryControls)
            switch check {
            case .exception(let exception): return .ended(.exception(exception))
            case .translatePASID(let guestPASID): return submission.go(to: .translatingPASID(guestPASID))
            case .translateDestination: return submission.go(to: .translatingDestination)
            }
        case .translatingPASID(let guestPASID):
            let translation = translation(of: guestPASID, on: index)
            if let exit = submission.instruction.finishPASIDTranslation(translation) {
                leaveGuest(index, by: exit)
                return .exited(exit, guestPASID)
            }
            if case .translated(let hostPASID) = translation { submission.note(guestPASID, hostPASID) }
            return submission.go(to: .translatingDestination)
        case .translatingDestination:
            switch translate(submission.instruction.destination, isWrite: true, on: index) {
            case .translated(let address, _):
                submission.target = address
                return submission.go(to: .sending)
            case .fault(let fault):
                let access = AccessFault(
                    address: submission.instruction.destination, isWrite: true, fault: fault)
                return .ended(deliver(access, of: &submission.instruction, on: index))
            }
        case .sending:
            submission.words.word0 = submission.instruction.send().rawValue
            return submission.go(to: .travelling(submission.words.pasid))
        case .travelling(let pasid):
            let completion = deferrableWrite(submission.words, to: submission.target)
            return submission.go(to: .completing(pasid, completion))
        case .completing(_, let completion):
            return .ended(.retired(submission.instruction.retire(completion, on: &processors[index].core)))
        }
    }

    /// What the current VMCS of a vCPU makes of a guest PASID: the processor's walk.
    @inline(__always)
    public func translation(of guestPASID: GuestPASID, on index: Int) -> PASIDTranslation {
        PASIDTranslationTable.translate(
            guestPASID, low: processors[index].vmcs.lowPASIDDirectory, high: processors[index].vmcs.highPASIDDirectory,
            memory: memory)
    }
}
