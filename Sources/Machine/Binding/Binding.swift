public import IOMMU
public import PCIe
public import Virtualization

/// Names a binding from ``Machine/prepareBinding(ofGuest:in:device:ioasid:stage:)`` or its native counterpart until it
/// is complete again.
public struct BindingToken: Hashable, Sendable {
    let index: Int
}

/// Which translation a guest's DMA under a guest PASID gets.
public enum GuestStage: Hashable, Sendable {
    /// The guest process's page table at this address, below the VM's second stage.
    case nested(firstLevel: GuestPhysicalAddress, PagingLevels)
    /// Guest physical addresses.
    case secondStageOnly
}

/// An IOASID that stands for an address space on one or more devices.
///
///     preparing ──publish──> bound ──beginUnbind, free──> ending ──last stage──> ended ──completeUnbind──> gone
///         └──abandon──> gone
///
/// The driver makes the history durable in `preparing`, before anything can submit or be translated, and in `ended`,
/// before the IOASID can be used again. While it is bound a further device arrives in the same way, prepared and then
/// published or abandoned, and one of several departs.
struct Binding: Sendable {
    enum State: Hashable, Sendable {
        case preparing
        case bound
        case ending
        case ended
    }

    let ioasid: HostPASID
    let set: IOASIDSetID
    let owner: AddressSpaceIndex
    /// `nil` for a process.
    let guestPASID: GuestPASID?
    let translation: AddressSpaceTranslation
    /// The IOASID was allocated for this binding and goes with it.
    let isIOASIDOwned: Bool
    /// Bit n: device n has an IOMMU entry for the IOASID.
    var devices: UInt64
    var state = State.preparing
    /// The announced attachment of a guest PASID, until it is committed or aborted.
    var attachment: Attachment?
    /// The VM's table has the entry, for which its hypervisor holds a reference (virtualization §4.4).
    var isTranslated = false
    /// The owner's reference is gone: the IOASID was freed, and is reclaimed with the last of its users.
    var isFreed = false
    /// How far the end has come; `nil` before it begins.
    var ending: Ending?
    /// A further device is being bound; it has no IOMMU entry yet.
    var arrivingDevice: Int?
    /// One device of several is being unbound; the binding stays.
    var departingDevice: Int?
    /// Dedicated WQs that work for the IOASID.
    var dedicatedQueueCount = 0
    /// Entries of the devices' interrupt tables that were set up for the IOASID.
    var interrupts: [ClaimedInterrupt] = []
}

/// An attachment that the IOASID core has announced, and the event by which it did.
struct Attachment: Hashable, Sendable {
    let change: IOASIDBindingChange
    let event: IOASIDEvent
}

/// What a query or the history shows of a binding.
public struct BindingDescription: Hashable, Sendable {
    /// The IOASID, the PASID that devices and IOMMU use.
    public let ioasid: HostPASID
    /// The set whose quota the IOASID counts against.
    public let set: IOASIDSetID
    /// The process or VM whose memory the IOASID gives access to.
    public let owner: AddressSpaceIndex
    /// What the guest calls the IOASID; `nil` for a process.
    public let guestPASID: GuestPASID?
    /// Bit n: bound to device n.
    public let devices: UInt64
    /// The IOASID is freed by the unbind.
    public let isIOASIDOwned: Bool
    /// The IOASID was freed while it was bound.
    public let isFreed: Bool
    /// The one device of several that is being unbound.
    public let departingDevice: Int?

    /// The IOASID can be allocated again once the binding has ended.
    public var isIOASIDReleased: Bool { isIOASIDOwned || isFreed }
}

/// How a bind request began.
public enum BindingStart: Hashable, Sendable {
    /// A new binding: make it durable, then publish it.
    case prepared(BindingToken, HostPASID)
    /// The address space has its PASID already, and a further device is to be added: make that durable, then publish
    /// it. No event of the IOASID core (virtualization §4.4).
    case extending(BindingToken, HostPASID)
}

/// How an unbind request began.
public enum UnbindingStart: Hashable, Sendable {
    /// The last device: nobody can submit with the PASID any more; ``MachineEffect/unbindDrained(_:)`` follows.
    case unbinding(BindingToken, HostPASID)
    /// One device of several: its descriptors drain, and ``MachineEffect/unbindDrained(_:)`` follows.
    case departing(BindingToken, HostPASID)
}
