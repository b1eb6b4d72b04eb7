internal import CPlatform

/// The events of one ``Poller/wait(into:timeout:)``, in memory that is allocated once.
@safe
public struct PollEventBuffer: ~Copyable {
    let storage: UnsafeMutableBufferPointer<epoll_event>

    /// How many events the last wait delivered.
    public internal(set) var count = 0

    /// A buffer for at most `capacity` events a wait; the others are delivered by the next one.
    public init(capacity: Int = 256) {
        precondition(capacity > 0 && capacity <= Int(CInt.max), "a buffer holds at least one event")
        unsafe storage = .allocate(capacity: capacity)
        unsafe storage.initialize(repeating: epoll_event())
    }

    deinit {
        unsafe storage.deallocate()
    }

    /// The most events that one wait delivers.
    public var capacity: Int { unsafe storage.count }

    /// The event at `index`, 0 ..< ``count``.
    public subscript(index: Int) -> PollEvent {
        precondition(index >= 0 && index < count, "no such event")
        let event = unsafe storage[index]
        return unsafe PollEvent(token: event.data.u64, events: PollEvents(rawValue: event.events))
    }
}
