internal import GRDB

/// The IOASIDs that a run of the daemon has allocated and not freed.
enum OpenAllocations {
    /// Arguments: `first`, the sequence of the run's first event. For each IOASID that the log knows a step in
    /// `event_ioasid`, and one to its newest `alloc` or `free`.
    static let allSQL = """
        WITH RECURSIVE known(known_ioasid) AS (
            SELECT min(ioasid) FROM event
            UNION ALL
            SELECT (SELECT min(ioasid) FROM event WHERE ioasid > known_ioasid)
            FROM known WHERE known_ioasid IS NOT NULL)
        SELECT sequence FROM known CROSS JOIN event
        WHERE sequence = (
            SELECT sequence FROM event
            WHERE ioasid = known_ioasid AND sequence >= :first AND (kind = 'alloc' OR kind = 'free')
            ORDER BY sequence DESC LIMIT 1)
            AND kind = 'alloc'
        ORDER BY sequence
        """

    /// Ends every allocation of a run with a `free` event, in the order they were made. Call inside a transaction, once
    /// nothing is bound any more.
    ///
    /// - Parameters:
    ///   - start: when the run began.
    ///   - cause: `daemonStop` or `daemonRestart`.
    ///   - lastSequence: the newest sequence of the log; advanced over the events written.
    ///   - run: the run that writes.
    static func freeAll(
        _ db: Database, since start: HistoryTime, cause: HistoryCause, wall: HistoryTime, clock: inout HistoryClock,
        lastSequence: inout Int64, run: Int64
    ) throws {
        guard let log = try EventLog(db) else { return }
        let first = try log.firstSequence(atOrAfter: start, db)
        let allocations = try Int64.fetchAll(db, sql: allSQL, arguments: ["first": first])
        let insert = try db.makeStatement(
            sql: """
                INSERT INTO event (
                    sequence, time, wall_time, kind, cause, ioasid, ioasid_set, vm, process, uid, pid, connection,
                    daemon_run)
                SELECT
                    :sequence, :time, :wall, 'free', :cause, ioasid, ioasid_set, vm, process, uid, pid, connection, :run
                FROM event WHERE sequence = :allocation
                """)
        for allocation in allocations {
            lastSequence += 1
            try insert.execute(arguments: [
                "sequence": lastSequence, "time": clock.stamp(wall).nanoseconds, "wall": wall.nanoseconds,
                "cause": cause.rawValue, "run": run, "allocation": allocation,
            ])
        }
    }
}
