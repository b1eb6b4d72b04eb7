internal import GRDB

/// What SQLite answered: its extended result code and its text.
package struct SQLiteFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// The extended result code, for instance 13 (`SQLITE_FULL`) or 1034 (`SQLITE_IOERR_FSYNC`).
    package let code: Int32
    package let message: String

    /// The primary result code: the low 8 bits of `code`.
    package var primaryCode: Int32 { code & 0xFF }

    package var description: String { "SQLite error \(code): \(message)" }

    init(code: Int32, message: String) {
        self.code = code
        self.message = message
    }

    init(_ error: any Error) {
        switch error {
        case let failure as SQLiteFailure:
            self = failure
        case let error as DatabaseError:
            self.init(
                code: error.extendedResultCode.rawValue,
                message: error.message ?? error.extendedResultCode.description)
        default:
            self.init(code: ResultCode.SQLITE_ERROR.rawValue, message: String(describing: error))
        }
    }
}

/// Why the history cannot be opened, read or closed.
package enum HistoryError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The file cannot be opened or created: directory missing, permission, not a regular file.
    case cannotOpen(path: String, SQLiteFailure)
    /// The file is not an SQLite database, or its contents contradict themselves.
    case corrupt(path: String, SQLiteFailure)
    /// A database of something else: its `application_id` is not that of the history.
    case foreign(path: String, applicationID: Int32)
    /// A newer program wrote the file: it lists schema migrations that this one does not know.
    case newerSchema(path: String, unknownMigrations: [String])
    /// SQLite did not take the durability mode that was asked for.
    case durabilityNotApplied(DurabilityMode, synchronous: Int)
    /// The file system cannot hold a write-ahead log (no shared memory or locks, as on some network file systems).
    case noWriteAheadLog(journalMode: String)
    /// Any other failure of SQLite: disk full, input/output error.
    case sqlite(SQLiteFailure)
    /// The history was closed before.
    case closed

    package var description: String {
        switch self {
        case .cannotOpen(let path, let failure):
            "cannot open the history \(path): \(failure)"
        case .corrupt(let path, let failure):
            "the history \(path) is damaged or no SQLite database: \(failure); move it away to start a new one"
        case .foreign(let path, let applicationID):
            "\(path) is a database of another application (application_id \(applicationID)); it was left untouched"
        case .newerSchema(let path, let unknown):
            "the history \(path) was written by a newer version (unknown schema "
                + unknown.joined(separator: ", ") + "); it was left untouched"
        case .durabilityNotApplied(let mode, let synchronous):
            "SQLite did not accept durability \(mode.rawValue): synchronous is \(synchronous)"
        case .noWriteAheadLog(let mode):
            "the history needs a write-ahead log, but its file system allows only journal mode \(mode)"
        case .sqlite(let failure):
            "history: \(failure)"
        case .closed:
            "the history is closed"
        }
    }

    /// Names the kind of failure that `error`, thrown by GRDB or by this module, is for the file at `path`.
    init(_ error: any Error, path: String) {
        if let known = error as? HistoryError {
            self = known
            return
        }
        let failure = SQLiteFailure(error)
        switch ResultCode(rawValue: failure.primaryCode) {
        case .SQLITE_CANTOPEN, .SQLITE_PERM, .SQLITE_READONLY:
            self = .cannotOpen(path: path, failure)
        case .SQLITE_CORRUPT, .SQLITE_NOTADB:
            self = .corrupt(path: path, failure)
        default:
            self = .sqlite(failure)
        }
    }
}
