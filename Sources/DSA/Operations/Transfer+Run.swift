import CKernels

extension Transfer {
    /// Carries `window` out. It depends on nothing but the window: the same function runs on the loop, on engine
    /// threads and in the tests.
    ///
    /// - Precondition: `resolve` returned `.ready` for `window`, and its pages are still mapped.
    public static func run(_ window: inout TransferWindow) {
        window.blocksDone = window.blockCount
        switch window.state {
        case .none: runPlain(&window)
        case .pattern(let pattern): runPattern(&window, pattern)
        case .crc(let crc): runCRC(&window, crc)
        case .createDelta(let creation): runCreateDelta(&window, creation)
        case .applyDelta(let application): runApplyDelta(&window, application)
        case .dif(let dif): runDIF(&window, dif)
        }
    }

    /// The operations without state: moves, Compare, and those to which translating was all.
    private static func runPlain(_ window: inout TransferWindow) {
        switch window.kind {
        case .memoryMove where window.isBackward:
            runBackward(window)
        case .memoryMove:
            unsafe runPairs(window) { source, destination, count, _ in
                unsafe ck_move(destination, source, count)
                return true
            }
        case .dualcast:
            runDualcast(window)
        case .compare:
            var equalCount = 0
            unsafe runPairs(window) { left, right, count, offset in
                let equal = unsafe ck_first_difference(left, right, count)
                equalCount = offset + equal
                return equal == count
            }
            window.endComparison(equalCount)
        default:
            break
        }
    }

    private static func runPattern(_ window: inout TransferWindow, _ pattern: FillPattern) {
        let phase = window.firstBlock
        if window.kind == .fill {
            unsafe runPieces(window) { destination, count, offset in
                unsafe pattern.fill(destination, count, phase: phase + offset)
                return true
            }
            return
        }
        var equalCount = 0
        unsafe runPieces(window) { source, count, offset in
            let start = UInt64(truncatingIfNeeded: phase + offset)
            let equal = unsafe ck_first_pattern_difference(source, count, pattern.low, start)
            equalCount = offset + equal
            return equal == count
        }
        window.endComparison(equalCount)
    }

    private static func runCRC(_ window: inout TransferWindow, _ progress: CRCProgress) {
        var crc = progress
        if window.kind == .copyWithCRC {
            unsafe runPairs(window) { source, destination, count, _ in
                unsafe crc.copy(source, to: destination, count)
                return true
            }
        } else {
            unsafe runPieces(window) { source, count, _ in
                unsafe crc.update(source, count)
                return true
            }
        }
        window.state = .crc(crc)
    }

    /// Calls `body` with each piece of the only buffer, its size and its offset, until it returns `false`.
    @inline(__always)
    private static func runPieces(
        _ window: borrowing TransferWindow, _ body: (UnsafeMutableRawPointer, Int, Int) -> Bool
    ) {
        var cursor = unsafe window.cursor(0)
        var offset = 0
        while unsafe cursor.remaining > 0 {
            let count = unsafe cursor.byteCount
            guard unsafe body(cursor.take(count), count, offset) else { return }
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
        while unsafe first.remaining > 0 {
            let count = unsafe min(first.byteCount, second.byteCount)
            guard unsafe body(first.take(count), second.take(count), count, offset) else { return }
            offset += count
        }
    }

    /// Moves each piece of source and destination from the end down.
    private static func runBackward(_ window: borrowing TransferWindow) {
        var source = unsafe window.descendingCursor(0)
        var destination = unsafe window.descendingCursor(1)
        var left = window.byteCounts[0]
        while left > 0 {
            let count = unsafe min(source.byteCount, destination.byteCount)
            unsafe ck_move(destination.take(count), source.take(count), count)
            left -= count
        }
    }

    private static func runDualcast(_ window: borrowing TransferWindow) {
        var source = unsafe window.cursor(0)
        var first = unsafe window.cursor(1)
        var second = unsafe window.cursor(2)
        while unsafe source.remaining > 0 {
            let count = unsafe min(source.byteCount, first.byteCount, second.byteCount)
            unsafe ck_dualcast(first.take(count), second.take(count), source.take(count), count)
        }
    }
}

extension TransferWindow {
    /// Ends a comparison of which `equalCount` bytes are equal.
    fileprivate mutating func endComparison(_ equalCount: Int) {
        guard equalCount < blockCount else { return }
        blocksDone = equalCount
        ending = .difference
    }
}
