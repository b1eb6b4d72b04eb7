import PCIe

extension IOASIDSpace {
    /// The first rule of virtualization §10 that this state breaks, as a sentence; `nil` when all hold, which is always
    /// so unless there is a bug here. Takes time in proportion to the capacity.
    public func violatedInvariant() -> String? {
        var quotas: UInt64 = 0
        var members: UInt64 = 0
        for (slot, set) in sets.enumerated() where set.isAllocated {
            quotas += UInt64(set.quota)
            guard set.count <= set.quota else { return "I-02: set \(slot) has \(set.count) of \(set.quota) IOASIDs" }
            guard let walked = walk(set, slot) else { return "the list of set \(slot) is broken" }
            guard walked == set.count else { return "set \(slot) counts \(set.count) IOASIDs and lists \(walked)" }
            members += UInt64(walked)
        }
        guard UInt64(available) + UInt64(reserved) + quotas == UInt64(capacity) else {
            return "I-01: \(available) available, \(reserved) reserved, \(quotas) in quotas, of \(capacity)"
        }
        guard !table.isAllocated(0), !freeIDs.contains(0) else { return "I-03: PASID 0 is allocated or allocatable" }
        // Every member is counted in one set only if the sum meets the number of allocated IOASIDs.
        guard members == UInt64(allocatedCount) else { return "I-04: \(members) members, \(allocatedCount) allocated" }
        for id in 1..<max(capacity, 1) where table.isAllocated(id) == freeIDs.contains(Int(id)) {
            return "I-04: IOASID \(id) is both free and allocated, or neither"
        }
        return nil
    }

    /// The number of members on the list, `nil` when an entry contradicts it.
    private func walk(_ set: IOASIDSet, _ slot: Int) -> UInt32? {
        var previous: UInt32 = 0
        var id = set.firstMember
        var count: UInt32 = 0
        while id != 0 {
            guard count < set.count, table.isAllocated(id) else { return nil }
            let entry = table[id]
            guard entry.set == UInt32(slot), entry.previous == previous else { return nil }
            // I-07: the index leads from the SPID to this IOASID and no other.
            if let spid = entry.boundSPID, set.spids[spid]?.rawValue != id { return nil }
            previous = id
            id = entry.next
            count += 1
        }
        return count
    }
}
