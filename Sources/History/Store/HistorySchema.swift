internal import GRDB

/// The tables, as named migrations. A migration that was released is never edited: append another.
enum HistorySchema {
    /// `PRAGMA application_id`: "swqd" in ASCII.
    static let applicationID: Int32 = 0x7377_7164

    private static let migrator: DatabaseMigrator = {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("0001-ioasid-history", foreignKeyChecks: .immediate, migrate: createTables)
        return migrator
    }()

    /// Refuses a database that is not the history or that is newer than this program, and leaves it as it was.
    static func refuseForeign(_ queue: DatabaseQueue, path: String) throws {
        try queue.read { db in
            let objects = try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_schema") ?? 0
            guard objects > 0 else { return }
            let id = try Int32.fetchOne(db, sql: "PRAGMA application_id") ?? 0
            guard id == applicationID else { throw HistoryError.foreign(path: path, applicationID: id) }
            let unknown = try migrator.appliedIdentifiers(db).subtracting(migrator.migrations)
            guard unknown.isEmpty else {
                throw HistoryError.newerSchema(path: path, unknownMigrations: unknown.sorted())
            }
        }
    }

    /// Brings the tables up to date.
    static func migrate(_ queue: DatabaseQueue) throws {
        // First of all, so that a crash between the migrator's own table and ours leaves a file known as the history.
        try queue.writeWithoutTransaction { db in
            if try Int32.fetchOne(db, sql: "PRAGMA application_id") != applicationID {
                try db.execute(sql: "PRAGMA application_id = \(applicationID)")
            }
        }
        try migrator.migrate(queue)
    }

    /// Times are effective nanoseconds since 1970 (`HistoryClock`), `wall_time` is what the clock showed. 64-bit
    /// identifiers are stored as the signed integer of the same bits. `daemon_run` columns are numbers, not foreign
    /// keys: retention may remove the run of a row that stays.
    private static func createTables(_ db: Database) throws {
        // Literals, because a released migration must not change with an enumeration. Not IN: SQLite builds a table for
        // its list at every insert.
        let kinds = ["alloc", "bind", "unbind", "free", "bind-device", "unbind-device"]
            .map { "kind = '\($0)'" }.joined(separator: " OR ")
        let causes = [
            "request", "client-died", "vm-torn-down", "migration", "daemon-start", "daemon-restart", "daemon-stop",
        ].map { "cause = '\($0)'" }.joined(separator: " OR ")
        let subject = """
                ioasid INTEGER NOT NULL CHECK (ioasid >= 0),
                guest_pasid INTEGER,
                ioasid_set INTEGER NOT NULL,
                vm INTEGER,
                device_rid INTEGER,
                process INTEGER,
                uid INTEGER,
                pid INTEGER,
                connection INTEGER
            """
        try db.execute(
            sql: """
                CREATE TABLE daemon_run (
                    id INTEGER PRIMARY KEY,
                    start_time INTEGER NOT NULL UNIQUE,
                    durability TEXT NOT NULL,
                    last_alive_time INTEGER NOT NULL,
                    clean_stop_time INTEGER,
                    restart_time INTEGER,
                    CHECK (clean_stop_time IS NULL OR restart_time IS NULL)
                ) STRICT;

                CREATE TABLE event (
                    sequence INTEGER PRIMARY KEY,
                    time INTEGER NOT NULL,
                    wall_time INTEGER NOT NULL,
                    kind TEXT NOT NULL CHECK (\(kinds)),
                    cause TEXT NOT NULL CHECK (\(causes)),
                \(subject),
                    bound_sequence INTEGER,
                    daemon_run INTEGER NOT NULL,
                    CHECK ((kind = 'alloc' OR kind = 'bind' OR kind = 'free') = (bound_sequence IS NULL))
                ) STRICT;
                CREATE INDEX event_ioasid ON event (ioasid);
                CREATE INDEX event_vm ON event (vm) WHERE vm IS NOT NULL;
                CREATE INDEX event_process ON event (process) WHERE process IS NOT NULL;

                CREATE TABLE binding (
                    bound_sequence INTEGER PRIMARY KEY,
                    bound_time INTEGER NOT NULL,
                    bound_wall_time INTEGER NOT NULL,
                    bind_cause TEXT NOT NULL,
                    unbound_sequence INTEGER,
                    unbound_time INTEGER,
                    unbound_wall_time INTEGER,
                    unbind_cause TEXT,
                    last_alive_time INTEGER,
                \(subject),
                    daemon_run INTEGER NOT NULL,
                    CHECK ((unbound_sequence IS NULL) = (unbound_time IS NULL)),
                    CHECK ((unbound_sequence IS NULL) = (unbind_cause IS NULL)),
                    CHECK (unbound_time > bound_time)
                ) STRICT;
                CREATE UNIQUE INDEX binding_open ON binding (ioasid) WHERE unbound_sequence IS NULL;
                CREATE UNIQUE INDEX binding_ioasid ON binding (ioasid, bound_time);
                CREATE INDEX binding_vm ON binding (vm, ioasid, bound_time) WHERE vm IS NOT NULL;
                CREATE INDEX binding_process ON binding (process, ioasid, bound_time) WHERE process IS NOT NULL;
                """)
    }
}
