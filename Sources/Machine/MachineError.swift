internal import DSASpec
public import PCIe
public import Virtualization

/// Why the host or the hypervisor refuses a request. Nothing has changed.
///
/// What hardware reports to a program is never one of these: it is a ``SubmissionOutcome``, a completion record or a
/// command status.
public enum MachineError: Error, Hashable, Sendable {
    case unknownDevice(Int)
    case address(AddressMapError)
    /// The page tables need a frame and none is free.
    case outOfFrames
    /// The IOASID core refuses, with its error.
    case ioasid(IOASIDError)
    /// The guest PASID is bound to another IOASID of the VM, or being bound or unbound.
    case guestPASIDInUse(GuestPASID)
    /// The guest PASID is bound, with another page table or stage: it stands for one address space on every device.
    case differentStage(GuestPASID)
    /// The guest PASID is bound to the device already.
    case alreadyBound
    /// Nothing is bound there.
    case notBound
    /// A bind or unbind of the same address space is under way.
    case bindingInProgress
    /// The IOASID is bound already, or is being freed.
    case ioasidInUse(HostPASID)
    /// The first-level pointer is no multiple of 4096.
    case misalignedTable
    /// The VM's VMCSs do not translate PASIDs: with a portal its guest PASIDs would reach the wire.
    case pasidTranslationOff
    /// Every entry of the device's interrupt table is in use, or every handle.
    case noInterrupt
}
