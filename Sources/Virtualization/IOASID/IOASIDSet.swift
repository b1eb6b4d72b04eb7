import PCIe

/// A slot of the space's array of sets.
struct IOASIDSet: Sendable {
    /// Counts the sets that had this slot before.
    var generation: UInt32 = 0
    var isAllocated = false
    var token: IOASIDSetToken = .null
    var quota: UInt32 = 0
    var count: UInt32 = 0
    var referenceCount: UInt32 = 0
    /// The head of the list of members, 0 when there is none: PASID 0 is in no set.
    var firstMember: UInt32 = 0
    var spids = SPIDIndex()
    var chain = NotifierChain()
    /// Subscribers that wait until the set is empty, so that they miss no event of its IOASIDs.
    var pendingSubscribers: [IOASIDSubscriber] = []

    /// Whether the last user has gone and the set only waits for its free-pending IOASIDs.
    var isDying: Bool { isAllocated && referenceCount == 0 }
}
