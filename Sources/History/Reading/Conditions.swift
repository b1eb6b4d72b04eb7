internal import GRDB

/// The conditions of a WHERE clause with their arguments.
struct Conditions {
    private var terms: [String] = []
    private(set) var arguments = StatementArguments()

    /// Adds `term`, which has one `?`, for a value that is given.
    mutating func add(_ term: String, _ value: (some DatabaseValueConvertible)?) {
        guard let value else { return }
        terms.append(term)
        arguments += [value]
    }

    mutating func add(_ term: String) {
        terms.append(term)
    }

    mutating func add(_ filter: HistoryFilter) {
        add("ioasid = ?", filter.ioasid)
        add("guest_pasid = ?", filter.guestPASID)
        add("ioasid_set = ?", filter.ioasidSet.map { Int64(bitPattern: $0) })
        add("vm = ?", filter.vm.map { Int64(bitPattern: $0) })
        add("device_rid = ?", filter.deviceRID)
        add("process = ?", filter.process.map { Int64(bitPattern: $0) })
        add("uid = ?", filter.uid)
        add("pid = ?", filter.pid)
        add("connection = ?", filter.connection.map { Int64(bitPattern: $0) })
        add("daemon_run = ?", filter.daemonRun)
    }

    /// Adds `column` in `range`.
    mutating func add(_ column: String, in range: Range<Int64>?) {
        add("\(column) >= ?", range?.lowerBound)
        add("\(column) < ?", range?.upperBound)
    }

    /// The clause with the page, and its arguments, ordered by `key`.
    func clause(_ page: HistoryPage, by key: String) -> (sql: String, arguments: StatementArguments) {
        let direction = page.order == .oldestFirst ? "ASC" : "DESC"
        let filter = terms.isEmpty ? "" : "WHERE " + terms.joined(separator: " AND ")
        return (
            "\(filter) ORDER BY \(key) \(direction) LIMIT ? OFFSET ?", arguments + [page.limit, page.offset]
        )
    }
}
