internal import Dispatch
internal import GRDB

/// Queries on a connection of its own. They see every event that was acknowledged before they began, and neither wait
/// for the writer nor hold it up.
///
/// The query methods are synchronous, from any thread, one at a time. A caller that must not block hands them to
/// ``perform(_:)``.
package final class HistoryReader: Sendable {
    /// Pieces of work that may wait in ``perform(_:)``.
    package static let waitingMax = 1024

    /// `nil` once closed: GRDB does not survive a read on a closed connection.
    private let connection: Guarded<DatabaseQueue?>
    private let path: String
    private let thread = DispatchQueue(label: "swqd.history.query")
    private let waiting = Guarded(0)

    init(connection: DatabaseQueue, path: String) {
        self.connection = Guarded(connection)
        self.path = path
    }

    /// Runs `work` on the reader's serial queue, after what was given before; the caller goes on at once.
    ///
    /// - Returns: `false`, and nothing happens, if ``waitingMax`` pieces of work wait already.
    package func perform(_ work: @escaping @Sendable (HistoryReader) -> Void) -> Bool {
        let accepted = waiting.withLock { waiting in
            guard waiting < Self.waitingMax else { return false }
            waiting += 1
            return true
        }
        guard accepted else { return false }
        thread.async {
            work(self)
            self.waiting.withLock { $0 -= 1 }
        }
        return true
    }

    /// One page of the event log.
    package func events(_ query: EventQuery) throws(HistoryError) -> [EventRow] {
        try read { db in
            var conditions = Conditions()
            conditions.add(query.filter)
            conditions.add("kind = ?", query.kind?.rawValue)
            conditions.add("cause = ?", query.cause?.rawValue)
            conditions.add("sequence", in: query.sequences)
            if let times = query.times {
                guard let log = try EventLog(db) else { return [] }
                let first = try log.firstSequence(atOrAfter: times.lowerBound, db)
                conditions.add("sequence", in: first..<(try log.firstSequence(atOrAfter: times.upperBound, db)))
            }
            let (clause, arguments) = conditions.clause(query.page, by: "sequence")
            return try Row.fetchAll(db, sql: "SELECT \(Columns.event) FROM event \(clause)", arguments: arguments)
                .map(EventRow.init)
        }
    }

    /// One page of the bindings.
    package func bindings(_ query: BindingQuery) throws(HistoryError) -> [BindingRow] {
        try read { db in
            var conditions = Conditions()
            conditions.add(query.filter)
            conditions.add("bound_sequence", in: query.sequences)
            if let times = query.times {
                conditions.add("bound_time < ?", times.upperBound.nanoseconds)
                conditions.add("(unbound_time IS NULL OR unbound_time > ?)", times.lowerBound.nanoseconds)
            }
            if query.openOnly { conditions.add("unbound_sequence IS NULL") }
            let (clause, arguments) = conditions.clause(query.page, by: "bound_sequence")
            return try Row.fetchAll(db, sql: "SELECT \(Columns.binding) FROM binding \(clause)", arguments: arguments)
                .map(BindingRow.init)
        }
    }

    /// Who owned host PASID `ioasid` at effective time `time`. A point look-up, however long the history is.
    package func owner(ofIOASID ioasid: UInt32, at time: HistoryTime) throws(HistoryError) -> HistoryOwnership {
        try read { db in try AsOf.ownership(db, ioasid: ioasid, at: time) }
    }

    /// What a VM or a process held at effective time `time`, one page in the order of IOASIDs.
    ///
    /// - Parameters:
    ///   - after: the ``HistoryHoldings/continueAfter`` of the page before; `nil` for the first.
    ///   - limit: rows at most, `1...HistoryPage.rowsMax`; values outside are brought into that range.
    package func holdings(
        of holder: HistoryHolder, at time: HistoryTime, after: UInt32? = nil, limit: Int = HistoryPage.rowsMax
    ) throws(HistoryError) -> HistoryHoldings {
        let limit = min(max(limit, 1), HistoryPage.rowsMax)
        return try read { db in try AsOf.holdings(db, of: holder, at: time, after: after, limit: limit) }
    }

    /// One page of the daemon's runs.
    package func daemonRuns(_ page: HistoryPage = HistoryPage()) throws(HistoryError) -> [DaemonRunRow] {
        try read { db in
            let (clause, arguments) = Conditions().clause(page, by: "id")
            return try Row.fetchAll(
                db, sql: "SELECT \(Columns.daemonRun) FROM daemon_run \(clause)", arguments: arguments
            )
            .map(DaemonRunRow.init)
        }
    }

    /// The extent of the history, without a scan.
    package func summary() throws(HistoryError) -> HistorySummary {
        try read { db in
            func event(_ order: String) throws -> EventRow? {
                try Row.fetchOne(db, sql: "SELECT \(Columns.event) FROM event ORDER BY sequence \(order) LIMIT 1")
                    .map(EventRow.init)
            }
            return HistorySummary(
                events: try EventLog(db).map { Int64($0.sequences.count) } ?? 0, oldest: try event("ASC"),
                newest: try event("DESC"), openBindings: try OpenBindings.count(db),
                daemonRuns: try Int64.fetchOne(db, sql: "SELECT count(*) FROM daemon_run") ?? 0)
        }
    }

    /// Waits for the work given to ``perform(_:)``, then closes the connection.
    func close() throws {
        thread.sync {}
        try connection.withLock { connection in
            try connection?.close()
            connection = nil
        }
    }

    private func read<Value: Sendable>(_ body: (Database) throws -> Value) throws(HistoryError) -> Value {
        do {
            return try connection.withLock { connection in
                guard let connection else { throw HistoryError.closed }
                return try connection.read(body)
            }
        } catch {
            throw HistoryError(error, path: path)
        }
    }
}
