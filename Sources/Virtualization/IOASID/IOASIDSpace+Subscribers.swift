/// What became of a registration.
public enum IOASIDRegistration: UInt8, Hashable, Sendable, BitwiseCopyable {
    /// The subscriber hears of every event from now on.
    case registered
    /// The subscriber is registered when the set exists and is empty, so that it never hears of the end of something
    /// whose beginning it missed.
    case pending
}

extension IOASIDSpace {
    /// Registers for the global chain, which hears of FREE in every set.
    ///
    /// - Throws: EEXIST when it is registered.
    public mutating func registerGlobally(_ subscriber: IOASIDSubscriber) throws(IOASIDError) {
        guard globalChain.register(subscriber, order: order) else { throw .exists }
    }

    /// - Throws: ENOENT when it is not registered.
    public mutating func unregisterGlobally(_ subscriber: IOASIDSubscriber) throws(IOASIDError) {
        guard globalChain.unregister(subscriber) else { throw .noEntry }
    }

    /// Registers for the events of one set: at once for a NULL set and for an empty MM set, otherwise when the MM set
    /// has become empty. Events are not replayed.
    ///
    /// - Throws: EINVAL for an unknown set; EEXIST when it is registered or waits.
    @discardableResult
    public mutating func register(
        _ subscriber: IOASIDSubscriber, on set: IOASIDSetID
    ) throws(IOASIDError) -> IOASIDRegistration {
        guard let slot = liveSlot(of: set) else { throw .invalidArgument }
        guard !sets[slot].pendingSubscribers.contains(subscriber) else { throw .exists }
        if case .mm = sets[slot].token, sets[slot].count > 0 {
            guard !sets[slot].chain.subscribers.contains(subscriber) else { throw .exists }
            sets[slot].pendingSubscribers.append(subscriber)
            return .pending
        }
        guard sets[slot].chain.register(subscriber, order: order) else { throw .exists }
        return .registered
    }

    /// Registers for the events of the set of a process address space, which need not exist yet.
    ///
    /// - Throws: EINVAL for token 0; EEXIST when it is registered or waits.
    @discardableResult
    public mutating func register(
        _ subscriber: IOASIDSubscriber, onToken token: UInt64
    ) throws(IOASIDError) -> IOASIDRegistration {
        guard token != 0 else { throw .invalidArgument }
        if let set = set(ofToken: token) { return try register(subscriber, on: set) }
        guard subscribersByToken[token]?.contains(subscriber) != true else { throw .exists }
        subscribersByToken[token, default: []].append(subscriber)
        return .pending
    }

    /// Ends a registration of either kind, one that waits included.
    ///
    /// - Throws: EINVAL for an unknown set; ENOENT when it is not registered.
    public mutating func unregister(_ subscriber: IOASIDSubscriber, from set: IOASIDSetID) throws(IOASIDError) {
        guard let slot = slot(of: set) else { throw .invalidArgument }
        if let waiting = sets[slot].pendingSubscribers.firstIndex(of: subscriber) {
            sets[slot].pendingSubscribers.remove(at: waiting)
        } else if !sets[slot].chain.unregister(subscriber) {
            throw .noEntry
        }
    }

    /// Ends a registration by MM token, whether its set exists or not.
    ///
    /// - Throws: ENOENT when it is not registered.
    public mutating func unregister(_ subscriber: IOASIDSubscriber, fromToken token: UInt64) throws(IOASIDError) {
        if let set = set(ofToken: token) { return try unregister(subscriber, from: set) }
        guard let waiting = subscribersByToken[token]?.firstIndex(of: subscriber) else { throw .noEntry }
        subscribersByToken[token]?.remove(at: waiting)
        if subscribersByToken[token]?.isEmpty == true { subscribersByToken[token] = nil }
    }

    /// Whom to call for `event`, in order: the subscribers of its set, and for FREE the global ones too. A set's events
    /// reach nobody who is registered only elsewhere (I-11).
    public func notification(for event: IOASIDEvent) -> IOASIDNotification {
        let local = slot(of: event.set).map { sets[$0].chain.subscribers } ?? []
        return IOASIDNotification(
            order: order, local: local, global: event.kind.isGlobal ? globalChain.subscribers : [])
    }

    mutating func admitPendingSubscribers(to slot: Int) {
        guard !sets[slot].pendingSubscribers.isEmpty else { return }
        for subscriber in sets[slot].pendingSubscribers {
            _ = sets[slot].chain.register(subscriber, order: order)
        }
        sets[slot].pendingSubscribers.removeAll()
    }
}
