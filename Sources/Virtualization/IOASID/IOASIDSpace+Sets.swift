public import PCIe

extension IOASIDSpace {
    /// Makes a set of at most `quota` IOASIDs; 0 asks for all that is available. The caller holds its one reference.
    ///
    /// Subscribers that registered by this MM token before are in its chain from the start.
    ///
    /// - Throws: EINVAL for MM token 0; EEXIST for an MM token that has a set; ENOSPC when `quota` exceeds
    ///   ``available``, or for 0 when nothing is available.
    public mutating func allocateSet(token: IOASIDSetToken, quota: UInt32) throws(IOASIDError) -> IOASIDSetID {
        if case .mm(let name) = token {
            guard name != 0 else { throw .invalidArgument }
            guard setsByToken[name] == nil else { throw .exists }
        }
        let granted = quota == 0 ? available : quota
        guard granted > 0, granted <= available else { throw .noSpace }
        available -= granted

        let index: UInt32
        if let reused = freeSetSlots.popLast() {
            index = reused
        } else {
            index = UInt32(sets.count)
            sets.append(IOASIDSet())
        }
        let slot = Int(index)
        sets[slot].isAllocated = true
        sets[slot].token = token
        sets[slot].quota = granted
        sets[slot].referenceCount = 1
        if case .mm(let name) = token {
            setsByToken[name] = index
            for subscriber in subscribersByToken.removeValue(forKey: name) ?? [] {
                _ = sets[slot].chain.register(subscriber, order: order)
            }
        }
        return setID(index)
    }

    /// The set of the process address space that `token` names.
    public func set(ofToken token: UInt64) -> IOASIDSetID? {
        setsByToken[token].map(setID)
    }

    /// What is known about a set; `nil` when it has ended or never was.
    public func description(of set: IOASIDSetID) -> IOASIDSetDescription? {
        guard let slot = slot(of: set) else { return nil }
        return IOASIDSetDescription(
            id: set, token: sets[slot].token, quota: sets[slot].quota, count: sets[slot].count,
            referenceCount: sets[slot].referenceCount)
    }

    /// Changes a set's quota.
    ///
    /// - Throws: EINVAL for an unknown set, for 0, and for less than the set has; ENOSPC when it would grow by more
    ///   than ``available``.
    public mutating func adjustSet(_ set: IOASIDSetID, quota: UInt32) throws(IOASIDError) {
        guard let slot = liveSlot(of: set), quota > 0, quota >= sets[slot].count else { throw .invalidArgument }
        let old = sets[slot].quota
        guard quota <= old || quota - old <= available else { throw .noSpace }
        available = available + old - quota
        sets[slot].quota = quota
    }

    /// Takes a reference to a set.
    ///
    /// - Throws: EINVAL for an unknown set and for one whose last user has gone.
    public mutating func getSet(_ set: IOASIDSetID) throws(IOASIDError) {
        guard let slot = liveSlot(of: set) else { throw .invalidArgument }
        sets[slot].referenceCount += 1
    }

    /// Drops a reference to a set. The last one frees all its IOASIDs; the set ends with the last of them, and its
    /// quota returns as they are reclaimed.
    ///
    /// - Returns: Whether that was the last reference.
    /// - Throws: EINVAL for an unknown set and for one whose last user has gone.
    @discardableResult
    public mutating func putSet(
        _ set: IOASIDSetID, events: inout IOASIDEventQueue
    ) throws(IOASIDError) -> Bool {
        guard let slot = liveSlot(of: set) else { throw .invalidArgument }
        sets[slot].referenceCount -= 1
        guard sets[slot].referenceCount == 0 else { return false }
        // The address space is gone; a new one may get its token before the last IOASID is reclaimed.
        releaseToken(of: slot)
        returnQuota(of: slot, beyond: sets[slot].count)
        if sets[slot].count == 0 {
            endSet(slot)
        } else {
            freeMembers(of: slot, events: &events)
        }
        return true
    }

    /// Ends an empty set, whoever else refers to it, and returns its quota.
    ///
    /// - Throws: EINVAL for an unknown set; EBUSY while it has IOASIDs.
    public mutating func freeSet(_ set: IOASIDSetID) throws(IOASIDError) {
        guard let slot = slot(of: set) else { throw .invalidArgument }
        guard sets[slot].count == 0 else { throw .busy }
        releaseToken(of: slot)
        endSet(slot)
    }

    /// Calls `body` with each IOASID of `set`, free-pending ones included; the youngest comes first.
    public func forEachMember(of set: IOASIDSetID, _ body: (HostPASID) -> Void) {
        guard let slot = slot(of: set) else { return }
        var id = sets[slot].firstMember
        while id != 0 {
            body(HostPASID(truncating: id))
            id = table[id].next
        }
    }
}

// MARK: Slots

extension IOASIDSpace {
    func setID(_ index: UInt32) -> IOASIDSetID {
        IOASIDSetID(index: index, generation: sets[Int(index)].generation)
    }

    func slot(of set: IOASIDSetID) -> Int? {
        let slot = Int(set.index)
        guard slot < sets.count, sets[slot].isAllocated, sets[slot].generation == set.generation else { return nil }
        return slot
    }

    /// The slot of a set that still has a user.
    func liveSlot(of set: IOASIDSetID) -> Int? {
        guard let slot = slot(of: set), !sets[slot].isDying else { return nil }
        return slot
    }

    mutating func returnQuota(of slot: Int, beyond quota: UInt32) {
        available += sets[slot].quota - quota
        sets[slot].quota = quota
    }

    mutating func endSet(_ slot: Int) {
        returnQuota(of: slot, beyond: 0)
        var ended = IOASIDSet()
        ended.generation = sets[slot].generation &+ 1
        sets[slot] = ended
        freeSetSlots.append(UInt32(slot))
    }

    private mutating func releaseToken(of slot: Int) {
        guard case .mm(let name) = sets[slot].token, setsByToken[name] == UInt32(slot) else { return }
        setsByToken[name] = nil
    }
}
