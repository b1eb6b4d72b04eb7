public import PCIe

// MARK: Allocation

extension IOASIDSpace {
    /// Allocates an IOASID for `set` from `range`, with the owner's reference and no SPID, and sends ALLOC.
    ///
    /// The search goes round: it begins behind the IOASID allocated last, so a freed number rests as long as it can. A
    /// late page request, log line or stale register that names it meets nobody, not the next owner.
    ///
    /// - Returns: `nil`, the kernel's INVALID_IOASID, for an unknown set, at the set's quota, and when the range has no
    ///   free IOASID.
    public mutating func allocate(
        in set: IOASIDSetID, range: ClosedRange<UInt32> = 1...(capacityMax - 1), events: inout IOASIDEventQueue
    ) -> HostPASID? {
        guard let slot = liveSlot(of: set), sets[slot].count < sets[slot].quota else { return nil }
        guard let id = nextFreeID(in: range) else { return nil }
        cursor = id + 1
        freeIDs.remove(Int(id))
        allocatedCount += 1

        var entry = IOASIDEntry()
        entry.referenceCount = 1
        entry.set = set.index
        entry.next = sets[slot].firstMember
        table.allocate(id, entry)
        if entry.next != 0 { table[entry.next].previous = id }
        sets[slot].firstMember = id
        sets[slot].count += 1
        events.append(event(.alloc, id))
        return HostPASID(truncating: id)
    }

    private func nextFreeID(in range: ClosedRange<UInt32>) -> UInt32? {
        let lower = max(range.lowerBound, 1)
        let upper = min(range.upperBound, capacity - 1)
        guard lower <= upper else { return nil }
        if cursor > lower, cursor <= upper, let found = freeIDs.first(from: Int(cursor)), found <= Int(upper) {
            return UInt32(found)
        }
        guard let found = freeIDs.first(from: Int(lower)), found <= Int(upper) else { return nil }
        return UInt32(found)
    }
}

// MARK: Free

extension IOASIDSpace {
    /// Frees an IOASID of `set` on its owner's behalf (virtualization §5.4). It always succeeds, and a second one does
    /// nothing: with other references left the IOASID becomes free-pending and FREE goes out, otherwise it is reclaimed
    /// at once and nobody is told.
    @discardableResult
    public mutating func free(
        _ id: HostPASID, in set: IOASIDSetID, events: inout IOASIDEventQueue
    ) -> IOASIDFreeOutcome {
        let raw = id.rawValue
        guard table.isAllocated(raw) else { return .ignoredUnknown }
        guard slot(of: set) == Int(table[raw].set) else { return .ignoredForeign }
        guard !table[raw].isFreePending else { return .ignoredAlreadyPending }
        return freeAllocated(raw, events: &events)
    }

    /// Frees every IOASID of `set`. Those with other references stay members, free-pending, until the last put.
    ///
    /// - Throws: EINVAL for an unknown set.
    public mutating func freeAll(in set: IOASIDSetID, events: inout IOASIDEventQueue) throws(IOASIDError) {
        guard let slot = slot(of: set) else { throw .invalidArgument }
        freeMembers(of: slot, events: &events)
    }

    mutating func freeMembers(of slot: Int, events: inout IOASIDEventQueue) {
        var id = sets[slot].firstMember
        while id != 0 {
            let next = table[id].next
            if !table[id].isFreePending { freeAllocated(id, events: &events) }
            id = next
        }
    }

    @discardableResult
    private mutating func freeAllocated(_ id: UInt32, events: inout IOASIDEventQueue) -> IOASIDFreeOutcome {
        let captured = event(.free, id)
        releaseSPID(of: id)
        table[id].isFreePending = true
        table[id].referenceCount -= 1
        guard table[id].referenceCount > 0 else {
            reclaim(id)
            return .reclaimed
        }
        events.append(captured)
        return .pending
    }

    /// Takes the IOASID, which has no reference left, out of its set and makes it allocatable.
    private mutating func reclaim(_ id: UInt32) {
        releaseSPID(of: id)
        let entry = table[id]
        let slot = Int(entry.set)
        if entry.previous == 0 {
            sets[slot].firstMember = entry.next
        } else {
            table[entry.previous].next = entry.next
        }
        if entry.next != 0 { table[entry.next].previous = entry.previous }
        table.reclaim(id)
        freeIDs.insert(Int(id))
        allocatedCount -= 1
        sets[slot].count -= 1
        if sets[slot].isDying { returnQuota(of: slot, beyond: sets[slot].count) }
        guard sets[slot].count == 0 else { return }
        if sets[slot].isDying {
            endSet(slot)
        } else {
            admitPendingSubscribers(to: slot)
        }
    }
}

// MARK: References

extension IOASIDSpace {
    /// Takes a reference for a user of the IOASID, which must be in `set` unless that is `nil`.
    ///
    /// - Throws: EINVAL when there is no such IOASID; EACCES when it is in another set; EBUSY when it is free-pending.
    public mutating func get(_ id: HostPASID, in set: IOASIDSetID? = nil) throws(IOASIDError) {
        guard table.isAllocated(id.rawValue) else { throw .invalidArgument }
        guard belongs(id.rawValue, to: set) else { throw .accessDenied }
        guard !table[id.rawValue].isFreePending else { throw .busy }
        table[id.rawValue].referenceCount += 1
    }

    /// Drops a reference and returns whether it was the last, so that the IOASID was reclaimed.
    ///
    /// An IOASID that does not exist, or is in another set than `set`, is left alone.
    @discardableResult
    public mutating func put(_ id: HostPASID, in set: IOASIDSetID? = nil) -> Bool {
        guard table.isAllocated(id.rawValue), belongs(id.rawValue, to: set) else { return false }
        table[id.rawValue].referenceCount -= 1
        guard table[id.rawValue].referenceCount == 0 else { return false }
        reclaim(id.rawValue)
        return true
    }

    func belongs(_ id: UInt32, to set: IOASIDSetID?) -> Bool {
        guard let set else { return true }
        return slot(of: set) == Int(table[id].set)
    }
}

// MARK: Look-up

extension IOASIDSpace {
    /// What is known about an IOASID; `nil` when it is not allocated. Unlike users' look-ups it sees free-pending ones.
    public func description(of id: HostPASID) -> IOASIDDescription? {
        guard table.isAllocated(id.rawValue) else { return nil }
        let entry = table[id.rawValue]
        return IOASIDDescription(
            id: id, set: setID(entry.set), state: entry.state, spid: entry.boundSPID,
            referenceCount: entry.referenceCount, data: entry.hasData ? entry.data : nil)
    }

    /// The state of an IOASID; ``IOASIDState/free`` for any that is not allocated.
    public func state(of id: HostPASID) -> IOASIDState {
        table.isAllocated(id.rawValue) ? table[id.rawValue].state : .free
    }

    func event(_ kind: IOASIDEvent.Kind, _ id: UInt32) -> IOASIDEvent {
        let entry = table[id]
        return IOASIDEvent(
            kind: kind, id: HostPASID(truncating: id), set: setID(entry.set), spid: entry.boundSPID,
            data: entry.hasData ? entry.data : nil)
    }
}
