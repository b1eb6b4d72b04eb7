internal import Glibc

/// A value that several threads use, one at a time (a pthread mutex).
///
/// `Synchronization.Mutex` would do the same, but its futex calls are invisible to the thread sanitizer, which then
/// reports every access it protects.
@safe
public final class Guarded<Value>: @unchecked Sendable {
    // @unchecked: `value` is reached under `mutex` only.

    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private var value: Value

    /// Guards `value`.
    public init(_ value: sending Value) {
        self.value = value
        unsafe mutex = .allocate(capacity: 1)
        unsafe mutex.initialize(to: pthread_mutex_t())
        let result = unsafe pthread_mutex_init(mutex, nil)
        precondition(result == 0, "a default mutex can be made")
    }

    deinit {
        _ = unsafe pthread_mutex_destroy(mutex)
        unsafe mutex.deallocate()
    }

    /// Calls `body` with the value while no other thread has it. Keep it short: others wait.
    public func withLock<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        return try body(&value)
    }
}
