import PCIe
import Virtualization

/// A space with its event queue. A class, because the macros of the tests cannot call mutating functions of a value.
final class IOASIDFixture {
    var space: IOASIDSpace
    var events = IOASIDEventQueue()

    init(capacity: UInt32 = 1024, order: NotifierOrder = .deviceBeforeIOMMU) {
        space = IOASIDSpace(capacity: capacity, order: order)
    }

    /// Empties the queue.
    func takeEvents() -> [IOASIDEvent] {
        var taken: [IOASIDEvent] = []
        while let event = events.popFirst() { taken.append(event) }
        return taken
    }

    func allocate(in set: IOASIDSetID, range: ClosedRange<UInt32> = 1...0xF_FFFF) -> HostPASID? {
        space.allocate(in: set, range: range, events: &events)
    }

    func free(_ id: HostPASID, in set: IOASIDSetID) -> IOASIDFreeOutcome {
        space.free(id, in: set, events: &events)
    }

    func put(_ id: HostPASID, in set: IOASIDSetID? = nil) -> Bool {
        space.put(id, in: set)
    }

    func putSet(_ set: IOASIDSetID) throws(IOASIDError) -> Bool {
        try space.putSet(set, events: &events)
    }

    func register(
        _ subscriber: IOASIDSubscriber, onToken token: UInt64
    ) throws(IOASIDError) -> IOASIDRegistration {
        try space.register(subscriber, onToken: token)
    }

    func register(_ subscriber: IOASIDSubscriber, on set: IOASIDSetID) throws(IOASIDError) -> IOASIDRegistration {
        try space.register(subscriber, on: set)
    }

    func attach(_ id: HostPASID, _ spid: GuestPASID) throws(IOASIDError) {
        let change = try beginAttach(id, spid)
        try space.commitAttach(change)
    }

    func detach(_ id: HostPASID) throws(IOASIDError) {
        let change = try beginDetach(id)
        space.finishDetach(change)
    }

    func beginAttach(_ id: HostPASID, _ spid: GuestPASID) throws(IOASIDError) -> IOASIDBindingChange {
        try space.beginAttach(id, spid: spid, events: &events)
    }

    func abortAttach(_ change: IOASIDBindingChange) -> Bool {
        space.abortAttach(change)
    }

    func beginDetach(_ id: HostPASID) throws(IOASIDError) -> IOASIDBindingChange {
        try space.beginDetach(id, events: &events)
    }

    func finishDetach(_ change: IOASIDBindingChange) -> Bool {
        space.finishDetach(change)
    }

    func findTakingReference(_ spid: GuestPASID, in set: IOASIDSetID) -> HostPASID? {
        space.find(spid: spid, in: set, takingReference: true)
    }

    func detachData(from id: HostPASID) throws(IOASIDError) -> UInt64 {
        try space.detachData(from: id)
    }
}

/// The error that `body` throws, `nil` when it throws none.
func refusal(_ body: () throws(IOASIDError) -> Void) -> IOASIDError? {
    do throws(IOASIDError) {
        try body()
        return nil
    } catch {
        return error
    }
}
