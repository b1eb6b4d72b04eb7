/// What one logical processor has done since it was created. Each counts events and wraps at 2^64.
public struct ProcessorCounters: Hashable, Sendable, BitwiseCopyable {
    /// ENQCMD and ENQCMDS that ended with ZF = 0.
    public var accepted: UInt64 = 0
    /// ENQCMD and ENQCMDS that the fabric or the device answered with anything but success: ZF = 1.
    public var retried: UInt64 = 0
    /// MOVDIR64B stores that left the processor; nothing tells whether a queue took them.
    public var posted: UInt64 = 0
    /// #GP(0) answered by loading IA32_PASID: at most 1 for a thread (virtualization §3.4) until its process is
    /// unbound, and as many again after the next bind.
    public var generalProtectionFixups: UInt64 = 0
    /// VM exits, by reason.
    public var exits = VMExitCounts()
    /// VM entries.
    public var vmEntries: UInt64 = 0

    /// Every count 0.
    @inlinable
    public init() {}
}
