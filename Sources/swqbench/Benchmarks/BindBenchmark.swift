internal import CLoadGenerator

/// Durable binds and unbinds through the socket, each client waiting for its reply, beside SQLite writing the same rows
/// into the same tables with one transaction for as many as wait.
struct BindBenchmark: Benchmark {
    private static let targets = [1: 0.5, 256: 0.8]

    var rowNames: [String] { Self.targets.keys.sorted().map { "history.bind.\($0)" } }

    func measure(_ name: String, in context: BenchmarkContext) throws -> Row {
        guard let waiters = name.split(separator: ".").last.flatMap({ Int($0) }), let target = Self.targets[waiters]
        else { throw BenchError("no row \(name)") }
        let daemon = try Daemon(context)
        let load = try Self.load(waiters: waiters, daemon)
        let rows = try RawHistory(path: context.directories.newState() + "/raw.sqlite", model: daemon.historyPath)
        var acknowledged: UInt64 = 0
        let before = try RawHistory.count(daemon.historyPath, "bind")
        let comparison = try Comparison.interleaved(runs: context.plan.runs) {
            let result = try load.run(server: daemon.process, plan: context.plan)
            acknowledged += result.completedInAll
            // Every second one is an unbind.
            return result.rate / 2
        } peer: {
            try rows.pairsPerSecond(waiters: waiters, nanoseconds: context.plan.runNanoseconds)
        }
        let (binds, unbinds) = (
            try RawHistory.count(daemon.historyPath, "bind"), try RawHistory.count(daemon.historyPath, "unbind")
        )
        guard UInt64(binds - before) * 2 == acknowledged, unbinds == binds else {
            throw BenchError("\(acknowledged) acknowledged; the history has \(binds) binds, \(unbinds) unbinds")
        }
        try daemon.process.stop()
        return Row(
            name, unit: "bind+unbind/s", peer: RawHistory.name, comparison, .largerIsBetter, target: target,
            note: "\(acknowledged) acknowledged, all in the history")
    }

    /// `waiters` vCPUs, each with a guest PASID and an IOASID of its own, that bind and unbind it in turn.
    private static func load(waiters: Int, _ daemon: Daemon) throws -> LoadPlan {
        let guest = try Guest(daemon, byteCount: 4096, pasidQuota: UInt64(waiters))
        let plan = LoadPlan(reply: BENCH_REPLY_RETURN, slotCount: 2, inFlight: 1)
        var pending: [(connection: MonitorConnection, slots: [[UInt8]])] = []
        for index in 0..<waiters {
            let connection = try guest.attachProcessor(daemon)
            let allocated = try connection.execute("alloc-ioasid", [:], returning: Allocated.self)
            let guestPASID = MonitorConnection.Argument.number(UInt64(index + 1))
            let requests = [
                MonitorConnection.request(
                    "bind-guest-pasid",
                    ["guestPasid": guestPASID, "device": "dsa0", "ioasid": .number(UInt64(allocated.ioasid))]),
                MonitorConnection.request("unbind-guest-pasid", ["guestPasid": guestPASID, "device": "dsa0"]),
            ]
            pending.append((connection, requests.map { Array(($0 + "\n").utf8) }))
        }
        // The longest first: it sets the length of all.
        for client in pending.sorted(by: { $0.slots[0].count > $1.slots[0].count }) {
            unsafe plan.add(
                descriptor: client.connection.descriptor, owner: Client(client.connection, guest), slots: client.slots)
        }
        return plan
    }

    private struct Allocated: Decodable { let ioasid: UInt32 }

    /// A vCPU, and the VM that it is of.
    private final class Client {
        private let connection: MonitorConnection
        private let guest: Guest

        init(_ connection: MonitorConnection, _ guest: Guest) {
            self.connection = connection
            self.guest = guest
        }
    }
}
