import DSA
import IOMMU
import Machine
import PCIe
import Virtualization

extension Platform {
    /// A thread of a VMM begins to bind, unbind or free.
    func startTask() {
        let guest = dice.below(guests.count)
        let slot = dice.below(Self.threadsPerGuest)
        let thread = HostThreadID(
            rawValue: Self.editorThreads + UInt32(guest * Self.threadsPerGuest + slot))
        guard guests[guest].life == .living, !tasks.contains(where: { $0.thread == thread }) else { return }
        let guestPASID = SimulatedGuest.guestPASIDs[dice.below(SimulatedGuest.guestPASIDs.count)]
        mix(guest)
        if mutation == .editorWithoutBarrier { memory.withoutFence.insert(thread) }
        do throws(MachineError) {
            if guests[guest].model[guestPASID] == nil {
                try startBind(guestPASID, of: guest, on: thread)
            } else {
                try startEnding(guestPASID, of: guest, on: thread)
            }
        } catch {
            // Another thread is at it, or the quota is used up.
        }
    }

    private func startBind(_ guestPASID: GuestPASID, of guest: Int, on thread: HostThreadID) throws(MachineError) {
        let start = try machine.prepareBinding(
            ofGuest: guestPASID, inVM: guests[guest].vm, device: 0, ioasid: nil, stage: .secondStageOnly)
        guard case .prepared(let token, let hostPASID) = start else { return }
        drained.remove(hostPASID)
        tasks.append(
            SimulatedTask(
                guest: guest, thread: thread, token: token, guestPASID: guestPASID, hostPASID: hostPASID,
                phase: .publishingEntry))
    }

    private func startEnding(_ guestPASID: GuestPASID, of guest: Int, on thread: HostThreadID) throws(MachineError) {
        guard let hostPASID = guests[guest].model[guestPASID] else { return }
        let isFree = dice.oneIn(4)
        let announced =
            isFree
            ? try machine.announceFree(of: guestPASID, inVM: guests[guest].vm)
            : try machine.announceUnbind(ofGuest: guestPASID, inVM: guests[guest].vm)
        count { if isFree { $0.frees += 1 } else { $0.unbinds += 1 } }
        var task = SimulatedTask(
            guest: guest, thread: thread, token: announced.token, guestPASID: guestPASID, hostPASID: hostPASID,
            event: announced.event, phase: .stage(0))
        task.stages = machine.stages(of: announced.token)
        if mutation == .drainBeforeRemoval {
            task.stages.removeAll { $0 == .devices }
            task.stages.insert(.devices, at: 0)
        }
        if mutation == .unbindAfterClearing {
            let event = announced.event
            task.event = IOASIDEvent(kind: event.kind, id: event.id, set: event.set, spid: nil, data: event.data)
        }
        tasks.append(task)
    }

    /// One micro-step of one thread.
    func stepTask() throws(Violation) {
        guard !tasks.isEmpty else { return }
        let place = dice.below(tasks.count)
        mix(place)
        let task = tasks[place]
        switch task.phase {
        case .publishingEntry:
            do throws(MachineError) {
                try machine.publishEntry(task.token)
                tasks[place].phase = .rendezvous(rendezvous(of: task))
            } catch {
                machine.abandonBinding(task.token)
                tasks.remove(at: place)
            }
        case .rendezvous(let rendezvous):
            try advance(rendezvous, place)
        case .committing:
            do throws(MachineError) {
                try machine.commitAttachment(task.token)
                guests[task.guest].model[task.guestPASID] = task.hostPASID
                count { $0.binds += 1 }
                tasks.remove(at: place)
            } catch { throw violation("I-16", "a binding that was published cannot be committed: \(error)") }
        case .withdrawing:
            machine.retractEntry(task.token)
            machine.abandonBinding(task.token)
            tasks.remove(at: place)
        case .stage(let number):
            try performStage(number, place)
        case .draining(let next):
            if machine.isDrained(task.token) { tasks[place].phase = .stage(next) }
        case .concluding:
            try checkConclusion(of: machine.describe(task.token))
            machine.concludeUnbind(task.token)
            machine.effects.removeAll { if case .unbindDrained(task.token) = $0 { true } else { false } }
            machine.completeUnbind(task.token)
            guests[task.guest].model[task.guestPASID] = nil
            tasks.remove(at: place)
        }
    }

    private func rendezvous(of task: SimulatedTask) -> TableRendezvous {
        TableRendezvous(
            vm: guests[task.guest].vm, vcpus: machine.vcpus(ofVM: guests[task.guest].vm), thread: task.thread)
    }

    private func performStage(_ number: Int, _ place: Int) throws(Violation) {
        let task = tasks[place]
        guard number < task.stages.count else {
            tasks[place].phase = .concluding
            return
        }
        switch task.stages[number] {
        case .processors:
            tasks[place].nextStage = number + 1
            tasks[place].phase = .rendezvous(rendezvous(of: task))
        case .devices:
            drained.insert(task.hostPASID)
            machine.perform(.devices, of: task.token)
            tasks[place].phase = .draining(next: number + 1)
        case .iommu:
            if mutation == .missingInvalidation {
                clearEntryAlone(task.hostPASID)
            } else {
                machine.perform(.iommu, of: task.token)
            }
            tasks[place].phase = .stage(number + 1)
        }
    }

    private func advance(_ current: TableRendezvous, _ place: Int) throws(Violation) {
        var rendezvous = current
        let task = tasks[place]
        let progress = rendezvous.advance(in: &memory)
        switch progress {
        case .moved, .blocked:
            try checkKick(from: current, to: rendezvous)
            if case .locking = current.step, progress == .blocked { count { $0.contended += 1 } }
            tasks[place].phase = .rendezvous(rendezvous)
        case .readyToApply:
            guard machine.isOutside(vm: rendezvous.vm) else {
                throw violation("V-08", "the table of VM \(rendezvous.vm) is edited with a vCPU in non-root mode")
            }
            if let event = task.event {
                machine.removeTranslation(of: task.token, announcedBy: event)
            } else {
                do throws(MachineError) { try machine.publishTranslation(task.token) } catch {
                    tasks[place].hasFailed = true
                }
            }
            count { $0.edits += 1 }
            rendezvous.finishApplying()
            tasks[place].phase = .rendezvous(rendezvous)
        case .finished:
            if task.event != nil {
                tasks[place].phase = .stage(task.nextStage)
            } else {
                tasks[place].phase = task.hasFailed ? .withdrawing : .committing
            }
        }
    }

    /// What a broken IOMMU driver does: the entry in memory, and no invalidation.
    private func clearEntryAlone(_ hostPASID: HostPASID) {
        let requester = machine.devices[0].requester
        guard let context = machine.iommu.contextEntry(of: requester) else { return }
        let directoryPlace = context.directory.advanced(by: UInt64(hostPASID.rawValue >> 6) * 8)
        guard let word = physical.load64(directoryPlace) else { return }
        let table = HostPhysicalAddress(rawValue: word & ~0xFFF)
        for offset in 0..<UInt64(8) {
            physical.store64(0, at: table.advanced(by: UInt64(hostPASID.rawValue & 63) * 64 + offset * 8))
        }
    }
}
