/// The part of a ``Transfer`` that runs at a time: where its bytes lie in this process, and what the kernels need.
///
/// A window is filled by ``Transfer/resolve(into:iommu:memory:requester:pasid:privileged:)``, run, on any thread, by
/// ``Transfer/run(_:)``, and read by ``Transfer/absorb(_:)``. It is allocated once and used again for every window of
/// an engine.
@safe
public struct TransferWindow: ~Copyable, @unchecked Sendable {
    /// A window covers at most this many bytes of each buffer, which bounds how long it runs: 64 pages.
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

    // The pointer is owned by this value, which cannot be copied: whoever holds the window is alone with it. That is
    // what makes it safe to send.
    private let segments: UnsafeMutablePointer<Segment>
    private var segmentCounts = InlineArray<3, Int>(repeating: 0)

    var kind = OperationKind.noOp
    /// Segments are in descending order and run from their ends.
    var isBackward = false
    /// `CK_CRC_` flags.
    var crcFlags: UInt32 = 0
    /// Continues from the seed, or from the window before.
    var crc: UInt32 = 0
    var pattern: UInt64 = 0
    /// Where in the pattern the window begins.
    var phase: UInt64 = 0
    /// The bytes of each buffer that run now.
    var byteCount = 0
    /// Compare: the offset of the first difference in the window, `nil` when there is none.
    var firstDifference: Int?

    /// An empty window with room for ``byteCountMax`` bytes of every buffer.
    public init() {
        unsafe segments = .allocate(capacity: Self.operandCountMax * Self.segmentCountMax)
    }

    deinit {
        unsafe segments.deallocate()
    }
}

extension TransferWindow {
    @inline(__always)
    mutating func removeSegments() {
        segmentCounts = InlineArray(repeating: 0)
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
        unsafe next.initialize(to: Segment(start: start, byteCount: byteCount))
        segmentCounts[operand] = count + 1
    }

    /// A cursor at the first byte, or, backward, at the end, of `operand`.
    @inline(__always)
    func cursor(_ operand: Int) -> SegmentCursor {
        unsafe SegmentCursor(segments + operand * Self.segmentCountMax)
    }
}

/// Walks one buffer's segments piece by piece.
///
/// It never looks past the segments as long as no more than the window's byte count is taken.
@unsafe
struct SegmentCursor {
    private var segment: UnsafeMutablePointer<TransferWindow.Segment>
    private var start: UnsafeMutableRawPointer
    private(set) var byteCount: Int

    @inline(__always)
    init(_ first: UnsafeMutablePointer<TransferWindow.Segment>) {
        unsafe segment = first
        unsafe start = unsafe first.pointee.start
        unsafe byteCount = unsafe first.pointee.byteCount
    }

    /// Takes the next `count` bytes of the current segment; `more` says whether any byte follows.
    @inline(__always)
    mutating func take(_ count: Int, more: Bool) -> UnsafeMutableRawPointer {
        let taken = unsafe start
        unsafe start += count
        unsafe byteCount -= count
        unsafe refill(more)
        return unsafe taken
    }

    /// Takes the last `count` bytes of the current segment, likewise.
    @inline(__always)
    mutating func takeLast(_ count: Int, more: Bool) -> UnsafeMutableRawPointer {
        unsafe byteCount -= count
        let taken = unsafe start + byteCount
        unsafe refill(more)
        return unsafe taken
    }

    @inline(__always)
    private mutating func refill(_ more: Bool) {
        guard unsafe byteCount == 0, more else { return }
        unsafe segment += 1
        unsafe start = unsafe segment.pointee.start
        unsafe byteCount = unsafe segment.pointee.byteCount
    }
}
