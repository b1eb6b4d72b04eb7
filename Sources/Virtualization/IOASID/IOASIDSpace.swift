import PCIe

/// The host's IOASIDs: which host PASIDs exist, whose they are, who uses them, and which guest PASID each stands for
/// (virtualization §5).
///
/// An IOASID is the allocator's word for a host PASID. It belongs to one set, which has a quota and is the unit of
/// ownership: for a VM, a set's members are its host PASIDs, and its guest PASIDs are their set-private ids (SPID).
///
/// Operations that notify append their events to the queue they are given, in order, with everything captured before
/// it is cleared; ``notification(for:)`` names whom to call. The space calls nobody.
///
/// What an operation costs does not depend on how many IOASIDs there are.
public struct IOASIDSpace: Sendable {
    /// The most IOASIDs of a space, 2^20: what 20 bits of PASID name.
    public static let capacityMax: UInt32 = 1 << 20

    /// How many IOASIDs the space has, 0 to `capacity - 1`. PASID 0 counts but is never allocated (I-03).
    public let capacity: UInt32

    /// The capacity that no set's quota and no reservation holds.
    public internal(set) var available: UInt32

    /// The capacity that ``reserveCapacity(_:)`` holds.
    public internal(set) var reserved: UInt32 = 0

    /// How many IOASIDs are allocated, free-pending ones included.
    public internal(set) var allocatedCount: UInt32 = 0

    /// The order in which the kinds of subscribers are called.
    public let order: NotifierOrder
    var globalChain = NotifierChain()
    var table: IOASIDTable
    var freeIDs: IdentifierBitmap
    /// Where the search for the next IOASID begins.
    var cursor: UInt32 = 1
    var bindingSerial: UInt64 = 0
    var sets: ContiguousArray<IOASIDSet> = []
    var freeSetSlots: ContiguousArray<UInt32> = []
    var setsByToken: [UInt64: UInt32] = [:]
    /// Subscribers of sets that do not exist yet, by MM token.
    var subscribersByToken: [UInt64: [IOASIDSubscriber]] = [:]

    /// An empty space.
    ///
    /// - Precondition: `capacity` is 1 to ``capacityMax``.
    public init(capacity: UInt32 = Self.capacityMax, order: NotifierOrder = .deviceBeforeIOMMU) {
        precondition(capacity >= 1 && capacity <= Self.capacityMax, "a PASID has 20 bits")
        self.capacity = capacity
        self.order = order
        available = capacity
        table = IOASIDTable(capacity: Int(capacity))
        freeIDs = IdentifierBitmap(allBelow: Int(capacity))
        freeIDs.remove(0)
    }
}

// MARK: Capacity

extension IOASIDSpace {
    /// Takes `count` IOASIDs out of what sets may be given.
    ///
    /// - Throws: ENOSPC when more than ``available``.
    public mutating func reserveCapacity(_ count: UInt32) throws(IOASIDError) {
        guard count <= available else { throw .noSpace }
        available -= count
        reserved += count
    }

    /// Gives back `count` of the reserved IOASIDs.
    ///
    /// - Throws: EINVAL when more than ``reserved``: the rest belongs to sets.
    public mutating func cancelCapacity(_ count: UInt32) throws(IOASIDError) {
        guard count <= reserved else { throw .invalidArgument }
        available += count
        reserved -= count
    }
}
