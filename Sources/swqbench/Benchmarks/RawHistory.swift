internal import CLoadGenerator

/// A history that SQLite writes with nothing above it.
@safe
final class RawHistory {
    private let history: OpaquePointer

    /// What the report calls it.
    static var name: String { unsafe "SQLite \(String(cString: bench_history_version())), the same rows" }

    /// - Parameters:
    ///   - path: A new database.
    ///   - model: The daemon's, whose tables and indexes it gets.
    init(path: String, model: String) throws(BenchError) {
        guard let history = unsafe bench_history_create(path, model) else { throw .ofLoadGenerator }
        unsafe self.history = history
    }

    deinit {
        unsafe bench_history_close(history)
    }

    /// Binds and unbinds, all of `waiters` in a transaction each.
    func pairsPerSecond(waiters: Int, nanoseconds: UInt64) throws(BenchError) -> Double {
        var pairs: UInt64 = 0
        var elapsed: UInt64 = 0
        try BenchError.check(unsafe bench_history_run(history, UInt32(waiters), nanoseconds, &pairs, &elapsed))
        return Double(pairs) / Double(elapsed) * 1e9
    }

    /// Events of a kind in a history.
    static func count(_ path: String, _ kind: String) throws(BenchError) -> Int64 {
        let count = unsafe bench_history_count(path, kind)
        guard count >= 0 else { throw .ofLoadGenerator }
        return count
    }

    /// Adds ended bindings to the history of a daemon that ran once and is not running.
    static func fill(_ path: String, bindings: UInt64) throws(BenchError) {
        try BenchError.check(unsafe bench_history_fill(path, bindings))
    }
}
