import PCIe

/// Guest PASID to IOASID, for one set: an array of 1024 leaves of 1024 entries each, allocated on demand.
///
/// It never rehashes, so a bind costs the same with one PASID as with a million. A leaf goes with its last entry: the
/// memory is bounded by what is bound, not by what a guest has ever bound.
struct SPIDIndex: Sendable {
    private var leaves: ContiguousArray<ContiguousArray<UInt32>> = []
    private var populations: ContiguousArray<UInt16> = []

    private static let leafCount = 1024
    private static let leafCapacity = 1024

    /// The IOASID with this set-private id.
    subscript(spid: GuestPASID) -> HostPASID? {
        let (leaf, slot) = Self.position(of: spid)
        guard !leaves.isEmpty, !leaves[leaf].isEmpty else { return nil }
        let id = leaves[leaf][slot]
        return id == 0 ? nil : HostPASID(truncating: id)
    }

    /// - Precondition: `spid` is not in the index.
    mutating func insert(_ id: HostPASID, for spid: GuestPASID) {
        let (leaf, slot) = Self.position(of: spid)
        if leaves.isEmpty {
            leaves = ContiguousArray(repeating: [], count: Self.leafCount)
            populations = ContiguousArray(repeating: 0, count: Self.leafCount)
        }
        if leaves[leaf].isEmpty { leaves[leaf] = ContiguousArray(repeating: 0, count: Self.leafCapacity) }
        precondition(leaves[leaf][slot] == 0, "the SPID is taken")
        leaves[leaf][slot] = id.rawValue
        populations[leaf] += 1
    }

    /// - Precondition: `spid` is in the index.
    mutating func remove(_ spid: GuestPASID) {
        let (leaf, slot) = Self.position(of: spid)
        precondition(leaves[leaf][slot] != 0, "the SPID is not in the index")
        leaves[leaf][slot] = 0
        populations[leaf] -= 1
        if populations[leaf] == 0 { leaves[leaf] = [] }
    }

    private static func position(of spid: GuestPASID) -> (leaf: Int, slot: Int) {
        (Int(spid.rawValue >> 10), Int(spid.rawValue & 0x3FF))
    }
}
