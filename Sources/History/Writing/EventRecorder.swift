internal import GRDB

/// Writes batches of events to the two tables, one transaction each. It lives on the writer's thread.
///
/// It knows which binding is open for each IOASID, so that an unbind needs no search: a bind is two inserts, an unbind
/// an insert and an update by primary key.
struct EventRecorder: ~Copyable {
    private let statements: Statements
    private(set) var position: LogPosition
    /// IOASID to the sequence of the bind that is open.
    private var open: [UInt32: Int64]
    /// What the batch in progress changed in `open`, to take back if it fails.
    private var undo: [(ioasid: UInt32, boundSequence: Int64?)] = []

    init(_ db: Database, position: LogPosition) throws {
        let statements = try Statements(db)
        let open = try OpenBindings.all(db)
        self.statements = statements
        self.open = open
        self.position = position
    }

    /// Records `batch` in one transaction and appends an outcome for each of its events, in order.
    ///
    /// - Returns: `nil`, or the failure for which the whole batch was taken back. Either way every event has an
    ///   outcome.
    mutating func record(
        _ batch: ArraySlice<HistoryWork>, into completions: inout [HistoryCompletion]
    ) -> SQLiteFailure? {
        let firstCompletion = completions.count
        let before = position
        undo.removeAll(keepingCapacity: true)
        do throws(SQLiteFailure) {
            try statements.begin.run()
            do throws(SQLiteFailure) {
                for work in batch {
                    switch work {
                    case .event(let event, let token):
                        completions.append(HistoryCompletion(token: token, outcome: try record(event)))
                    case .alive(let wall):
                        try recordAlive(at: wall)
                    }
                }
                try statements.commit.run()
            } catch {
                takeBack()
                throw error
            }
            return nil
        } catch {
            position = before
            for (ioasid, boundSequence) in undo.reversed() {
                open[ioasid] = boundSequence
            }
            completions.removeSubrange(firstCompletion...)
            for case .event(_, let token) in batch {
                completions.append(HistoryCompletion(token: token, outcome: .failed(error)))
            }
            return error
        }
    }

    /// Ends the run (``DaemonRuns/end(_:wall:position:)``).
    mutating func end(_ db: Database, at wall: HistoryTime) throws {
        try DaemonRuns.end(db, wall: wall, position: &position)
        open.removeAll()
    }

    private func takeBack() {
        do {
            try statements.rollback.run()
        } catch {
            // On a full disk or an input/output error SQLite has rolled back by itself, and says that there is no
            // transaction. Any other error shows again at the next BEGIN, which fails that batch.
        }
    }

    private mutating func recordAlive(at wall: HistoryTime) throws(SQLiteFailure) {
        let time = position.clock.observe(wall)
        let run = position.run
        try statements.markAlive.run { row in
            row.bind(time.nanoseconds)
            row.bind(run)
        }
    }

    private mutating func record(_ event: HistoryEvent) throws(SQLiteFailure) -> HistoryCompletion.Outcome {
        let ioasid = event.subject.ioasid
        var boundSequence: Int64?
        switch event.kind {
        case .bind:
            if let open = open[ioasid] { return .refused(.alreadyBound(boundSequence: open)) }
        case .unbind, .bindDevice, .unbindDevice:
            guard let open = open[ioasid] else { return .refused(.notBound) }
            boundSequence = open
        case .alloc, .free:
            break
        }

        let sequence = position.lastSequence + 1
        let time = position.clock.stamp(event.wallTime)
        let run = position.run
        try statements.insertEvent.run { row in
            row.bind(sequence)
            row.bind(time.nanoseconds)
            row.bind(event.wallTime.nanoseconds)
            row.bind(event.kind.rawValue)
            row.bind(event.cause.rawValue)
            row.bind(boundSequence)
            row.bind(run)
            row.bind(event.subject)
        }
        if event.kind == .bind {
            try statements.insertBinding.run { row in
                row.bind(sequence)
                row.bind(time.nanoseconds)
                row.bind(event.wallTime.nanoseconds)
                row.bind(event.cause.rawValue)
                row.bind(run)
                row.bind(event.subject)
            }
            undo.append((ioasid, nil))
            open[ioasid] = sequence
        } else if event.kind == .unbind, let boundSequence {
            try statements.closeBinding.run { row in
                row.bind(sequence)
                row.bind(time.nanoseconds)
                row.bind(event.wallTime.nanoseconds)
                row.bind(event.cause.rawValue)
                row.bind(boundSequence)
            }
            undo.append((ioasid, boundSequence))
            open[ioasid] = nil
        }
        position.lastSequence = sequence
        return .recorded(sequence: sequence, time: time)
    }
}

/// The statements of the hot path, prepared once.
private struct Statements {
    let begin: PreparedStatement
    let commit: PreparedStatement
    let rollback: PreparedStatement
    let insertEvent: PreparedStatement
    let insertBinding: PreparedStatement
    let closeBinding: PreparedStatement
    let markAlive: PreparedStatement

    init(_ db: Database) throws {
        begin = try PreparedStatement(db, "BEGIN IMMEDIATE")
        commit = try PreparedStatement(db, "COMMIT")
        rollback = try PreparedStatement(db, "ROLLBACK")
        insertEvent = try PreparedStatement(
            db,
            """
            INSERT INTO event (
                sequence, time, wall_time, kind, cause, bound_sequence, daemon_run, ioasid, guest_pasid, ioasid_set,
                vm, device_rid, process, uid, pid, connection)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
            """)
        insertBinding = try PreparedStatement(
            db,
            """
            INSERT INTO binding (
                bound_sequence, bound_time, bound_wall_time, bind_cause, daemon_run, ioasid, guest_pasid, ioasid_set,
                vm, device_rid, process, uid, pid, connection)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
            """)
        closeBinding = try PreparedStatement(
            db,
            """
            UPDATE binding SET
                unbound_sequence = ?1, unbound_time = ?2, unbound_wall_time = ?3, unbind_cause = ?4
            WHERE bound_sequence = ?5
            """)
        markAlive = try PreparedStatement(db, "UPDATE daemon_run SET last_alive_time = ?1 WHERE id = ?2")
    }
}

extension PreparedStatement.Parameters {
    /// The nine columns of a subject, from `ioasid` to `connection`.
    fileprivate mutating func bind(_ subject: HistorySubject) {
        bind(Int64(subject.ioasid))
        bind(subject.guestPASID)
        bind(Int64(bitPattern: subject.ioasidSet))
        bind(subject.vm)
        bind(subject.deviceRID)
        bind(subject.process)
        bind(subject.uid)
        bind(subject.pid)
        bind(subject.connection)
    }
}
