internal import GRDB

/// How much history is kept. What is older or in excess is removed at the next heartbeat, oldest first.
///
/// Bindings go with the event that ended them, so an open binding is never removed, and an as-of query before the
/// oldest event kept answers `expired` unless a binding that is still there covers it. The newest event always stays:
/// it carries the sequence. Space in the file is reused, not returned.
package struct RetentionPolicy: Hashable, Sendable {
    /// Events older than this are removed, in nanoseconds; `nil` keeps them. Not negative.
    package var ageMaxNanoseconds: Int64?
    /// Events beyond this number are removed; `nil` keeps them. At least 1.
    package var eventsMax: Int64?

    /// - Precondition: values in range.
    package init(ageMaxNanoseconds: Int64? = nil, eventsMax: Int64? = nil) {
        precondition(ageMaxNanoseconds.map { $0 >= 0 } ?? true, "a negative age")
        precondition(eventsMax.map { $0 >= 1 } ?? true, "the newest event is always kept")
        self.ageMaxNanoseconds = ageMaxNanoseconds
        self.eventsMax = eventsMax
    }
}

/// Removes old history in slices, so that no event waits longer than one slice takes.
enum Retention {
    /// Events removed by one transaction at most.
    static let sliceEvents: Int64 = 1000

    struct Removed {
        var events: UInt64 = 0
        var bindings: UInt64 = 0
    }

    /// The first sequence to keep under `policy` at effective time `now`; `nil` if nothing is to be removed.
    static func firstKept(_ db: Database, policy: RetentionPolicy, now: HistoryTime) throws -> Int64? {
        guard let log = try EventLog(db) else { return nil }
        var first = log.sequences.lowerBound
        if let eventsMax = policy.eventsMax {
            first = max(first, log.sequences.upperBound - eventsMax + 1)
        }
        if let age = policy.ageMaxNanoseconds {
            first = max(first, try log.firstSequence(atOrAfter: now.advanced(byNanoseconds: -age), db))
        }
        first = min(first, log.sequences.upperBound)
        return first > log.sequences.lowerBound ? first : nil
    }

    /// Removes at most one slice of the events before `firstKept`, the bindings they ended, and runs that ended
    /// before all that is left, in one transaction.
    static func removeSlice(_ db: Database, before firstKept: Int64) throws -> Removed {
        var removed = Removed()
        try db.inTransaction(.immediate) {
            guard let log = try EventLog(db) else { return .rollback }
            let end = min(firstKept, log.sequences.lowerBound + sliceEvents)
            try db.execute(
                sql: """
                    DELETE FROM binding WHERE bound_sequence IN (
                        SELECT bound_sequence FROM event WHERE sequence < ? AND bound_sequence IS NOT NULL)
                    """,
                arguments: [end])
            removed.bindings = UInt64(db.changesCount)
            try db.execute(sql: "DELETE FROM event WHERE sequence < ?", arguments: [end])
            removed.events = UInt64(db.changesCount)
            // The run before that of the oldest event stays: the oldest event may be one that closed, at the restart,
            // what that run had left open, and so lie in the gap that only that run's row tells of.
            try db.execute(
                sql: """
                    DELETE FROM daemon_run
                    WHERE id < (SELECT daemon_run FROM event ORDER BY sequence LIMIT 1) - 1
                    """)
            return .commit
        }
        return removed
    }
}
