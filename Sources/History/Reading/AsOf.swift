internal import GRDB

/// As-of queries: who held what at a time.
///
/// Intervals of one IOASID do not overlap, so only the newest bind at or before the time can cover it: it is found by
/// one step in the index, and then its end is tested. (A search for intervals that contain the time would walk over
/// all that ended before it.)
enum AsOf {
    /// Arguments: IOASID, time.
    static let ownershipSQL = """
        SELECT \(Columns.binding) FROM binding WHERE bound_sequence = (
            SELECT bound_sequence FROM binding WHERE ioasid = ? AND bound_time <= ? ORDER BY bound_time DESC LIMIT 1)
        """

    /// Argument: time. The run of the daemon that had begun last.
    private static let runSQL =
        "SELECT \(Columns.daemonRun) FROM daemon_run WHERE start_time <= ? ORDER BY start_time DESC LIMIT 1"

    /// Arguments by name: `holder` (a value of `column`), `after` (an IOASID), `time`, `limit`.
    static func holdingsSQL(column: String) -> String {
        """
        WITH RECURSIVE held(held_ioasid) AS (
            SELECT min(ioasid) FROM binding WHERE \(column) = :holder AND ioasid > :after
            UNION ALL
            SELECT (SELECT min(ioasid) FROM binding WHERE \(column) = :holder AND ioasid > held_ioasid)
            FROM held WHERE held_ioasid IS NOT NULL)
        SELECT \(Columns.binding) FROM held CROSS JOIN binding
        WHERE bound_sequence = (
            SELECT bound_sequence FROM binding
            WHERE \(column) = :holder AND ioasid = held_ioasid AND bound_time <= :time
            ORDER BY bound_time DESC LIMIT 1)
            AND (unbound_time IS NULL OR unbound_time > :time)
        LIMIT :limit
        """
    }

    static func ownership(_ db: Database, ioasid: UInt32, at time: HistoryTime) throws -> HistoryOwnership {
        let row = try Row.fetchOne(
            db.cachedStatement(sql: ownershipSQL), arguments: [ioasid, time.nanoseconds])
        if let binding = try row.map(BindingRow.init) {
            if let gap = binding.gap, gap.contains(time) { return .unknown(gap, candidate: binding) }
            if binding.unbound.map({ time < $0.time }) ?? true { return .bound(binding) }
        }
        if let horizon = try horizon(db), time < horizon { return .expired(before: horizon) }
        if let (gap, durability) = try gap(db, around: time), durability != .full {
            return .unknown(gap, candidate: nil)
        }
        return .unbound
    }

    /// One page of `limit` bindings with an IOASID above `after`: for each IOASID the holder ever had, a step in its
    /// index, then one step as in ``ownership(_:ioasid:at:)``.
    static func holdings(
        _ db: Database, of holder: HistoryHolder, at time: HistoryTime, after: UInt32?, limit: Int
    ) throws -> HistoryHoldings {
        let (column, value) =
            switch holder {
            case .vm(let vm): ("vm", Int64(bitPattern: vm))
            case .process(let process): ("process", Int64(bitPattern: process))
            }
        let rows = try Row.fetchCursor(
            db.cachedStatement(sql: holdingsSQL(column: column)),
            arguments: [
                "holder": value, "after": after.map { Int64($0) } ?? -1, "time": time.nanoseconds, "limit": limit,
            ])
        var bound: [BindingRow] = []
        var unknown: [BindingRow] = []
        var last: UInt32?
        while let row = try rows.next() {
            let binding = try BindingRow(row)
            last = binding.subject.ioasid
            if let gap = binding.gap, gap.contains(time) {
                unknown.append(binding)
            } else {
                bound.append(binding)
            }
        }
        let horizon = try horizon(db)
        return HistoryHoldings(
            bound: bound, unknown: unknown, gap: try gap(db, around: time)?.gap,
            expiredBefore: horizon.flatMap { time < $0 ? $0 : nil },
            continueAfter: bound.count + unknown.count == limit ? last : nil)
    }

    /// The time of the oldest event kept, if retention has removed any before it. Bindings that held at or after that
    /// time are all there.
    private static func horizon(_ db: Database) throws -> HistoryTime? {
        let row = try Row.fetchOne(
            db.cachedStatement(sql: "SELECT sequence, time FROM event ORDER BY sequence LIMIT 1"))
        guard let row, row[0] as Int64 > 1 else { return nil }
        return HistoryTime(nanoseconds: row[1])
    }

    /// The crash that `time` lies in, and the durability of the run that crashed.
    private static func gap(
        _ db: Database, around time: HistoryTime
    ) throws -> (gap: HistoryGap, durability: DurabilityMode)? {
        let row = try Row.fetchOne(db.cachedStatement(sql: runSQL), arguments: [time.nanoseconds])
        guard let run = try row.map(DaemonRunRow.init), let restart = run.restartTime else { return nil }
        let gap = HistoryGap(lastAlive: run.lastAliveTime, restart: restart)
        return gap.contains(time) ? (gap, run.durability) : nil
    }
}

extension BindingRow {
    /// The crash that hides when the binding ended, if one does.
    fileprivate var gap: HistoryGap? {
        guard let lastAliveTime, let unbound else { return nil }
        return HistoryGap(lastAlive: lastAliveTime, restart: unbound.time)
    }
}
