/// What the changes of one VM's PASID translation table have cost.
public struct RendezvousCounters: Hashable, Sendable, BitwiseCopyable {
    /// Gate periods: changes that were made, each of one or more edits.
    public private(set) var rendezvous: UInt64 = 0
    /// Entries of the table that were set or cleared.
    public private(set) var edits: UInt64 = 0
    /// vCPUs that an IPI forced out of non-root mode.
    public private(set) var kicks: UInt64 = 0
    /// The modelled time of all of them, in nanoseconds: see ``RendezvousCost``. No clock was read.
    public private(set) var modelledNanoseconds: UInt64 = 0

    /// Every count 0.
    public init() {}

    /// Counts one gate period.
    public mutating func record(kicks: Int, edits: Int, cost: RendezvousCost = RendezvousCost()) {
        rendezvous &+= 1
        self.edits &+= UInt64(edits)
        self.kicks &+= UInt64(kicks)
        modelledNanoseconds &+= cost.nanoseconds(kicks: kicks, edits: edits)
    }
}

/// What a rendezvous would cost on hardware, as a model: on one loop it has no duration worth measuring.
///
/// The shape is that of virtualization §4.6: IPIs are sent one after the other, so O(vCPUs); the exits that they cause
/// run in parallel, so they count once. The constants are round numbers of the order that IPIs and VM exits have on a
/// server processor. They are assumptions, not measurements.
public struct RendezvousCost: Hashable, Sendable, BitwiseCopyable {
    /// Closing and opening the gate, with the barrier between.
    public var gateNanoseconds: UInt64 = 100
    /// Sending one IPI.
    public var kickNanoseconds: UInt64 = 250
    /// From the IPI to the acknowledgement of a vCPU that leaves non-root mode, and its VM entry afterwards.
    public var exitAndEntryNanoseconds: UInt64 = 2_000
    /// Writing one entry.
    public var editNanoseconds: UInt64 = 20

    /// The assumptions above.
    public init() {}

    /// The time of one gate period.
    public func nanoseconds(kicks: Int, edits: Int) -> UInt64 {
        gateNanoseconds + UInt64(kicks) * kickNanoseconds + (kicks > 0 ? exitAndEntryNanoseconds : 0)
            + UInt64(edits) * editNanoseconds
    }
}
