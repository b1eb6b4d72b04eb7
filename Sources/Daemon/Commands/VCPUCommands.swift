internal import Machine
internal import PCIe
internal import Protocol
internal import ProtocolMessages
internal import Virtualization

/// A connection whose vCPU is halted.
struct HaltedVCPU {
    let session: Session
    let id: RequestID
    /// Exit 12.
    let exit: VMExit
}

extension Server {
    // MARK: HLT

    func halt(_ id: RequestID, _ session: Session) {
        if let exception = machine.halt(session.processor) {
            var result = WireHltReturn()
            result.exception = WireException(exception)
            reply(result, to: session, id: id)
            return
        }
        session.isParked = true
        haltedVCPUs.append(
            HaltedVCPU(session: session, id: id, exit: VMExit(reason: .hlt, instructionLength: 1)))
    }

    func wakeVCPU(_ arguments: WireWakeVcpuArguments, _ id: RequestID, _ session: Session) throws(WireError) {
        let space = try vmSpace(arguments.hasVm ? arguments.vm : nil, session)
        guard let vm = space.vmIndex,
            let processor = machine.vcpus(ofVM: vm).first(where: { vcpuNumber($0) == arguments.vcpu })
        else {
            throw WireError(
                .notFound, "\(space.name) has no vCPU \(arguments.vcpu)", path: "arguments.vcpu")
        }
        var result = WireWakeVcpuReturn()
        result.woken = machine.wake(processor)
        if let place = haltedVCPUs.firstIndex(where: { $0.session.processor == processor }) {
            let halted = haltedVCPUs.remove(at: place)
            var awake = WireHltReturn()
            awake.exit = WireVmExit(halted.exit, .slept)
            reply(awake, to: halted.session, id: halted.id)
            unpark(halted.session)
        }
        reply(result, to: session, id: id)
    }

    /// The VM of a halted vCPU ends: its connection is an observer, and is told.
    func endHalt(of session: Session) {
        guard let place = haltedVCPUs.firstIndex(where: { $0.session === session }) else { return }
        let halted = haltedVCPUs.remove(at: place)
        reply(
            WireError(.wrongState, "the VM of the vCPU was destroyed while the vCPU was halted"), to: session,
            id: halted.id)
        unpark(session)
    }

    // MARK: CPUID and extended state

    func identify(_ arguments: WireCpuidArguments, _ id: RequestID, _ session: Session) throws(WireError) {
        let leaf = try address(arguments.leaf, "leaf")
        let subleaf = arguments.hasSubleaf ? try address(arguments.subleaf, "subleaf") : 0
        let answer = machine.identify(
            leaf: UInt32(truncatingIfNeeded: leaf), subleaf: UInt32(truncatingIfNeeded: subleaf),
            on: session.processor)
        var result = WireCpuidReturn()
        result.eax = Hexadecimal.text(answer.result.eax)
        result.ebx = Hexadecimal.text(answer.result.ebx)
        result.ecx = Hexadecimal.text(answer.result.ecx)
        result.edx = Hexadecimal.text(answer.result.edx)
        if let exit = answer.exit { result.exit = WireVmExit(exit, .emulated) }
        reply(result, to: session, id: id)
    }

    func switchExtendedState(
        _ arguments: WireExtendedStateArguments, isSave: Bool, _ id: RequestID, _ session: Session
    ) throws(WireError) {
        let area = LinearAddress(rawValue: try address(arguments.address, "address"))
        let mask = arguments.hasMask ? try address(arguments.mask, "mask") : .max
        let outcome =
            isSave
            ? machine.saveExtendedState(to: area, mask: mask, on: session.processor)
            : machine.restoreExtendedState(from: area, mask: mask, on: session.processor)
        var result = WireExtendedStateReturn()
        if let exception = outcome.exception { result.exception = WireException(exception) }
        if let exit = WireVmExit(outcome) { result.exit = exit }
        reply(result, to: session, id: id)
    }

    // MARK: Queries

    func queryVM(_ arguments: WireQueryVmArguments, _ id: RequestID, _ session: Session) throws(WireError) {
        let space: ClientSpace
        if arguments.hasVm {
            guard let found = vms[arguments.vm], sees(found, session) else {
                throw WireError(.notFound, "there is no VM \(arguments.vm) of this client", path: "arguments.vm")
            }
            space = found
        } else {
            space = try vmSpace(nil, session)
        }
        guard let vm = space.vmIndex else { preconditionFailure("a VM's space is a VM") }
        let settings = machine.settings(ofVM: vm)
        let counters = machine.rendezvousCounters(ofVM: vm)
        var result = WireQueryVmReturn()
        result.vm = space.number
        result.name = space.name
        result.exitPolicy = settings.exitPolicy == .strict ? .strict : .eager
        result.interceptPasidMsr = settings.interceptsPASIDRegister
        result.translations = UInt32(machine.translationCount(ofVM: vm))
        result.rendezvous.count = counters.rendezvous
        result.rendezvous.edits = counters.edits
        result.rendezvous.kicks = counters.kicks
        result.rendezvous.modelledNanoseconds = counters.modelledNanoseconds
        result.vcpus = machine.vcpus(ofVM: vm).map(vcpuStatus)
        reply(result, to: session, id: id)
    }

    private func vcpuStatus(_ processor: Int) -> WireVcpuStatus {
        let core = machine.processorStatus(processor).core
        var status = WireVcpuStatus()
        if let number = vcpuNumber(processor) { status.vcpu = number }
        status.state =
            switch machine.activity(ofVCPU: processor) {
            case .nonRoot: .running
            case .halted: .halted
            case .root: .outside
            }
        status.ia32Pasid = Hexadecimal.text(core.ia32PASID.rawValue)
        status.entries = core.counters.vmEntries
        for reason in VMExitCounts.reasons where core.counters.exits[reason] > 0 {
            var count = WireExitCount()
            count.reason = UInt32(reason.rawValue)
            count.count = core.counters.exits[reason]
            status.exits.append(count)
        }
        return status
    }

    private func vcpuNumber(_ processor: Int) -> UInt32? {
        guard case .nonRoot(_, let vcpu) = machine.processorStatus(processor).core.mode else { return nil }
        return vcpu.rawValue
    }
}

extension WireVmExit {
    init(_ exit: VMExit, _ handling: Handling) {
        self.init()
        reason = UInt32(exit.reason.rawValue)
        instructionLength = UInt32(exit.instructionLength)
        handled = handling
        if exit.reason == .eptViolation {
            guestPhysicalAddress = Hexadecimal.text(exit.guestPhysicalAddress.rawValue)
        }
    }

    /// `nil` when there was no exit.
    init?(_ outcome: PrivilegedOutcome) {
        guard let exit = outcome.exit else { return nil }
        let handling: Handling =
            switch outcome {
            case .completed: .emulated
            case .exception(.pageFault, _): .pageFaultInjected
            case .exception: .exceptionInjected
            }
        self.init(exit, handling)
    }
}
