import Dispatch
import Foundation
import Testing

@testable import History

/// A directory that is removed with its last reference.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        let url = FileManager.default.temporaryDirectory.resolvingSymlinksInPath()
            .appendingPathComponent("swqd-history-" + UUID().uuidString)
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: false)
        path = url.path
    }

    deinit {
        do {
            try FileManager.default.removeItem(atPath: path)
        } catch {
            Issue.record("cannot remove \(path): \(error)")
        }
    }

    var database: String { path + "/" + HistoryStore.fileName }
}

/// What the writer reported, batch by batch.
final class Reports: Sendable {
    private struct State {
        var batches: [[HistoryCompletion]] = []
        var holds = false
    }

    private let state = Guarded(State())
    private let held = DispatchSemaphore(value: 0)
    private let resumed = DispatchSemaphore(value: 0)

    func take(_ batch: [HistoryCompletion]) {
        let holds = state.withLock { state in
            state.batches.append(batch)
            defer { state.holds = false }
            return state.holds
        }
        guard holds else { return }
        held.signal()
        resumed.wait()
    }

    /// The writer stops in its next report, until ``resume()``.
    func holdNext() {
        state.withLock { $0.holds = true }
    }

    func waitUntilHeld() {
        held.wait()
    }

    func resume() {
        resumed.signal()
    }

    var batches: [[HistoryCompletion]] { state.withLock { $0.batches } }
    var completions: [HistoryCompletion] { batches.flatMap { $0 } }
}

/// A store that is open, with what its writer reported.
final class TestHistory: Sendable {
    let store: HistoryStore
    let reports = Reports()

    init(
        _ directory: TemporaryDirectory, at wall: Int64 = 0, _ options: HistoryOptions = HistoryOptions()
    ) throws {
        store = try HistoryStore(directory: directory.path, options: options, at: time(wall)) { [reports] in
            reports.take($0)
        }
    }

    convenience init(_ directory: TemporaryDirectory, at wall: Int64 = 0, _ durability: DurabilityMode) throws {
        var options = HistoryOptions()
        options.durability = durability
        try self.init(directory, at: wall, options)
    }

    /// Records events and returns their outcomes.
    @discardableResult
    func record(_ events: HistoryEvent...) -> [HistoryCompletion.Outcome] {
        record(events)
    }

    @discardableResult
    func record(_ events: [HistoryEvent]) -> [HistoryCompletion.Outcome] {
        let before = reports.completions.count
        for (token, event) in events.enumerated() {
            #expect(store.writer.submit(event, token: UInt64(token)) == .queued)
        }
        store.writer.flush()
        let completions = reports.completions.dropFirst(before)
        #expect(completions.map(\.token) == (0..<UInt64(events.count)).map { $0 })
        return completions.map(\.outcome)
    }

    func alive(at wall: Int64) {
        store.writer.noteAlive(at: time(wall))
        store.writer.flush()
    }

    func owner(_ ioasid: UInt32, at nanoseconds: Int64) throws -> HistoryOwnership {
        try store.reader.owner(ofIOASID: ioasid, at: time(nanoseconds))
    }

    /// The whole log, oldest first.
    func log() throws -> [EventRow] {
        var rows: [EventRow] = []
        while true {
            var query = EventQuery()
            query.sequences = (rows.last?.sequence ?? 0) + 1..<Int64.max
            query.page = try #require(HistoryPage(limit: HistoryPage.rowsMax, order: .oldestFirst))
            let page = try store.reader.events(query)
            rows += page
            if page.count < HistoryPage.rowsMax { return rows }
        }
    }

    /// All bindings, oldest first.
    func bindings() throws -> [BindingRow] {
        var query = BindingQuery()
        query.page = try #require(HistoryPage(limit: HistoryPage.rowsMax, order: .oldestFirst))
        return try store.reader.bindings(query)
    }
}

func time(_ nanoseconds: Int64) -> HistoryTime {
    HistoryTime(nanoseconds: nanoseconds)
}

/// An event of a guest's process, VM 1, on IOASID `ioasid`.
func event(
    _ kind: HistoryEventKind, _ ioasid: UInt32, at wall: Int64, cause: HistoryCause = .request, vm: UInt64? = 1,
    process: UInt64? = 7, uid: UInt32? = 1000
) -> HistoryEvent {
    HistoryEvent(
        kind: kind, cause: cause, wallTime: time(wall),
        subject: HistorySubject(
            ioasid: ioasid, guestPASID: vm == nil ? nil : ioasid + 100, ioasidSet: 1, vm: vm, deviceRID: 0x6A01,
            process: process, uid: uid, pid: 4242, connection: 9))
}

extension HistoryCompletion.Outcome {
    var sequence: Int64? {
        if case .recorded(let sequence, _) = self { sequence } else { nil }
    }

    var time: HistoryTime? {
        if case .recorded(_, let time) = self { time } else { nil }
    }
}

extension HistoryOwnership {
    var binding: BindingRow? {
        if case .bound(let binding) = self { binding } else { nil }
    }
}
