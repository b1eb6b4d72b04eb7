public import Virtualization

/// Where a vCPU is.
public enum VCPUActivity: UInt8, Hashable, Sendable, BitwiseCopyable {
    /// In non-root mode: it executes its guest's instructions.
    case nonRoot
    /// Outside: its hypervisor handles an exit, or it waits at a closed gate.
    case root
    /// Outside, in HLT, until it is woken. A rendezvous neither wakes it nor waits for it (V-10).
    case halted
}

extension Machine {
    /// Where the vCPU at this index is.
    public func activity(ofVCPU index: Int) -> VCPUActivity { processors[index].activity }

    /// VM entry of a vCPU that is outside.
    ///
    /// - Precondition: The gate of its VM is open: a driver whose threads interleave goes through ``VMEntrySequence``.
    public mutating func enterGuest(_ index: Int) {
        precondition(processors[index].activity != .nonRoot, "VM entry of a vCPU that runs its guest")
        processors[index].activity = .nonRoot
        processors[index].core.counters.vmEntries &+= 1
    }

    /// VM exit of a vCPU in non-root mode: it is outside afterwards.
    public mutating func leaveGuest(_ index: Int, by exit: VMExit) {
        precondition(processors[index].activity == .nonRoot, "VM exit of a vCPU that does not run its guest")
        processors[index].take(exit)
        processors[index].activity = .root
    }

    /// HLT of a vCPU: VM exit 12, and the vCPU sleeps until ``wake(_:)``.
    ///
    /// - Returns: The exception that it raises instead: #GP(0) above CPL 0.
    public mutating func halt(_ index: Int) -> ProcessorException? {
        guard processors[index].core.privilegeLevel == .supervisor else { return .generalProtection(.privilegeLevel) }
        leaveGuest(index, by: VMExit(reason: .hlt, instructionLength: 1))
        processors[index].activity = .halted
        return nil
    }

    /// An interrupt for a halted vCPU: VM entry. Returns `false`, and nothing happens, when it is not halted.
    public mutating func wake(_ index: Int) -> Bool {
        guard processors[index].activity == .halted else { return false }
        enterGuest(index)
        return true
    }
}
