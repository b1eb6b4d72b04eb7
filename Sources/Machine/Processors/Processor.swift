internal import IOMMU
internal import PCIe
public import Virtualization

/// A logical processor and what the machine needs beside it on each instruction.
struct Processor: Sendable {
    var core: LogicalProcessor
    /// The VMCS in force; of use in non-root mode only.
    var vmcs = VMCS()
    /// The address space its instructions run in.
    var space: AddressSpaceIndex
    /// The thread's number in its process.
    var thread: UInt32 = 0
    /// Where a vCPU is; without meaning for a thread.
    var activity = VCPUActivity.root

    /// Leaves non-root mode with `exit`, which fills the VMCS's exit information.
    mutating func take(_ exit: VMExit) {
        core.take(exit, recordingIn: &vmcs)
    }
}

/// Which address space, by its place in the machine's stores.
public enum AddressSpaceIndex: Hashable, Sendable {
    case process(Int)
    case virtualMachine(Int)
}

/// What a query shows of a logical processor.
public struct ProcessorStatus: Sendable {
    /// The registers and counters.
    public let core: LogicalProcessor
    /// The thread's number in its process; 0 for a vCPU.
    public let thread: UInt32
}
