internal import CPlatform
internal import Glibc

/// A timer that a ``Poller`` can wait for (timerfd, CLOCK_MONOTONIC).
public struct DeadlineTimer: ~Copyable, Sendable {
    /// Readable when the timer has expired since ``takeExpirations()``.
    public let descriptor: OwnedFD

    /// A disarmed timer.
    public init() throws(SystemError) {
        let number = platform_timerfd()
        guard number >= 0 else { throw .last("timerfd_create") }
        descriptor = OwnedFD(adopting: number)
    }

    /// Expires once at a time of ``MonotonicClock``; at once when that is past.
    public func arm(at nanoseconds: UInt64) throws(SystemError) {
        // Zero would disarm.
        try set(first: max(nanoseconds, 1), interval: 0, absolute: true)
    }

    /// Expires every `nanoseconds`, first after that time. The period is at least 1 ns.
    public func arm(every nanoseconds: UInt64) throws(SystemError) {
        precondition(nanoseconds > 0, "a period is longer than nothing")
        try set(first: nanoseconds, interval: nanoseconds, absolute: false)
    }

    /// Does not expire any more.
    public func disarm() throws(SystemError) {
        try set(first: 0, interval: 0, absolute: false)
    }

    /// How often the timer has expired since the last call.
    public func takeExpirations() -> UInt64 {
        var count: UInt64 = 0
        let size = unsafe read(descriptor.rawValue, &count, MemoryLayout<UInt64>.size)
        return size == MemoryLayout<UInt64>.size ? count : 0
    }

    private func set(first: UInt64, interval: UInt64, absolute: Bool) throws(SystemError) {
        guard platform_timerfd_set(descriptor.rawValue, first, interval, absolute) == 0 else {
            throw .last("timerfd_settime")
        }
    }
}
