internal import GRDB

/// The extent of the event log, and the way from a time to a sequence.
///
/// Sequences have no gaps and effective time increases strictly with them, so the primary key is the index by time as
/// well: a binary search of some two dozen point look-ups finds a time among ten million events.
struct EventLog {
    /// From the oldest event kept to the newest.
    let sequences: ClosedRange<Int64>

    /// `nil` if there is no event.
    init?(_ db: Database) throws {
        guard
            let row = try Row.fetchOne(
                db, sql: "SELECT (SELECT min(sequence) FROM event), (SELECT max(sequence) FROM event)"),
            let first = row[0] as Int64?, let last = row[1] as Int64?
        else { return nil }
        sequences = first...last
    }

    /// The first sequence whose event happened at or after `time`; one past the newest if there is none.
    func firstSequence(atOrAfter time: HistoryTime, _ db: Database) throws -> Int64 {
        let statement = try db.cachedStatement(sql: "SELECT time FROM event WHERE sequence = ?")
        var low = sequences.lowerBound
        var high = sequences.upperBound + 1
        while low < high {
            let middle = low + (high - low) / 2
            guard let found = try Int64.fetchOne(statement, arguments: [middle]) else {
                throw SQLiteFailure(
                    code: ResultCode.SQLITE_CORRUPT.rawValue, message: "event \(middle) is missing from the log")
            }
            if found < time.nanoseconds {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return low
    }
}
