internal import GRDB

/// How the history is kept.
package struct HistoryOptions: Hashable, Sendable {
    package var durability: DurabilityMode = .full
    /// Events that may wait for the writer; one more is refused with ``HistorySubmission/queueFull``.
    package var queuedEventsMax = 65_536
    /// Events in one transaction at most.
    package var batchEventsMax = 4096
    package var retention = RetentionPolicy()

    package init() {}
}

/// The history of IOASIDs: one SQLite database with a write-ahead log, one connection that writes on its own thread and
/// one that reads.
///
/// Exactly one store may be open on a directory; the daemon sees to that.
package final class HistoryStore: Sendable {
    /// The database's name in the state directory. `-wal` and `-shm` files stand beside it while it is open.
    package static let fileName = "history.sqlite"

    /// The log's size on disk, in bytes, to which SQLite cuts it back after a checkpoint.
    private static let journalBytesKept = 64 << 20

    /// Pages in the log that start a checkpoint, four times SQLite's default: under load most of them are versions of
    /// the same index pages, and a checkpoint writes each page once.
    private static let checkpointPages = 4000

    /// The writer's page cache in KiB: the inner pages of the indexes of some ten million events.
    private static let cacheKiB = 16 << 10

    /// How long a connection waits for a lock that the other one holds for a moment while it opens or closes.
    private static let lockTimeoutSeconds = 5.0

    /// The database file.
    package let path: String
    package let opening: HistoryOpening
    package let writer: HistoryWriter
    package let reader: HistoryReader
    private let connection: DatabaseQueue

    /// Opens or creates the history in `directory`, recovers from a crash, and starts the writer.
    ///
    /// When it returns, no binding is open: those of a run that did not stop cleanly were closed with cause
    /// `daemonRestart`, durably.
    /// - Parameters:
    ///   - directory: the state directory; it must exist.
    ///   - wall: now.
    ///   - completed: called on the writer's thread with the outcomes of one batch, in the order of submission. It
    ///     must not call ``HistoryWriter/flush()`` or ``close(at:)``.
    package init(
        directory: String, options: HistoryOptions = HistoryOptions(), at wall: HistoryTime,
        completed: @escaping @Sendable ([HistoryCompletion]) -> Void
    ) throws(HistoryError) {
        let path = directory + "/" + Self.fileName
        self.path = path
        do {
            connection = try Self.openWriting(path: path)
            let synchronous = try Self.apply(options.durability, to: connection)
            try HistorySchema.migrate(connection)
            let begun = try connection.writeWithoutTransaction { db in
                try DaemonRuns.begin(db, wall: wall, durability: options.durability)
            }
            opening = HistoryOpening(
                run: begun.position.run, synchronous: synchronous, recoveredBindings: begun.recoveredBindings,
                gap: begun.gap)
            reader = HistoryReader(connection: try Self.openReading(path: path), path: path)
            writer = try HistoryWriter(
                connection: connection, position: begun.position, options: options, completed: completed)
        } catch {
            throw HistoryError(error, path: path)
        }
    }

    /// A store that is released without ``close(at:)`` leaves the history as a crash would: its bindings stay open
    /// until the next opening, and events still queued are refused.
    deinit {
        writer.abandon()
        do {
            try reader.close()
            try connection.close()
        } catch {
            // Nobody is left to tell. What is not closed here is closed with the last reference to the connection.
        }
    }

    /// Writes what is queued, unbinds what is still open with cause `daemonStop`, marks the run as cleanly stopped and
    /// closes the database. Blocks until done.
    ///
    /// - Throws: if the end could not be written; the database is closed all the same, and the next opening treats
    ///   this run as crashed. ``HistoryError/closed`` the second time.
    package func close(at wall: HistoryTime) throws(HistoryError) {
        let ended = writer.close(at: wall)
        do {
            // The writing connection goes last: the last one to close folds the log into the database.
            try reader.close()
            try connection.close()
            try ended.get()
        } catch {
            throw HistoryError(error, path: path)
        }
    }

    /// Refuses a foreign or newer file before anything writes to it.
    private static func openWriting(path: String) throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.label = "swqd.history.writer"
        configuration.foreignKeysEnabled = false
        // The writer begins and ends its transactions itself, in statements that GRDB does not watch.
        configuration.allowsUnsafeTransactions = true
        configuration.busyMode = .timeout(lockTimeoutSeconds)
        let queue = try DatabaseQueue(path: path, configuration: configuration)
        try HistorySchema.refuseForeign(queue, path: path)
        return queue
    }

    /// Switches to the write-ahead log and sets how it is synced, outside a transaction (inside one SQLite ignores the
    /// pragma), and reads it back. GRDB's own `journalMode = .wal` would set `synchronous = NORMAL` behind our back.
    private static func apply(_ durability: DurabilityMode, to queue: DatabaseQueue) throws -> Int {
        try queue.writeWithoutTransaction { db in
            let mode = try String.fetchOne(db, sql: "PRAGMA journal_mode = WAL")
            guard mode == "wal" else { throw HistoryError.noWriteAheadLog(journalMode: mode ?? "unknown") }
            try db.execute(sql: "PRAGMA synchronous = \(durability.synchronous)")
            try db.execute(sql: "PRAGMA journal_size_limit = \(journalBytesKept)")
            try db.execute(sql: "PRAGMA wal_autocheckpoint = \(checkpointPages)")
            try db.execute(sql: "PRAGMA cache_size = -\(cacheKiB)")
            let synchronous = try Int.fetchOne(db, sql: "PRAGMA synchronous") ?? -1
            guard synchronous == durability.synchronous else {
                throw HistoryError.durabilityNotApplied(durability, synchronous: synchronous)
            }
            return synchronous
        }
    }

    private static func openReading(path: String) throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.label = "swqd.history.reader"
        configuration.readonly = true
        configuration.busyMode = .timeout(lockTimeoutSeconds)
        return try DatabaseQueue(path: path, configuration: configuration)
    }
}
