/// Turns wall-clock readings, which may step back, into the effective time that orders the history.
///
/// An event's effective time is its wall time, or one nanosecond after the latest effective time if the wall clock is
/// not past that. So effective times increase strictly with the sequence, over restarts too: a clock that steps back
/// reorders nothing, no interval is empty or negative, an instant has one answer, and an answer about the past never
/// changes. The price: after a step back, effective time stands still, but for those nanoseconds, until the wall
/// clock has caught up. The reading itself is kept beside it (`wall_time`).
struct HistoryClock {
    /// The latest effective time given out.
    private(set) var latest: HistoryTime

    /// The effective time of an event that happens at `wall`.
    mutating func stamp(_ wall: HistoryTime) -> HistoryTime {
        latest = max(latest.advanced(byNanoseconds: 1), wall)
        return latest
    }

    /// The effective time of a heartbeat at `wall`, which is not an event and may share a time with one before it.
    mutating func observe(_ wall: HistoryTime) -> HistoryTime {
        latest = max(latest, wall)
        return latest
    }

    /// Stamps `count` events at `wall` that are written by one statement, each a nanosecond after the other.
    /// - Returns: the effective time of the first.
    mutating func stamp(_ count: Int64, at wall: HistoryTime) -> HistoryTime {
        let first = stamp(wall)
        latest = first.advanced(byNanoseconds: max(count, 1) - 1)
        return first
    }
}
