import History
import Platform
import TestKit

/// The history of a state directory as a program finds it that opens it after the daemon has stopped.
enum WholeHistory {
    /// What is wrong with it.
    ///
    /// - Parameter crashCount: How many runs of the daemon were killed before the one that stopped in order.
    static func faults(in directory: String, crashCount: Int) throws -> [String] {
        let store = try HistoryStore(
            directory: directory, at: HistoryTime(nanoseconds: WallClock.nanoseconds()), completed: { _ in })
        var faults: [String] = []
        if store.opening.recoveredBindings != 0 || store.opening.gap != nil {
            faults.append("the last run did not stop in order: \(store.opening)")
        }

        let runs = try store.reader.daemonRuns(page(of: HistoryPage.rowsMax)).dropLast()
        for (index, run) in runs.enumerated() where (run.restartTime != nil) != (index < crashCount) {
            faults.append("run \(index): \(run)")
        }
        if runs.count != crashCount + 1 { faults.append("\(runs.count) runs, of which \(crashCount) crashed") }

        var newest: [UInt32: BindingRow] = [:]
        for binding in try bindings(store.reader) {
            guard let unbound = binding.unbound, unbound.sequence > binding.bound.sequence,
                unbound.time > binding.bound.time
            else {
                faults.append("an open or empty interval: \(binding)")
                continue
            }
            if let before = newest.updateValue(binding, forKey: binding.subject.ioasid)?.unbound,
                before.sequence >= binding.bound.sequence || before.time > binding.bound.time
            {
                faults.append("an interval begins before the one before it ends: \(binding)")
            }
        }
        try store.close(at: HistoryTime(nanoseconds: WallClock.nanoseconds()))
        return faults
    }

    /// All bindings in the order in which they were bound.
    private static func bindings(_ reader: HistoryReader) throws -> [BindingRow] {
        var rows: [BindingRow] = []
        while true {
            var query = BindingQuery()
            query.page = try page(of: HistoryPage.rowsMax)
            query.sequences = (rows.last?.bound.sequence ?? 0) + 1..<Int64.max
            let found = try reader.bindings(query)
            rows += found
            if found.count < HistoryPage.rowsMax { return rows }
        }
    }

    private static func page(of limit: Int) throws -> HistoryPage {
        guard let page = HistoryPage(limit: limit, order: .oldestFirst) else {
            throw TestFailure("no page of \(limit) rows")
        }
        return page
    }
}
