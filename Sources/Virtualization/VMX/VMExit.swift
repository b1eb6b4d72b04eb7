public import PCIe

/// What a VM exit tells the hypervisor. Fault-like: RIP still points at the instruction, nothing was sent and no
/// register has changed (virtualization §4.3).
public struct VMExit: Hashable, Sendable, BitwiseCopyable {
    /// The basic exit reason.
    public let reason: ExitReason

    /// The exit qualification. 0 for reasons 72 and 73, which define none.
    public let qualification: UInt64

    /// The bytes by which to advance RIP to skip the instruction.
    public let instructionLength: UInt8

    /// The guest physical address of an EPT violation; 0 for the other reasons.
    public let guestPhysicalAddress: GuestPhysicalAddress

    /// An exit for `reason`. What the reason does not define is 0.
    @inlinable
    public init(
        reason: ExitReason, qualification: UInt64 = 0, instructionLength: UInt8,
        guestPhysicalAddress: GuestPhysicalAddress = GuestPhysicalAddress(rawValue: 0)
    ) {
        self.reason = reason
        self.qualification = qualification
        self.instructionLength = instructionLength
        self.guestPhysicalAddress = guestPhysicalAddress
    }
}

extension LogicalProcessor {
    /// Leaves non-root mode with `exit`: fills the exit information of `vmcs` and counts. RIP, the flags and every
    /// other register stay as they are (V-05).
    public mutating func take(_ exit: VMExit, recordingIn vmcs: inout VMCS) {
        precondition(isNonRoot, "VM exit of a processor that runs no guest")
        vmcs.record(exit)
        counters.exits.record(exit.reason)
    }

    /// The hypervisor's eager policy for reasons 72 and 73 (policy A, virtualization §4.5): the guest resumes at the
    /// next instruction with ZF = 1 and the other five status flags 0, and no mapping is made.
    ///
    /// Every legal guest PASID was mapped when it was bound, so a failure means an illegal one; to the guest it looks
    /// like a full queue.
    ///
    /// - Precondition: `exit` has reason 72 or 73.
    public mutating func resumeSkipping(_ exit: VMExit) {
        precondition(exit.reason == .enqcmd || exit.reason == .enqcmds, "only a failed enqueue is skipped")
        statusFlags = .afterEnqueue(accepted: false)
        instructionPointer = instructionPointer.advanced(by: UInt64(exit.instructionLength))
    }
}
