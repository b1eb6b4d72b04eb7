/// Walks the bytes of one buffer in a window, from the first, piece by piece.
///
/// A piece is contiguous in this process. The cursor never looks past the bytes that the window has of the buffer.
@unsafe
struct SegmentCursor {
    private var segment: UnsafePointer<TransferWindow.Segment>
    /// The next byte. Meaningless when nothing is left.
    private(set) var position: UnsafeMutableRawPointer
    /// Bytes from ``position`` on that are contiguous; 0 only when nothing is left.
    private(set) var byteCount: Int
    /// Bytes that are left.
    private(set) var remaining: Int

    @inline(__always)
    init(_ first: UnsafePointer<TransferWindow.Segment>, byteCount total: Int) {
        unsafe segment = first
        unsafe position = unsafe first.pointee.start
        unsafe byteCount = unsafe min(first.pointee.byteCount, total)
        unsafe remaining = total
    }

    /// Takes the next `count` bytes of the piece at hand.
    @inline(__always)
    mutating func take(_ count: Int) -> UnsafeMutableRawPointer {
        let taken = unsafe position
        unsafe position += count
        unsafe byteCount -= count
        unsafe remaining -= count
        if unsafe byteCount == 0, unsafe remaining > 0 {
            unsafe segment += 1
            unsafe position = unsafe segment.pointee.start
            unsafe byteCount = unsafe min(segment.pointee.byteCount, remaining)
        }
        return unsafe taken
    }

    /// Copies the next `count` bytes, which may lie in several pieces, to `destination`.
    mutating func read(_ count: Int, into destination: UnsafeMutableRawPointer) {
        var done = 0
        while done < count {
            let piece = unsafe min(byteCount, count - done)
            unsafe (destination + done).copyMemory(from: take(piece), byteCount: piece)
            done += piece
        }
    }

    /// Replaces the next `count` bytes, which may lie in several pieces, by those at `source`.
    mutating func write(_ count: Int, from source: UnsafeRawPointer) {
        var done = 0
        while done < count {
            let piece = unsafe min(byteCount, count - done)
            unsafe take(piece).copyMemory(from: source + done, byteCount: piece)
            done += piece
        }
    }

    /// Passes over the next `count` bytes.
    mutating func skip(_ count: Int) {
        var left = count
        while left > 0 {
            let piece = unsafe min(byteCount, left)
            _ = unsafe take(piece)
            left -= piece
        }
    }
}

/// Walks the bytes of one buffer in a backward window, from the last.
@unsafe
struct DescendingSegmentCursor {
    private var segment: UnsafePointer<TransferWindow.Segment>
    /// The byte after the next one.
    private var end: UnsafeMutableRawPointer
    /// Bytes before ``end`` that are contiguous; 0 only when nothing is left.
    private(set) var byteCount: Int
    private var remaining: Int

    @inline(__always)
    init(_ first: UnsafePointer<TransferWindow.Segment>, byteCount total: Int) {
        unsafe segment = first
        unsafe end = unsafe first.pointee.start + first.pointee.byteCount
        unsafe byteCount = unsafe min(first.pointee.byteCount, total)
        unsafe remaining = total
    }

    /// Takes the last `count` bytes of the piece at hand.
    @inline(__always)
    mutating func take(_ count: Int) -> UnsafeMutableRawPointer {
        unsafe end -= count
        unsafe byteCount -= count
        unsafe remaining -= count
        let taken = unsafe end
        if unsafe byteCount == 0, unsafe remaining > 0 {
            unsafe segment += 1
            unsafe end = unsafe segment.pointee.start + segment.pointee.byteCount
            unsafe byteCount = unsafe min(segment.pointee.byteCount, remaining)
        }
        return unsafe taken
    }
}
