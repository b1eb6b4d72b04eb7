/// What a subscriber of IOASID events does with them, which decides when it is called.
public enum IOASIDSubscriberKind: UInt8, Hashable, Sendable, BitwiseCopyable, CaseIterable {
    /// Stops processors from sending the PASID: edits a VM's PASID translation table.
    case cpu
    /// Drains a device of the PASID.
    case device
    /// Tears down, or sets up, the PASID's translation.
    case iommu
    /// Only watches, after all others.
    case last
}

/// Someone who is told of IOASID events.
public struct IOASIDSubscriber: Hashable, Sendable, BitwiseCopyable {
    /// Decides when it is called.
    public let kind: IOASIDSubscriberKind

    /// Which VM, device or IOMMU; the machine's number for it.
    public let instance: UInt32

    /// The subscriber of this kind for `instance`.
    public init(_ kind: IOASIDSubscriberKind, instance: UInt32) {
        self.kind = kind
        self.instance = instance
    }
}

/// The order in which the kinds of subscribers hear of an event (virtualization §5.6). Processors are always first:
/// the source of submissions stops before anything else is torn down (I-10).
public enum NotifierOrder: UInt8, Hashable, Sendable, BitwiseCopyable, CaseIterable {
    /// CPU, DEVICE, IOMMU, LAST, the order of the series' version 3: the device is quiet before its translations go,
    /// so nothing faults.
    case deviceBeforeIOMMU
    /// CPU, IOMMU, DEVICE, LAST, the order of version 4: translations go first, and faults are tolerated until the
    /// device is drained.
    case iommuBeforeDevice

    /// The place of `kind` in the order, 0 first.
    public func rank(of kind: IOASIDSubscriberKind) -> Int {
        switch (kind, self) {
        case (.cpu, _): 0
        case (.device, .deviceBeforeIOMMU), (.iommu, .iommuBeforeDevice): 1
        case (.iommu, .deviceBeforeIOMMU), (.device, .iommuBeforeDevice): 2
        case (.last, _): 3
        }
    }
}

/// Subscribers in the order in which they are called: by kind, and within a kind by registration.
struct NotifierChain: Sendable {
    private(set) var subscribers: ContiguousArray<IOASIDSubscriber> = []

    /// Returns `false` when `subscriber` is in the chain already.
    mutating func register(_ subscriber: IOASIDSubscriber, order: NotifierOrder) -> Bool {
        guard !subscribers.contains(subscriber) else { return false }
        let rank = order.rank(of: subscriber.kind)
        let position = subscribers.firstIndex { order.rank(of: $0.kind) > rank } ?? subscribers.endIndex
        subscribers.insert(subscriber, at: position)
        return true
    }

    /// Returns `false` when `subscriber` is not in the chain.
    mutating func unregister(_ subscriber: IOASIDSubscriber) -> Bool {
        guard let position = subscribers.firstIndex(of: subscriber) else { return false }
        subscribers.remove(at: position)
        return true
    }
}

/// The subscribers to call for one event, in order.
///
/// The kinds order the call across both chains: a FREE reaches the set's CPU subscriber before the IOMMU's on the
/// global chain (virtualization §5.6, "Trap"). In one kind the set's chain comes first. What is registered or
/// unregistered while the sequence is walked does not change it.
public struct IOASIDNotification: Sequence, IteratorProtocol, Sendable {
    private let order: NotifierOrder
    private let local: ContiguousArray<IOASIDSubscriber>
    private let global: ContiguousArray<IOASIDSubscriber>
    private var localIndex = 0
    private var globalIndex = 0

    init(
        order: NotifierOrder, local: ContiguousArray<IOASIDSubscriber>, global: ContiguousArray<IOASIDSubscriber>
    ) {
        self.order = order
        self.local = local
        self.global = global
    }

    /// The next subscriber to call; `nil` after the last.
    public mutating func next() -> IOASIDSubscriber? {
        guard globalIndex < global.count else { return nextLocal() }
        guard localIndex < local.count else { return nextGlobal() }
        let localRank = order.rank(of: local[localIndex].kind)
        return localRank <= order.rank(of: global[globalIndex].kind) ? nextLocal() : nextGlobal()
    }

    private mutating func nextLocal() -> IOASIDSubscriber? {
        guard localIndex < local.count else { return nil }
        defer { localIndex += 1 }
        return local[localIndex]
    }

    private mutating func nextGlobal() -> IOASIDSubscriber? {
        defer { globalIndex += 1 }
        return global[globalIndex]
    }
}
