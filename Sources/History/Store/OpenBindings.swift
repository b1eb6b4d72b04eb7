internal import GRDB

/// The bindings that are open, all at once: found by the partial index `binding_open`, however long the history is.
enum OpenBindings {
    static let allSQL = "SELECT ioasid, bound_sequence FROM binding WHERE unbound_sequence IS NULL"

    /// The open intervals: IOASID to the sequence of its bind.
    static func all(_ db: Database) throws -> [UInt32: Int64] {
        var open: [UInt32: Int64] = [:]
        let rows = try Row.fetchCursor(db, sql: allSQL)
        while let row = try rows.next() {
            open[row[0]] = row[1]
        }
        return open
    }

    static func count(_ db: Database) throws -> Int64 {
        try Int64.fetchOne(db, sql: "SELECT count(*) FROM binding WHERE unbound_sequence IS NULL") ?? 0
    }

    /// Ends every open binding with an `unbind` event, in the order they were bound. Call inside a transaction.
    ///
    /// - Parameters:
    ///   - cause: `daemonStop` or `daemonRestart`.
    ///   - lastSequence: the newest sequence of the log; advanced over the events written.
    ///   - lastAlive: for `daemonRestart`, since when it is unknown whether the bindings held.
    ///   - run: the run that writes.
    /// - Returns: how many there were.
    static func closeAll(
        _ db: Database, cause: HistoryCause, wall: HistoryTime, clock: inout HistoryClock, lastSequence: inout Int64,
        lastAlive: HistoryTime?, run: Int64
    ) throws -> Int64 {
        let count = try count(db)
        guard count > 0 else { return 0 }
        let firstTime = clock.stamp(count, at: wall)
        try db.execute(
            sql: """
                INSERT INTO event (
                    sequence, time, wall_time, kind, cause, ioasid, guest_pasid, ioasid_set, vm, device_rid, process,
                    uid, pid, connection, bound_sequence, daemon_run)
                SELECT
                    :lastSequence + position, :firstTime + position - 1, :wall, 'unbind', :cause, ioasid, guest_pasid,
                    ioasid_set, vm, device_rid, process, uid, pid, connection, bound_sequence, :run
                FROM (
                    SELECT *, row_number() OVER (ORDER BY bound_sequence) AS position
                    FROM binding WHERE unbound_sequence IS NULL)
                """,
            arguments: [
                "lastSequence": lastSequence, "firstTime": firstTime.nanoseconds, "wall": wall.nanoseconds,
                "cause": cause.rawValue, "run": run,
            ])
        try db.execute(
            sql: """
                UPDATE binding SET
                    unbound_sequence = event.sequence, unbound_time = event.time,
                    unbound_wall_time = event.wall_time, unbind_cause = event.cause, last_alive_time = :lastAlive
                FROM event
                WHERE event.sequence > :lastSequence AND binding.bound_sequence = event.bound_sequence
                """,
            arguments: ["lastAlive": lastAlive?.nanoseconds, "lastSequence": lastSequence])
        lastSequence += count
        return count
    }
}
