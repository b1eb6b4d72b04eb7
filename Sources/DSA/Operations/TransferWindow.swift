import DSASpec

/// The part of a ``Transfer`` that runs at a time: where its bytes lie in this process, and what the kernels need.
///
/// A window is filled by ``Transfer/resolve(into:iommu:memory:requester:pasid:privileged:)``, run, on any thread, by
/// ``Transfer/run(_:)``, and read by ``Transfer/absorb(_:)``. It is allocated once and used again for every window of
/// an engine.
@safe
public struct TransferWindow: ~Copyable, @unchecked Sendable {
    /// A window has at most this many bytes of each buffer, which bounds how long it runs: 64 pages.
    public static let byteCountMax: UInt64 = 64 * 4096

    private static let operandCountMax = 3
    /// A buffer that begins inside a page touches one page more.
    private static let segmentCountMax = 65

    /// Bytes of one buffer that are contiguous in this process.
    @unsafe
    struct Segment {
        var start: UnsafeMutableRawPointer
        var byteCount: Int
    }

    /// How the run of a window ended.
    enum Ending: Equatable, Sendable, BitwiseCopyable {
        /// All of its blocks are done.
        case complete
        /// Compare: the block after those that are done differs.
        case difference
        /// Create Delta Record: the entry of the next block does not fit into the record.
        case recordFull
        /// The next block needs more of the ``LooseBuffer`` than the window has.
        case needsBuffer
        /// The next block ends the operation with this status.
        case failed(CompletionStatus)
    }

    // The pointer is owned by this value, which cannot be copied: whoever holds the window is alone with it. That is
    // what makes it safe to send.
    private let segments: UnsafeMutablePointer<Segment>
    /// A page for what is written where nobody takes it.
    let sink: UnsafeMutableRawPointer
    private var segmentCounts = InlineArray<3, Int>(repeating: 0)

    var kind = OperationKind.noOp
    /// Segments are in descending order and run from their ends.
    var isBackward = false
    var strides = BlockStrides.bytes
    /// What the operation has come to before the window, and after it ran.
    var state = OperationState.none
    /// The number of the window's first block.
    var firstBlock = 0
    /// The bytes that the window has of each buffer.
    var byteCounts = InlineArray<3, Int>(repeating: 0)
    /// The blocks that are to run now.
    var blockCount = 0

    /// The blocks that ran.
    var blocksDone = 0
    var ending = Ending.complete

    /// An empty window with room for ``byteCountMax`` bytes of every buffer.
    public init() {
        let capacity = Self.operandCountMax * Self.segmentCountMax
        unsafe segments = .allocate(capacity: capacity)
        let nothing = unsafe Segment(start: UnsafeMutableRawPointer(segments), byteCount: 0)
        unsafe segments.initialize(repeating: nothing, count: capacity)
        unsafe sink = .allocate(byteCount: 4096, alignment: 64)
        unsafe sink.initializeMemory(as: UInt8.self, repeating: 0, count: 4096)
    }

    deinit {
        unsafe segments.deallocate()
        unsafe sink.deallocate()
    }
}

extension TransferWindow {
    /// Forgets all segments and takes over what `transfer` has come to.
    @inline(__always)
    mutating func begin(_ transfer: Transfer) {
        segmentCounts = InlineArray(repeating: 0)
        kind = transfer.kind
        isBackward = transfer.isBackward
        strides = transfer.strides
        state = transfer.state
        firstBlock = Int(transfer.blocksDone)
        byteCounts = InlineArray(repeating: 0)
        blocksDone = 0
        ending = .complete
    }

    /// Adds `byteCount` bytes at `start`, which follow (or, backward, precede) what `operand` has so far.
    @inline(__always)
    mutating func append(_ start: UnsafeMutableRawPointer, byteCount: Int, to operand: Int) {
        let count = segmentCounts[operand]
        let next = unsafe segments + operand * Self.segmentCountMax + count
        if count > 0 {
            let last = unsafe next - 1
            if isBackward {
                if unsafe start + byteCount == last.pointee.start {
                    unsafe last.pointee.start = start
                    unsafe last.pointee.byteCount += byteCount
                    return
                }
            } else if unsafe last.pointee.start + last.pointee.byteCount == start {
                unsafe last.pointee.byteCount += byteCount
                return
            }
        }
        precondition(count < Self.segmentCountMax, "a window has at most 64 pages and one")
        unsafe next.pointee = Segment(start: start, byteCount: byteCount)
        segmentCounts[operand] = count + 1
    }

    /// A cursor at the first byte of `operand`.
    @inline(__always)
    func cursor(_ operand: Int) -> SegmentCursor {
        unsafe SegmentCursor(segments + operand * Self.segmentCountMax, byteCount: byteCounts[operand])
    }

    /// A cursor at the end of `operand` in a backward window.
    @inline(__always)
    func descendingCursor(_ operand: Int) -> DescendingSegmentCursor {
        unsafe DescendingSegmentCursor(segments + operand * Self.segmentCountMax, byteCount: byteCounts[operand])
    }
}
