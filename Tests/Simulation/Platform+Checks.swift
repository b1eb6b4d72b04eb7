import DSA
import IOMMU
import Machine
import PCIe
import Virtualization

extension Platform {
    /// What holds after every step.
    func check() throws(Violation) {
        if let broken = machine.ioasids.violatedInvariant() { throw violation("IOASID", broken) }
        let totals = machine.totals
        guard totals.accepted == totals.completed + totals.abandoned + machine.inFlight else {
            throw violation("D-11", "\(totals.accepted) accepted, \(totals.completed) completed")
        }
        guard machine.devices[0].workQueues[0].occupancy <= 8 else { throw violation("D-02", "the WQ overflows") }
        for task in tasks where task.isApplying && !machine.isOutside(vm: guests[task.guest].vm) {
            throw violation("V-08", "a vCPU is in non-root mode while the table of its VM is edited")
        }
        for place in tasks.indices {
            guard case .rendezvous(let one) = tasks[place].phase, one.step != .locking, one.step != .finished else {
                continue
            }
            for other in tasks[(place + 1)...] where other.guest == tasks[place].guest {
                guard case .rendezvous(let second) = other.phase, second.step != .locking, second.step != .finished
                else { continue }
                throw violation("V-15", "two threads edit one table")
            }
        }
        for guest in guests.indices where guests[guest].life == .living || guests[guest].life == .dying {
            try checkTable(of: guest)
        }
        for vcpu in vcpus {
            guard case .inside(.some(let submission)) = vcpu.state, let guestPASID = submission.guestPASID,
                let hostPASID = submission.hostPASID
            else { continue }
            guard machine.translation(of: guestPASID, inVM: guests[vcpu.guest].vm) == hostPASID else {
                throw violation("V-07", "an instruction goes on with a translation that its VM's table has lost")
            }
        }
    }

    private func checkTable(of guest: Int) throws(Violation) {
        let vm = guests[guest].vm
        var seen: Set<HostPASID> = []
        for guestPASID in SimulatedGuest.guestPASIDs {
            let translation = machine.translation(of: guestPASID, inVM: vm)
            if let translation, !seen.insert(translation).inserted {
                throw violation("V-14", "two guest PASIDs of a VM translate to \(translation.rawValue)")
            }
            for vcpu in vcpus where vcpu.guest == guest {
                if case .gone = vcpu.state { continue }
                let walked = machine.translation(of: guestPASID, on: vcpu.processor)
                guard
                    translation.map({ walked == .translated($0) }) ?? (walked != .translated(HostPASID(truncating: 0)))
                else { throw violation("V-12", "two vCPUs of a VM translate \(guestPASID.rawValue) differently") }
            }
            let isChanging = tasks.contains { $0.guest == guest && $0.guestPASID == guestPASID }
            guard isChanging || translation == guests[guest].model[guestPASID] else {
                throw violation("V-15", "the table is not what binds and unbinds have made of it")
            }
        }
    }

    /// A rendezvous looked at a vCPU.
    func checkKick(from before: TableRendezvous, to after: TableRendezvous) throws(Violation) {
        let place: Int
        switch before.step {
        case .kicking(let looked), .awaiting(let looked): place = looked
        default: return
        }
        let processor = before.vcpus[place]
        guard let vcpu = vcpus.first(where: { $0.processor == processor && !isGone($0) }) else { return }
        guard guests[vcpu.guest].vm == before.vm else {
            throw violation("V-11", "a rendezvous of VM \(before.vm) looks at a vCPU of another")
        }
        guard case .halted = vcpu.state, !memory.hasStores(vcpu.thread) else {
            if after.kickCount > before.kickCount { count { $0.kicks += 1 } }
            return
        }
        guard after.kickCount == before.kickCount, after.step != before.step else {
            throw violation("V-10", "a rendezvous kicks or waits for halted vCPU \(processor)")
        }
        count { $0.haltedBystanders += 1 }
    }

    private func isGone(_ vcpu: SimulatedVCPU) -> Bool {
        if case .gone = vcpu.state { true } else { false }
    }

    /// What holds when UNBIND, or the clean-up of FREE, returns.
    func checkConclusion(of binding: BindingDescription) throws(Violation) {
        let hostPASID = binding.ioasid
        if case .virtualMachine(let vm) = binding.owner, let guestPASID = binding.guestPASID {
            guard machine.translation(of: guestPASID, inVM: vm) != hostPASID else {
                throw violation("V-07", "after UNBIND the table still has the translation")
            }
        }
        for vcpu in vcpus {
            guard case .inside(.some(let submission)) = vcpu.state, submission.hostPASID == hostPASID else { continue }
            throw violation("V-07", "after UNBIND a DMWr of the old translation is unanswered")
        }
        guard !machine.devices[0].holds(.pasid(hostPASID)) else {
            throw violation("D-08", "after its drain a descriptor of host PASID \(hostPASID.rawValue) is in the device")
        }
        let request = TranslationRequest(
            requester: machine.devices[0].requester, pasid: hostPASID, address: LinearAddress(rawValue: 0),
            isWrite: true, isPrivileged: false)
        guard case .fault = machine.iommu.translate(request) else {
            throw violation("M-04", "after teardown host PASID \(hostPASID.rawValue) translates")
        }
    }

    /// M-01: what was written into a guest's memory is its own.
    func checkMemory(of guest: Int) throws(Violation) {
        for word in 0..<UInt64(512) {
            let value = physical.load64(guests[guest].ram.advanced(by: 4096 + word * 8)) ?? 0
            guard value == 0 || value >> 48 == guests[guest].tag else {
                throw violation("M-01", "the memory of VM \(guests[guest].vm) holds \(value)")
            }
        }
    }

    /// Nothing is left of VMs that have ended.
    func checkEmpty() throws(Violation) {
        guard machine.boundCount == 0, machine.ioasids.allocatedCount == 0 else {
            throw violation("I-14", "bindings or IOASIDs are left")
        }
        guard machine.ioasids.available == initialAvailable else { throw violation("I-01", "a quota is lost") }
        guard physical.frameCountInUse == initialFrameCount else {
            throw violation("frames", "\(physical.frameCountInUse) in use, \(initialFrameCount) at the start")
        }
    }
}
