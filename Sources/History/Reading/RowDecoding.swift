internal import GRDB

/// Column lists in the order that the decoders below read, and the decoders.
enum Columns {
    private static let subject =
        "ioasid, guest_pasid, ioasid_set, vm, device_rid, process, uid, pid, connection"
    static let event = subject + ", sequence, time, wall_time, kind, cause, bound_sequence, daemon_run"
    static let binding =
        subject + """
            , bound_sequence, bound_time, bound_wall_time, bind_cause, unbound_sequence, unbound_time, \
            unbound_wall_time, unbind_cause, last_alive_time, daemon_run
            """
    static let daemonRun = "id, start_time, durability, last_alive_time, clean_stop_time, restart_time"
}

/// Reads one column; a value that the schema does not allow means a damaged file.
private func decode<Value: DatabaseValueConvertible>(
    _ row: Row, _ column: Int, as: Value.Type = Value.self
) throws -> Value {
    guard let value = Value.fromDatabaseValue(row[column]) else {
        throw SQLiteFailure(
            code: ResultCode.SQLITE_CORRUPT.rawValue,
            message: "column \(column) of \(row) is out of range")
    }
    return value
}

private func decodeOptional<Value: DatabaseValueConvertible>(_ row: Row, _ column: Int) throws -> Value? {
    row.hasNull(atIndex: column) ? nil : try decode(row, column)
}

private func decode<Value: RawRepresentable<String>>(_ row: Row, _ column: Int) throws -> Value {
    guard let value = Value(rawValue: try decode(row, column)) else {
        throw SQLiteFailure(
            code: ResultCode.SQLITE_CORRUPT.rawValue,
            message: "column \(column) of \(row) has an unknown text")
    }
    return value
}

extension HistoryTime {
    fileprivate init(_ row: Row, _ column: Int) throws {
        self.init(nanoseconds: try decode(row, column))
    }

    fileprivate static func optional(_ row: Row, _ column: Int) throws -> HistoryTime? {
        row.hasNull(atIndex: column) ? nil : try HistoryTime(row, column)
    }
}

extension HistorySubject {
    fileprivate init(_ row: Row) throws {
        self.init(
            ioasid: try decode(row, 0), guestPASID: try decodeOptional(row, 1),
            ioasidSet: UInt64(bitPattern: try decode(row, 2)),
            vm: (try decodeOptional(row, 3)).map { UInt64(bitPattern: $0) }, deviceRID: try decodeOptional(row, 4),
            process: (try decodeOptional(row, 5)).map { UInt64(bitPattern: $0) }, uid: try decodeOptional(row, 6),
            pid: try decodeOptional(row, 7),
            connection: (try decodeOptional(row, 8)).map { UInt64(bitPattern: $0) })
    }
}

extension EventRow {
    /// A row of ``Columns/event``.
    init(_ row: Row) throws {
        self.init(
            sequence: try decode(row, 9), time: try HistoryTime(row, 10),
            event: HistoryEvent(
                kind: try decode(row, 12), cause: try decode(row, 13), wallTime: try HistoryTime(row, 11),
                subject: try HistorySubject(row)),
            boundSequence: try decodeOptional(row, 14), daemonRun: try decode(row, 15))
    }
}

extension BindingRow {
    /// A row of ``Columns/binding``.
    init(_ row: Row) throws {
        self.init(
            subject: try HistorySubject(row),
            bound: try Edge(row, from: 9),
            unbound: row.hasNull(atIndex: 13) ? nil : try Edge(row, from: 13),
            lastAliveTime: try HistoryTime.optional(row, 17), daemonRun: try decode(row, 18))
    }
}

extension BindingRow.Edge {
    fileprivate init(_ row: Row, from column: Int) throws {
        self.init(
            sequence: try decode(row, column), time: try HistoryTime(row, column + 1),
            wallTime: try HistoryTime(row, column + 2), cause: try decode(row, column + 3))
    }
}

extension DaemonRunRow {
    /// A row of ``Columns/daemonRun``.
    init(_ row: Row) throws {
        self.init(
            id: try decode(row, 0), startTime: try HistoryTime(row, 1), durability: try decode(row, 2),
            lastAliveTime: try HistoryTime(row, 3), cleanStopTime: try HistoryTime.optional(row, 4),
            restartTime: try HistoryTime.optional(row, 5))
    }
}
