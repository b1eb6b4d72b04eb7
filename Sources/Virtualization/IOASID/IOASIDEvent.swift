public import PCIe

/// A notification of the IOASID core (virtualization §5.6). Everything in it was captured before anything was cleared.
public struct IOASIDEvent: Hashable, Sendable, BitwiseCopyable {
    /// What happened to the IOASID, and which chains hear of it.
    public enum Kind: UInt8, Hashable, Sendable, BitwiseCopyable, CaseIterable {
        /// An IOASID was allocated. To the set's chain.
        case alloc
        /// A guest PASID is being attached. To the set's chain.
        case bind
        /// A guest PASID is being detached. To the set's chain.
        case unbind
        /// An IOASID that others hold references to was freed: clean up and put. To the set's and the global chain.
        case free

        /// Whether subscribers of the global chain receive it too.
        public var isGlobal: Bool { self == .free }
    }

    /// What happened.
    public let kind: Kind
    /// The IOASID concerned.
    public let id: HostPASID
    /// The IOASID's set at that time.
    public let set: IOASIDSetID
    /// The guest PASID concerned; in FREE and UNBIND the one that the IOASID had.
    public let spid: GuestPASID?
    /// The private data attached to the IOASID.
    public let data: UInt64?

    /// An event with everything it carries.
    public init(kind: Kind, id: HostPASID, set: IOASIDSetID, spid: GuestPASID?, data: UInt64?) {
        self.kind = kind
        self.id = id
        self.set = set
        self.spid = spid
        self.data = data
    }
}

/// Events in the order in which the core emitted them, until their owner delivers them.
///
/// One queue is filled and emptied over and over without allocation.
public struct IOASIDEventQueue: Sendable {
    private var events: ContiguousArray<IOASIDEvent> = []
    private var head = 0

    /// An empty queue.
    public init() {}

    /// Events not yet delivered.
    public var count: Int { events.count - head }

    /// Whether everything was delivered.
    public var isEmpty: Bool { count == 0 }

    /// Adds an event behind all others.
    public mutating func append(_ event: IOASIDEvent) {
        events.append(event)
    }

    /// Removes and returns the oldest event.
    public mutating func popFirst() -> IOASIDEvent? {
        guard head < events.count else { return nil }
        defer {
            head += 1
            if head == events.count { removeAll() }
        }
        return events[head]
    }

    /// Forgets all events; the memory stays for the next ones.
    public mutating func removeAll() {
        events.removeAll(keepingCapacity: true)
        head = 0
    }
}
