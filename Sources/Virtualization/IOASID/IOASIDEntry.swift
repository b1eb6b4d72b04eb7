import PCIe

/// One IOASID in the space's table. 40 bytes; all zeros is a free one.
struct IOASIDEntry: Sendable, BitwiseCopyable {
    /// How far an attachment of a guest PASID has come.
    ///
    ///     none ── beginAttach ──> attaching ── commitAttach ──> attached ── beginDetach ──> detaching ──> none
    ///      ^─────────────────── abortAttach ──┘                                           finishDetach
    enum Binding: UInt8, Sendable, BitwiseCopyable {
        case none = 0
        case attaching
        case attached
        case detaching
    }

    /// Which begin or detach the binding is in; the space counts them. What went before cannot be taken for it.
    var bindingSerial: UInt64 = 0
    var data: UInt64 = 0
    /// 0 exactly when the IOASID is free.
    var referenceCount: UInt32 = 0
    /// The slot of its set.
    var set: UInt32 = 0
    /// Its neighbours in the list of the set's members; 0 at the ends.
    var previous: UInt32 = 0
    var next: UInt32 = 0
    /// Of meaning unless `binding` is `none`.
    var spid: UInt32 = 0
    var binding: Binding = .none
    var isFreePending = false
    var hasData = false

    var state: IOASIDState {
        if referenceCount == 0 { return .free }
        if isFreePending { return .freePending }
        return referenceCount > 1 || binding != .none ? .active : .idle
    }

    var boundSPID: GuestPASID? { binding == .none ? nil : GuestPASID(truncating: spid) }
}

/// All IOASIDs, indexed by number, in chunks that exist only while they have allocated entries.
///
/// A chunk that has emptied is kept while it is the one last allocated from: a client that allocates and frees one
/// IOASID over and over pays for a new chunk once in 1024 times.
struct IOASIDTable: Sendable {
    private var chunks: ContiguousArray<ContiguousArray<IOASIDEntry>>
    private var populations: ContiguousArray<UInt16>
    private var currentChunk = 0

    static let chunkCapacity = 1024

    init(capacity: Int) {
        let chunkCount = (capacity + Self.chunkCapacity - 1) / Self.chunkCapacity
        chunks = ContiguousArray(repeating: [], count: chunkCount)
        populations = ContiguousArray(repeating: 0, count: chunkCount)
    }

    /// The entry of an IOASID in an existing chunk. Reading and writing happen in place.
    subscript(id: UInt32) -> IOASIDEntry {
        get { chunks[Int(id >> 10)][Int(id & 1023)] }
        _modify { yield &chunks[Int(id >> 10)][Int(id & 1023)] }
    }

    func isAllocated(_ id: UInt32) -> Bool {
        let chunk = Int(id >> 10)
        guard chunk < chunks.count, populations[chunk] > 0 else { return false }
        return chunks[chunk][Int(id & 1023)].referenceCount > 0
    }

    mutating func allocate(_ id: UInt32, _ entry: IOASIDEntry) {
        let chunk = Int(id >> 10)
        if chunk != currentChunk {
            if populations[currentChunk] == 0 { chunks[currentChunk] = [] }
            currentChunk = chunk
        }
        if chunks[chunk].isEmpty {
            chunks[chunk] = ContiguousArray(repeating: IOASIDEntry(), count: Self.chunkCapacity)
        }
        chunks[chunk][Int(id & 1023)] = entry
        populations[chunk] += 1
    }

    mutating func reclaim(_ id: UInt32) {
        let chunk = Int(id >> 10)
        chunks[chunk][Int(id & 1023)] = IOASIDEntry()
        populations[chunk] -= 1
        if populations[chunk] == 0, chunk != currentChunk { chunks[chunk] = [] }
    }
}
