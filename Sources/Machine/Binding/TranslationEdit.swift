public import PCIe
public import Virtualization

// The machine is one thread: what it stores it sees at once, and a kick takes effect before the next step.
extension Machine: GateMemory {
    /// What is so.
    public func load(_ flag: GateFlag, on thread: HostThreadID) -> Bool {
        switch flag {
        case .lock(let vm): vms[vm].isTableLocked
        case .gateClosed(let vm): vms[vm].isGateClosed
        case .inGuest(let processor): processors[processor].activity == .nonRoot
        }
    }

    /// Is seen at once. The mode of a vCPU is not stored here: ``enterGuest(_:)`` and ``leaveGuest(_:by:)`` are.
    public mutating func store(_ value: Bool, to flag: GateFlag, on thread: HostThreadID) {
        switch flag {
        case .lock(let vm): vms[vm].isTableLocked = value
        case .gateClosed(let vm): vms[vm].isGateClosed = value
        case .inGuest: break
        }
    }

    /// There is nothing to wait for.
    public mutating func fence(_ thread: HostThreadID) -> Bool { true }

    /// Takes `flag` unless it is taken.
    public mutating func acquire(_ flag: GateFlag, on thread: HostThreadID) -> Bool {
        guard !load(flag, on: thread) else { return false }
        store(true, to: flag, on: thread)
        return true
    }

    /// Exit 1 of the vCPU, at once.
    public mutating func kick(processor: Int) {
        leaveGuest(processor, by: VMExit(reason: .externalInterrupt, instructionLength: 0))
    }
}

extension Machine {
    /// The thread that edits tables: the one there is.
    static let editor = HostThreadID(rawValue: 0)

    /// Makes `edits` changes of a VM's PASID translation table in one gate period (virtualization §4.6), from closing
    /// the gate to the VM entries of those that were kicked, and counts what it cost.
    ///
    /// - Parameter edit: Makes the changes; while it runs no vCPU of the VM is in non-root mode.
    mutating func editTranslations<Failure: Error>(
        ofVM vm: Int, edits: Int, _ edit: (inout Machine) throws(Failure) -> Void
    ) throws(Failure) {
        var rendezvous = TableRendezvous(vm: vm, vcpus: vms[vm].vcpus, thread: Self.editor)
        let kicked = vms[vm].vcpus.filter { processors[$0].activity == .nonRoot }
        var failure: Failure?
        loop: while true {
            switch rendezvous.advance(in: &self) {
            case .moved:
                break
            case .readyToApply:
                precondition(isOutside(vm: vm), "V-08: a table is edited while no vCPU of its VM is in non-root mode")
                do throws(Failure) { try edit(&self) } catch { failure = error }
                rendezvous.finishApplying()
            case .blocked:
                preconditionFailure("on one thread nobody waits for another")
            case .finished:
                break loop
            }
        }
        vms[vm].rendezvous.record(kicks: rendezvous.kickCount, edits: edits)
        for processor in kicked { enterGuest(processor) }
        if let failure { throw failure }
    }

    /// Whether no vCPU of the VM is in non-root mode (V-08).
    public func isOutside(vm: Int) -> Bool {
        vms[vm].vcpus.allSatisfy { processors[$0].activity != .nonRoot }
    }

    /// What the changes of a VM's PASID translation table have cost.
    public func rendezvousCounters(ofVM vm: Int) -> RendezvousCounters { vms[vm].rendezvous }

    /// The host PASID that a guest PASID of a VM translates to, by the walk that its vCPUs make.
    public func translation(of guestPASID: GuestPASID, inVM vm: Int) -> HostPASID? {
        vms[vm].translations.hostPASID(for: guestPASID)
    }
}
