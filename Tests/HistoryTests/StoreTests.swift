import Foundation
import GRDB
import Testing

@testable import History

@Suite("History store")
struct StoreTests {
    @Test
    func `A new history is empty`() throws {
        let directory = try TemporaryDirectory()
        let history = try TestHistory(directory, at: 5)
        let summary = try history.store.reader.summary()
        #expect(summary.events == 0)
        #expect(summary.oldest == nil)
        #expect(summary.openBindings == 0)
        #expect(summary.daemonRuns == 1)
        #expect(history.store.opening.recoveredBindings == 0)
        #expect(history.store.opening.gap == nil)
        #expect(try history.owner(1, at: 5) == .unbound)
    }

    @Test
    func `A closed history leaves one file and opens with the same rows`() throws {
        let directory = try TemporaryDirectory()
        let history = try TestHistory(directory)
        history.record(
            event(.alloc, 1, at: 1), event(.bind, 1, at: 2), event(.unbind, 1, at: 3), event(.free, 1, at: 4))
        let log = try history.log()
        try history.store.close(at: time(5))
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == [HistoryStore.fileName])
        let again = try TestHistory(directory, at: 6)
        #expect(try again.log() == log)
        #expect(again.record(event(.alloc, 1, at: 7)).map(\.sequence) == [5])
    }

    @Test
    func `A directory that does not exist is named`() throws {
        let path = try TemporaryDirectory().path + "/missing"
        #expect {
            try HistoryStore(directory: path, at: time(0)) { _ in }
        } throws: { error in
            guard case .cannotOpen(path + "/" + HistoryStore.fileName, _) = error as? HistoryError else { return false }
            return "\(error)".contains(path)
        }
    }

    @Test
    func `A file that is no database is refused and left untouched`() throws {
        let directory = try TemporaryDirectory()
        let contents = Data("this is not a database, but it is longer than a header of one hundred bytes".utf8 + [0])
        let padded = contents + contents
        try padded.write(to: URL(fileURLWithPath: directory.database))
        #expect {
            try TestHistory(directory)
        } throws: { error in
            guard case .corrupt(directory.database, let failure) = error as? HistoryError else { return false }
            return failure.primaryCode == 26  // SQLITE_NOTADB
        }
        #expect(try Data(contentsOf: URL(fileURLWithPath: directory.database)) == padded)
    }

    @Test
    func `A damaged history is refused with its path`() throws {
        let directory = try TemporaryDirectory()
        let history = try TestHistory(directory)
        history.record((1...500).map { event(.bind, $0, at: Int64($0)) })
        try history.store.close(at: time(1000))
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: directory.database))
        // Every page but the first, which holds the schema.
        let end = try file.seekToEnd()
        try file.seek(toOffset: 4096)
        try file.write(contentsOf: Data(repeating: 0xA5, count: Int(end) - 4096))
        try file.close()
        #expect {
            try TestHistory(directory)
        } throws: { error in
            guard case .corrupt(directory.database, _) = error as? HistoryError else { return false }
            return true
        }
    }

    @Test
    func `The database of another application is refused and left untouched`() throws {
        let directory = try TemporaryDirectory()
        let other = try DatabaseQueue(path: directory.database)
        try other.write { try $0.execute(sql: "PRAGMA application_id = 99; CREATE TABLE t (x)") }
        try other.close()
        let before = try Data(contentsOf: URL(fileURLWithPath: directory.database))
        #expect(throws: HistoryError.foreign(path: directory.database, applicationID: 99)) {
            try TestHistory(directory)
        }
        #expect(try Data(contentsOf: URL(fileURLWithPath: directory.database)) == before)
    }

    @Test
    func `A history of a newer version is refused and left untouched`() throws {
        let directory = try TemporaryDirectory()
        try TestHistory(directory).store.close(at: time(1))
        let newer = try DatabaseQueue(path: directory.database)
        try newer.write { try $0.execute(sql: "INSERT INTO grdb_migrations VALUES ('0099-from-the-future')") }
        try newer.close()
        let before = try Data(contentsOf: URL(fileURLWithPath: directory.database))
        #expect(
            throws: HistoryError.newerSchema(path: directory.database, unknownMigrations: ["0099-from-the-future"])
        ) {
            try TestHistory(directory)
        }
        #expect(try Data(contentsOf: URL(fileURLWithPath: directory.database)) == before)
    }

    @Test
    func `Every table is strict`() throws {
        let directory = try TemporaryDirectory()
        let history = try TestHistory(directory)
        let lax = try DatabaseQueue(path: directory.database).read { db in
            try String.fetchAll(
                db,
                sql: """
                    SELECT name FROM pragma_table_list
                    WHERE schema = 'main' AND type = 'table' AND NOT strict AND name NOT LIKE 'sqlite_%'
                        AND name <> 'grdb_migrations'
                    """)
        }
        #expect(lax.isEmpty)
        try history.store.close(at: time(1))
    }

    @Test(arguments: [
        (OpenBindings.allSQL, "binding_open"),
        (OpenAllocations.allSQL, "event_ioasid"),
        (AsOf.ownershipSQL, "binding_ioasid"),
        (AsOf.holdingsSQL(column: "vm"), "binding_vm"),
        (AsOf.holdingsSQL(column: "process"), "binding_process"),
    ])
    func `Opening and as-of queries search by an index and scan no table`(sql: String, index: String) throws {
        let directory = try TemporaryDirectory()
        let history = try TestHistory(directory)
        let plan = try DatabaseQueue(path: directory.database).read { db in
            let statement = try db.makeStatement(sql: "EXPLAIN QUERY PLAN " + sql)
            statement.setUncheckedArguments([])
            return try Row.fetchAll(statement).map { $0["detail"] as String }
        }
        #expect(plan.contains { $0.contains(index) })
        for step in plan where step.hasPrefix("SCAN") {
            let isHarmless = ["USING", "held", "known", "CONSTANT"].contains { step.contains($0) }
            #expect(isHarmless, "\(step)")
        }
        try history.store.close(at: time(1))
    }
}
