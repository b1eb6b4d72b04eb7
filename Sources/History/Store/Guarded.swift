internal import Foundation

/// A value that is reached under its lock only.
///
/// `Synchronization.Mutex` would do, were it visible to the thread sanitizer on Linux, which reports every access
/// under it as a race.
final class Guarded<Value>: @unchecked Sendable {
    // Protected by `lock`.
    private var value: Value
    private let lock = NSLock()

    init(_ value: sending Value) {
        self.value = value
    }

    /// Runs `body` alone. It must not come back to this lock.
    func withLock<Result: Sendable, Failure: Error>(
        _ body: (inout Value) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        lock.lock()
        defer { lock.unlock() }
        return try body(&value)
    }
}
