internal import IDXD
internal import Machine
internal import PCIe

/// An open file of a device node, as the connection that opened it has it.
final class WorkQueueFile {
    /// What may still refer to it: a descriptor, a mapping. It is released with the last.
    enum Phase {
        case open
        /// `close-wq` left the mapping.
        case mapped
        case releasing
    }

    /// The K of `fileK`.
    let number: Int
    let workQueue: WorkQueueID
    let session: Session.ID
    let space: ClientSpace
    /// Where the portal is mapped.
    let portal: UInt64
    var phase = Phase.open

    init(number: Int, workQueue: WorkQueueID, session: Session.ID, space: ClientSpace, portal: UInt64) {
        self.number = number
        self.workQueue = workQueue
        self.session = session
        self.space = space
        self.portal = portal
    }
}

/// How the files of a process share its PASID on a device.
struct FileBinding {
    /// Files that use it.
    var count: Int
    /// A file bound it, so that the last one unbinds it; otherwise `bind-process` has.
    let isOwned: Bool
}

/// The opens and closes of one process, one after the other: they change its bindings.
struct FileQueue {
    var isBusy = false
    var waiting: [() -> Void] = []
}
