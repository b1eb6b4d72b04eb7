internal import Glibc

/// Time since boot. It never steps back, and it stands still while the machine sleeps (CLOCK_MONOTONIC).
public enum MonotonicClock {
    /// Nanoseconds since an arbitrary origin.
    public static func nanoseconds() -> UInt64 {
        UInt64(read(CLOCK_MONOTONIC))
    }
}

/// Civil time. It can step in both directions (CLOCK_REALTIME).
public enum WallClock {
    /// Nanoseconds since 1970-01-01 00:00:00 UTC, without leap seconds; good until 2262.
    public static func nanoseconds() -> Int64 {
        read(CLOCK_REALTIME)
    }
}

private func read(_ clock: clockid_t) -> Int64 {
    var time = timespec()
    let result = unsafe clock_gettime(clock, &time)
    precondition(result == 0, "every Linux has these clocks")
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
}
