import Machine
import PCIe
import Virtualization

/// A VM of the simulation, and what was promised to it.
struct SimulatedGuest {
    /// How far its end has come.
    enum Life: Equatable {
        case living
        /// Its VMM was killed: threads end what they are in, vCPUs leave at their next instruction boundary.
        case dying
        /// Its IOASIDs were freed; what was bound drains.
        case draining
        case gone
    }

    let vm: Int
    let ram: HostPhysicalAddress
    let tag: UInt64
    var life = Life.living
    /// The bindings that are complete, by guest PASID.
    var model: [GuestPASID: HostPASID] = [:]
    /// What still drains after the free of all.
    var ending: [BindingToken] = []

    /// Far above every host PASID of the simulation, in two tables of two directories (V-02, V-04).
    static let guestPASIDs = [0x7_FFFF, 0x8_0001, 0x8_0002, 0xF_FC00].map { GuestPASID(truncating: $0) }
    static let quota: UInt32 = 3
    static let ramByteCount: UInt64 = 4 * 4096
    static let portal: UInt64 = 0x1000_0000
}

/// A vCPU of the simulation, on a thread of its own.
struct SimulatedVCPU {
    enum State {
        case entering(VMEntrySequence)
        /// In non-root mode, between two instructions or in one.
        case inside(StepwiseSubmission?)
        case halted
        case gone
    }

    let guest: Int
    let processor: Int
    var state: State

    var thread: HostThreadID { HostThreadID(rawValue: UInt32(processor)) }
}

/// What a thread of a VMM is doing.
struct SimulatedTask {
    enum Phase {
        case publishingEntry
        case rendezvous(TableRendezvous)
        case committing
        case withdrawing
        /// The stage at this place of ``stages``.
        case stage(Int)
        case draining(next: Int)
        case concluding
    }

    let guest: Int
    let thread: HostThreadID
    let token: BindingToken
    let guestPASID: GuestPASID
    let hostPASID: HostPASID
    /// What UNBIND or FREE carried; `nil` of a bind.
    var event: IOASIDEvent?
    var stages: [EndingStage] = []
    var nextStage = 0
    var hasFailed = false
    var phase: Phase

    /// No vCPU of the VM may be in non-root mode.
    var isApplying: Bool {
        if case .rendezvous(let rendezvous) = phase { rendezvous.step == .applying } else { false }
    }
}
