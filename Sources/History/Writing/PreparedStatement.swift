internal import GRDB
internal import GRDBSQLite

/// A statement that GRDB prepares and finalizes, bound and stepped through SQLite's C interface: the writer's hot path,
/// without an array of arguments per execution.
///
/// Use it on the connection that prepared it, inside that connection's access closure.
@safe
struct PreparedStatement {
    private let statement: Statement

    init(_ db: Database, _ sql: String) throws {
        statement = try db.makeStatement(sql: sql)
    }

    /// Values for the statement's parameters, from the first to the last.
    @safe
    struct Parameters: ~Copyable {
        private let handle: SQLiteStatement
        private var count: Int32 = 0

        fileprivate init(_ handle: SQLiteStatement) {
            unsafe self.handle = unsafe handle
        }

        mutating func bind(_ value: Int64) {
            count += 1
            let code = unsafe sqlite3_bind_int64(handle, count, value)
            precondition(code == SQLITE_OK, "a statement with fewer parameters than values")
        }

        mutating func bind(_ value: (some FixedWidthInteger)?) {
            guard let value else { return bindNull() }
            bind(Int64(truncatingIfNeeded: value))
        }

        mutating func bind(_ text: String) {
            count += 1
            // SQLite copies the text before the call returns.
            let transient = unsafe unsafeBitCast(-1, to: sqlite3_destructor_type.self)
            let code = unsafe sqlite3_bind_text(handle, count, text, -1, transient)
            precondition(code == SQLITE_OK, "a statement with fewer parameters than values")
        }

        private mutating func bindNull() {
            count += 1
            let code = unsafe sqlite3_bind_null(handle, count)
            precondition(code == SQLITE_OK, "a statement with fewer parameters than values")
        }
    }

    /// Executes a statement that returns no row, with the values that `bind` gives.
    func run(
        _ bind: (inout Parameters) -> Void = { _ in }
    ) throws(SQLiteFailure) {
        let handle = unsafe statement.sqliteStatement
        var parameters = unsafe Parameters(handle)
        bind(&parameters)
        let code = unsafe sqlite3_step(handle)
        guard code == SQLITE_DONE else {
            // Read before the reset, which may replace the message.
            let failure = unsafe SQLiteFailure(
                code: code, message: String(cString: sqlite3_errmsg(sqlite3_db_handle(handle))))
            _ = unsafe sqlite3_reset(handle)
            throw failure
        }
        _ = unsafe sqlite3_reset(handle)
    }
}
