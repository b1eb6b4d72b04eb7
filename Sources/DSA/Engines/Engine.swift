internal import DSASpec
internal import PCIe

/// One engine: takes a descriptor, works it off, takes the next (DSA 3.0 §3.4).
///
///     idle --take--> working <--> window out     (a window runs on a thread of the driver)
///                    working --> waiting         (Drain: earlier descriptors are still in other engines)
///                    working <--> awaiting page  (a page request has no answer)
///                    working <--> awaiting log   (the event log is full)
///                    working <--> foreign out    (work in a foreign address space is with the driver; lanes only)
///                    working --retire--> idle
///
/// An engine has one directly submitted descriptor at a time. For a batch it works the members one after the other,
/// which satisfies every fence (dsa-device 4.6).
struct Engine: Sendable {
    enum Activity: UInt8, Sendable {
        case idle
        case working
        case windowOut
        case waiting
        case awaitingPage
        case awaitingLog
        case foreignOut
    }

    var activity = Activity.idle
    /// Held by ``Device/setHold(_:engine:)``: the engine takes nothing from a WQ.
    var isHeld = false
    /// The group the engine serves, or -1.
    var group = -1

    /// What the WQ gave. Valid unless idle.
    var item = WorkItem(
        descriptor: Descriptor(), sequence: 0, portal: Portal(workQueue: 0, limit: .limited, interruptTable: .msix))
    /// The address space and privilege of the item, and of its members if it is a batch.
    var pasid: HostPASID?
    var isPrivileged = false

    /// The descriptor being executed: the item itself or a member of it.
    var current = Descriptor()
    /// The state of the current data operation. Valid while ``isTransferring``.
    var transfer = Transfer(Descriptor())
    var isTransferring = false
    /// The interrupt entry that ``current`` named and may use. Valid if it requests an interrupt.
    var interrupt: InterruptVector?
    var batch = Batch()
    var isBatch = false
    var pageWait = PageWait()
    /// What waits for room in the event log. Valid while ``Activity/awaitingLog``.
    var pendingEvent = PendingEvent()
    /// The address space is foreign: this is a lane.
    var isForeign = false
    /// Names the work that is out. Valid while ``Activity/foreignOut``.
    var ticket: UInt64 = 0
    /// A rule of fault injection has had its chance with ``current``; looked at only while there are rules.
    var hasMetInjector = false
    /// Where the transfer of ``current`` is to fault. `nil` but while ``hasMetInjector``.
    var injectedFault: InjectedFault?
    /// An abort concerns the item: at the next step it ends without a record, unless a transfer completes first.
    var isAborted = false

    /// Descriptors taken from WQs; members of batches do not count.
    public var dispatched: UInt64 = 0
}

/// How far a batch is (DSA 3.0 §3.8, §8.3.2).
struct Batch: Sendable, BitwiseCopyable {
    /// Members processed so far, successful or not; the index of the current one.
    var completed: UInt32 = 0
    var count: UInt32 = 0
    /// Some member's status was not 0x01, here or, by the flag Batch Error, in an earlier part of the batch.
    var hasFailure = false
    /// The batch's own ``Engine/interrupt``.
    var interrupt: InterruptVector?
    /// The record of some member is in the event log: software writes it, at a time of its own.
    var hasRecordInLog = false
    /// The current member was fetched.
    var isMemberCurrent = false
}
