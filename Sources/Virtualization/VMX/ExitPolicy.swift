/// What a hypervisor does on exits 72 and 73 (virtualization §4.5).
public enum ExitPolicy: UInt8, Hashable, Sendable, BitwiseCopyable, CaseIterable {
    /// A: every legal guest PASID was mapped when it was bound, so a failure means an illegal one. ZF is set and the
    /// instruction skipped; no mapping is made.
    case eager
    /// B: the guest PASID is looked up in the vIOMMU, or stands for the VM's default host PASID; the mapping is made
    /// and the instruction executed again.
    case lazy
    /// C: the guest gets an exception: #GP(0) for exit 72, #UD for exit 73.
    case strict
}

extension ExitPolicy {
    /// What policy C injects for `exit`.
    ///
    /// - Precondition: `exit` has reason 72 or 73.
    public static func strictException(for exit: VMExit) -> ProcessorException {
        precondition(exit.reason == .enqcmd || exit.reason == .enqcmds, "only a failed enqueue is answered")
        return exit.reason == .enqcmd
            ? .generalProtection(.untranslatedPASID) : .invalidOpcode(.untranslatedPASID)
    }
}
