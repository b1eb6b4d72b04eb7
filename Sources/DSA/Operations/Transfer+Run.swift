import CKernels

extension Transfer {
    /// Carries `window` out. It depends on nothing but the window: the same function runs on the loop, on engine
    /// threads and in the tests.
    ///
    /// - Precondition: `resolve` returned `.ready` for `window`, and its pages are still mapped.
    public static func run(_ window: inout TransferWindow) {
        switch window.kind {
        case .noOp, .cacheFlush:
            // There is no cache to flush: translating was all.
            break
        case .memoryMove:
            if window.isBackward {
                unsafe runBackward(window) { source, destination, count in
                    unsafe ck_move(destination, source, count)
                }
            } else {
                unsafe runPairs(window) { source, destination, count, _ in
                    unsafe ck_move(destination, source, count)
                    return true
                }
            }
        case .fill:
            let (pattern, phase) = (window.pattern, window.phase)
            unsafe runPieces(window) { destination, count, offset in
                unsafe ck_fill(destination, count, pattern, phase &+ UInt64(truncatingIfNeeded: offset))
                return true
            }
        case .compare:
            var firstDifference: Int?
            unsafe runPairs(window) { left, right, count, offset in
                let equal = unsafe ck_first_difference(left, right, count)
                if equal < count { firstDifference = offset + equal }
                return equal == count
            }
            window.firstDifference = firstDifference
        case .comparePattern:
            let (pattern, phase) = (window.pattern, window.phase)
            var firstDifference: Int?
            unsafe runPieces(window) { source, count, offset in
                let start = phase &+ UInt64(truncatingIfNeeded: offset)
                let equal = unsafe ck_first_pattern_difference(source, count, pattern, start)
                if equal < count { firstDifference = offset + equal }
                return equal == count
            }
            window.firstDifference = firstDifference
        case .dualcast:
            runDualcast(window)
        case .crcGeneration:
            let flags = window.crcFlags
            var crc = window.crc
            unsafe runPieces(window) { source, count, _ in
                crc = unsafe ck_crc32c(crc, source, count, flags)
                return true
            }
            window.crc = crc
        case .copyWithCRC:
            let flags = window.crcFlags
            var crc = window.crc
            unsafe runPairs(window) { source, destination, count, _ in
                crc = unsafe ck_copy_crc32c(crc, destination, source, count, flags)
                return true
            }
            window.crc = crc
        }
    }

    /// Calls `body` with each piece of the only buffer, its size and its offset, until it returns `false`.
    @inline(__always)
    private static func runPieces(
        _ window: borrowing TransferWindow, _ body: (UnsafeMutableRawPointer, Int, Int) -> Bool
    ) {
        var cursor = unsafe window.cursor(0)
        var offset = 0
        while offset < window.byteCount {
            let count = unsafe min(cursor.byteCount, window.byteCount - offset)
            let bytes = unsafe cursor.take(count, more: offset + count < window.byteCount)
            guard unsafe body(bytes, count, offset) else { return }
            offset += count
        }
    }

    /// Calls `body` with each piece that is contiguous in both buffers, likewise.
    @inline(__always)
    private static func runPairs(
        _ window: borrowing TransferWindow,
        _ body: (UnsafeMutableRawPointer, UnsafeMutableRawPointer, Int, Int) -> Bool
    ) {
        var first = unsafe window.cursor(0)
        var second = unsafe window.cursor(1)
        var offset = 0
        while offset < window.byteCount {
            let count = unsafe min(first.byteCount, second.byteCount, window.byteCount - offset)
            let more = offset + count < window.byteCount
            let (left, right) = unsafe (first.take(count, more: more), second.take(count, more: more))
            guard unsafe body(left, right, count, offset) else { return }
            offset += count
        }
    }

    /// Calls `body` with each piece of source and destination from the end down.
    @inline(__always)
    private static func runBackward(
        _ window: borrowing TransferWindow, _ body: (UnsafeMutableRawPointer, UnsafeMutableRawPointer, Int) -> Void
    ) {
        var source = unsafe window.cursor(0)
        var destination = unsafe window.cursor(1)
        var left = window.byteCount
        while left > 0 {
            let count = unsafe min(source.byteCount, destination.byteCount, left)
            left -= count
            let (from, to) = unsafe (
                source.takeLast(count, more: left > 0), destination.takeLast(count, more: left > 0)
            )
            unsafe body(from, to, count)
        }
    }

    private static func runDualcast(_ window: borrowing TransferWindow) {
        var source = unsafe window.cursor(0)
        var first = unsafe window.cursor(1)
        var second = unsafe window.cursor(2)
        var left = window.byteCount
        while left > 0 {
            let count = unsafe min(source.byteCount, first.byteCount, second.byteCount, left)
            left -= count
            let from = unsafe source.take(count, more: left > 0)
            unsafe ck_dualcast(first.take(count, more: left > 0), second.take(count, more: left > 0), from, count)
        }
    }
}
