public import DSASpec
internal import PCIe

/// A descriptor in a WQ or on its way through an engine.
public struct WorkItem: Sendable, BitwiseCopyable {
    /// The 64 bytes as they arrived.
    public var descriptor: Descriptor
    /// The order of acceptance on the device, from 1. Drains wait for smaller numbers.
    public var sequence: UInt64
    /// The portal they arrived through, which selects the interrupt table.
    public var portal: Portal
}

/// One work queue: the ring of accepted descriptors, its configuration, state and counts (DSA 3.0 §3.3, §5.3).
///
///     disabled --enable--> enabled --disable--> disabling --last descriptor ends--> disabled
///
/// Occupancy counts what is stored here; it falls when an engine takes a descriptor, not when that completes.
public struct WorkQueue: Sendable {
    /// The writable fields of WQCFG (DSA 3.0 §9.3).
    public internal(set) var configuration = WorkQueueConfiguration()
    /// WQCFG WQ State.
    public internal(set) var state = WorkQueueState.disabled
    /// What the checks of this WQ's descriptors depend on; fixed while the WQ is enabled.
    var checkContext = CheckContext()

    /// WQCFG Occupancy Interrupt Generated: the occupancy interrupt has fired and does not again before software clears
    /// this.
    public internal(set) var isOccupancyInterruptGenerated = false

    private var ring: [WorkItem] = []
    private var head = 0
    /// Descriptors stored here, 0 to WQ Size.
    public private(set) var occupancy = 0
    /// Descriptors that engines took and have not retired.
    public internal(set) var inProgress = 0

    /// What has become of the descriptors since the device was built.
    public internal(set) var counts = Counts()

    /// What became of every descriptor that reached a portal of this WQ. Accepted ones end exactly once:
    /// accepted = completed + abandoned + occupancy + in progress (D-11).
    public struct Counts: Hashable, Sendable {
        /// Descriptors the WQ took in.
        public internal(set) var accepted: UInt64 = 0
        /// DMWrs answered Retry.
        public internal(set) var retried: UInt64 = 0
        /// Descriptors that ended with a status, whether or not a record tells it.
        public internal(set) var completed: UInt64 = 0
        /// Ended by an abort or reset: no record, no interrupt.
        public internal(set) var abandoned: UInt64 = 0
        /// Posted writes that were lost.
        public internal(set) var dropped: UInt64 = 0
        /// Descriptors the arbiter handed to engines.
        public internal(set) var dispatched: UInt64 = 0
    }

    /// The most descriptors a limited portal lets in: min(threshold, size); a DWQ knows only its size.
    @inline(__always)
    func capacity(through limit: Portal.Limit) -> Int {
        switch (configuration.mode, limit) {
        case (.shared, .limited): Int(min(configuration.threshold, configuration.size))
        case (.shared, .unlimited), (.dedicated, _): Int(configuration.size)
        }
    }

    /// Makes the ring fit the configured size.
    mutating func prepareStorage() {
        precondition(occupancy == 0, "the ring is laid out while the WQ is disabled and empty")
        let blank = WorkItem(
            descriptor: Descriptor(), sequence: 0, portal: Portal(workQueue: 0, limit: .limited, interruptTable: .msix))
        ring = Array(repeating: blank, count: Int(configuration.size))
        head = 0
    }

    /// Returns every field of WQCFG to power-on.
    mutating func resetConfiguration() {
        configuration = WorkQueueConfiguration()
        isOccupancyInterruptGenerated = false
    }

    /// Stores `item` behind all others.
    @inline(__always)
    mutating func append(_ item: WorkItem) {
        precondition(occupancy < ring.count, "occupancy never exceeds size")
        var tail = head + occupancy
        if tail >= ring.count { tail -= ring.count }
        ring[tail] = item
        occupancy += 1
        counts.accepted &+= 1
    }

    /// Gives the oldest descriptor to an engine.
    @inline(__always)
    mutating func take() -> WorkItem {
        precondition(occupancy > 0, "only a WQ with work is chosen")
        let item = ring[head]
        head += 1
        if head == ring.count { head = 0 }
        occupancy -= 1
        inProgress += 1
        counts.dispatched &+= 1
        return item
    }

    /// The descriptor that `position` others, 0 to ``occupancy`` - 1, are older than.
    func item(at position: Int) -> WorkItem {
        ring[(head + position) % ring.count]
    }

    /// Lets the descriptor at `position` be the next to be taken; the others keep their order.
    mutating func bringForward(_ position: Int) {
        let item = item(at: position)
        for index in (0..<position).reversed() {
            ring[(head + index + 1) % ring.count] = ring[(head + index) % ring.count]
        }
        ring[head] = item
    }

    /// Whether a stored descriptor satisfies `predicate`.
    public func contains(where predicate: (WorkItem) -> Bool) -> Bool {
        (0..<occupancy).contains { predicate(ring[(head + $0) % ring.count]) }
    }

    /// Abandons the stored descriptors that satisfy `predicate`; the others keep their order.
    mutating func abandon(where predicate: (WorkItem) -> Bool) {
        var kept = 0
        for index in 0..<occupancy {
            let item = ring[(head + index) % ring.count]
            if predicate(item) {
                counts.abandoned &+= 1
            } else {
                ring[(head + kept) % ring.count] = item
                kept += 1
            }
        }
        occupancy = kept
    }

    /// Whether nothing of this WQ is left in the device.
    var isEmpty: Bool { occupancy == 0 && inProgress == 0 }
}
