internal import GRDB

/// The state in which the log stands between two transactions.
struct LogPosition {
    /// This run's row in `daemon_run`.
    let run: Int64
    /// The newest event's sequence; 0 before the first.
    var lastSequence: Int64
    var clock: HistoryClock
}

/// What opening the history found and did.
package struct HistoryOpening: Hashable, Sendable {
    /// This run's row in `daemon_run`.
    package let run: Int64
    /// `PRAGMA synchronous` as read back from the writing connection.
    package let synchronous: Int
    /// How many bindings the last run left open; they were closed with cause `daemonRestart`.
    package let recoveredBindings: Int64
    /// If the last run did not stop cleanly: since when nothing is known of it, and the restart.
    package let gap: HistoryGap?
}

/// A time in which the daemon was dead without having stopped: after `lastAlive` and before `restart`.
package struct HistoryGap: Hashable, Sendable {
    package let lastAlive: HistoryTime
    package let restart: HistoryTime

    package func contains(_ time: HistoryTime) -> Bool {
        lastAlive < time && time < restart
    }
}

/// Begins and ends runs of the daemon.
enum DaemonRuns {
    /// Ends what a crashed run left bound and allocated and begins a run, in one transaction.
    static func begin(
        _ db: Database, wall: HistoryTime, durability: DurabilityMode
    ) throws -> (position: LogPosition, recoveredBindings: Int64, gap: HistoryGap?) {
        let newest = try Row.fetchOne(db, sql: "SELECT sequence, time FROM event ORDER BY sequence DESC LIMIT 1")
        let last = try Row.fetchOne(
            db,
            sql: "SELECT id, last_alive_time, clean_stop_time, start_time FROM daemon_run ORDER BY id DESC LIMIT 1")
        let lastAlive = [
            newest.map { $0[1] as Int64 }, last.map { $0[1] as Int64 }, last.map { $0[3] as Int64 },
        ].compactMap { $0 }.max()

        var position = LogPosition(
            run: (last?[0] ?? 0) + 1, lastSequence: newest?[0] ?? 0,
            clock: HistoryClock(latest: HistoryTime(nanoseconds: lastAlive ?? .min)))
        var recovered: Int64 = 0
        var gap: HistoryGap?
        try db.inTransaction(.immediate) {
            let crashed = lastAlive.map { HistoryTime(nanoseconds: $0) }
            recovered = try OpenBindings.closeAll(
                db, cause: .daemonRestart, wall: wall, clock: &position.clock, lastSequence: &position.lastSequence,
                lastAlive: crashed, run: position.run)
            if let last, last[2] as Int64? == nil {
                try OpenAllocations.freeAll(
                    db, since: HistoryTime(nanoseconds: last[3]), cause: .daemonRestart, wall: wall,
                    clock: &position.clock, lastSequence: &position.lastSequence, run: position.run)
            }
            let start = position.clock.stamp(wall)
            if let last, let crashed, last[2] as Int64? == nil {
                gap = HistoryGap(lastAlive: crashed, restart: start)
                try db.execute(
                    sql: "UPDATE daemon_run SET last_alive_time = ?, restart_time = ? WHERE id = ?",
                    arguments: [crashed.nanoseconds, start.nanoseconds, last[0] as Int64])
            }
            try db.execute(
                sql: "INSERT INTO daemon_run (id, start_time, durability, last_alive_time) VALUES (?, ?, ?, ?)",
                arguments: [position.run, start.nanoseconds, durability.rawValue, start.nanoseconds])
            return .commit
        }
        return (position, recovered, gap)
    }

    /// Unbinds and frees what is left, with cause `daemonStop`, and marks the run as stopped, in one transaction.
    static func end(_ db: Database, wall: HistoryTime, position: inout LogPosition) throws {
        var ended = position
        try db.inTransaction(.immediate) {
            _ = try OpenBindings.closeAll(
                db, cause: .daemonStop, wall: wall, clock: &ended.clock, lastSequence: &ended.lastSequence,
                lastAlive: nil, run: ended.run)
            let start = try Int64.fetchOne(
                db, sql: "SELECT start_time FROM daemon_run WHERE id = ?", arguments: [ended.run])
            if let start {
                try OpenAllocations.freeAll(
                    db, since: HistoryTime(nanoseconds: start), cause: .daemonStop, wall: wall, clock: &ended.clock,
                    lastSequence: &ended.lastSequence, run: ended.run)
            }
            let stop = ended.clock.observe(wall)
            try db.execute(
                sql: "UPDATE daemon_run SET last_alive_time = ?, clean_stop_time = ? WHERE id = ?",
                arguments: [stop.nanoseconds, stop.nanoseconds, ended.run])
            return .commit
        }
        position = ended
    }
}
