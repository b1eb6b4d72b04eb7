import DSASpec
import Machine
import PCIe
import Virtualization

extension Platform {
    /// One micro-step of one vCPU.
    func stepVCPU() throws(Violation) {
        guard !vcpus.isEmpty else { return }
        let place = dice.below(vcpus.count)
        mix(place)
        let vcpu = vcpus[place]
        switch vcpu.state {
        case .gone:
            break
        case .entering(var sequence):
            let isChecking = sequence.step == .checking
            if guests[vcpu.guest].life == .dying, sequence.step == .waiting {
                remove(place)
                return
            }
            switch sequence.advance(in: &memory) {
            case .moved, .blocked:
                if isChecking, sequence.step == .waiting { count { $0.gateWaits += 1 } }
                vcpus[place].state = .entering(sequence)
            case .readyToEnter:
                guard !tasks.contains(where: { $0.guest == vcpu.guest && $0.isApplying }) else {
                    throw violation("V-09", "vCPU \(vcpu.processor) enters while its VM's table is edited")
                }
                machine.enterGuest(vcpu.processor)
                count { $0.entries += 1 }
                vcpus[place].state = .inside(nil)
            }
        case .inside(nil):
            beginInstruction(place)
        case .inside(.some(let submission)):
            try continueInstruction(submission, place)
        case .halted:
            guard machine.activity(ofVCPU: vcpu.processor) == .halted else {
                throw violation("V-10", "halted vCPU \(vcpu.processor) was woken by nobody")
            }
            if guests[vcpu.guest].life == .dying {
                remove(place)
            } else if dice.oneIn(6) {
                enter(place)
            }
        }
    }

    private func enter(_ place: Int) {
        vcpus[place].state = .entering(
            VMEntrySequence(
                vm: guests[vcpus[place].guest].vm, processor: vcpus[place].processor, thread: vcpus[place].thread))
    }

    /// Its connection, and so its thread, is gone; what it has stored becomes visible. The vCPU stays, outside, until
    /// its VM ends.
    private func remove(_ place: Int) {
        let processor = vcpus[place].processor
        while memory.hasStores(vcpus[place].thread) { memory.drain(vcpus[place].thread) }
        _ = memory.takeKick(processor)
        vcpus[place].state = .gone
    }

    private func beginInstruction(_ place: Int) {
        let processor = vcpus[place].processor
        let isKicked = memory.takeKick(processor)
        if isKicked || guests[vcpus[place].guest].life == .dying {
            machine.leaveGuest(processor, by: VMExit(reason: .externalInterrupt, instructionLength: 0))
            memory.store(false, to: .inGuest(processor: processor), on: vcpus[place].thread)
            if guests[vcpus[place].guest].life == .dying { remove(place) } else { enter(place) }
            return
        }
        switch dice.below(12) {
        case 0:
            guard machine.halt(processor) == nil else { preconditionFailure("a vCPU runs at CPL 0") }
            memory.store(false, to: .inGuest(processor: processor), on: vcpus[place].thread)
            vcpus[place].state = .halted
        case 1, 2, 3:
            // Mostly one that is bound.
            var choices = SimulatedGuest.guestPASIDs
            let bound = choices.filter { guests[vcpus[place].guest].model[$0] != nil }
            if !bound.isEmpty, !dice.oneIn(4) { choices = bound }
            let guestPASID = choices[dice.below(choices.count)]
            _ = machine.writeModelSpecificRegister(
                IA32PASID.address, value: IA32PASID(guestPASID).rawValue, on: processor)
        default:
            vcpus[place].state = .inside(
                StepwiseSubmission(
                    .enqcmd, destination: LinearAddress(rawValue: SimulatedGuest.portal),
                    source: .bytes(work(of: vcpus[place].guest))))
        }
    }

    /// A fill of one word of the guest's memory with its tag, or nothing at all; each with a record.
    private func work(of guest: Int) -> Descriptor {
        var descriptor = Descriptor()
        descriptor.flags = [.completionRecordAddressValid, .requestCompletionRecord]
        descriptor.completionRecordAddress = LinearAddress(rawValue: nextSerial % 64 * 32)
        if dice.oneIn(2) {
            descriptor.opcode = .fill
            descriptor.fillPattern = guests[guest].tag << 48 | nextSerial
            descriptor.destinationAddress = LinearAddress(rawValue: 4096 + nextSerial % 512 * 8)
            descriptor.transferSize = 8
        }
        nextSerial += 1
        return descriptor
    }

    private func continueInstruction(_ current: StepwiseSubmission, _ place: Int) throws(Violation) {
        var submission = current
        let processor = vcpus[place].processor
        if case .travelling(let hostPASID) = submission.step { try checkArrival(of: hostPASID, from: place) }
        switch machine.advance(&submission, on: processor) {
        case .moved:
            vcpus[place].state = .inside(submission)
        case .ended(let outcome):
            if outcome == .retired([]) { count { $0.accepted += 1 } }
            vcpus[place].state = .inside(nil)
        case .exited(let exit, let guestPASID):
            memory.store(false, to: .inGuest(processor: processor), on: vcpus[place].thread)
            _ = machine.answer(exit, of: guestPASID, on: processor)
            count { $0.skipped += 1 }
            enter(place)
        }
    }

    /// A DMWr of a vCPU reaches the device.
    private func checkArrival(of hostPASID: HostPASID, from place: Int) throws(Violation) {
        let vm = guests[vcpus[place].guest].vm
        guard !SimulatedGuest.guestPASIDs.contains(where: { $0.rawValue == hostPASID.rawValue }) else {
            throw violation("V-02", "a DMWr carries guest PASID \(hostPASID.rawValue)")
        }
        guard machine.describeBinding(of: hostPASID)?.owner == .virtualMachine(vm) else {
            throw violation("V-01", "a DMWr carries host PASID \(hostPASID.rawValue), which is not bound for its VM")
        }
        guard !drained.contains(hostPASID) else {
            throw violation("V-07", "a DMWr carries host PASID \(hostPASID.rawValue), whose drain has begun")
        }
    }
}
