internal import CLoadGenerator
internal import FoundationEssentials
internal import Platform

/// Submissions through the socket beside redis-server's `SET`: No-op descriptors from guest processes, by ENQCMD with
/// PASID translation, a completion record in guest memory for each.
struct ProtocolBenchmark: Benchmark {
    private struct Shape {
        let connections: Int
        let inFlight: Int
        let target: Double

        var name: String { "protocol.\(connections)x\(inFlight)" }

        /// One request at a time leaves no work for a second processor.
        var sharesProcessor: Bool { connections == 1 && inFlight == 1 }
    }

    private static let shapes = [
        Shape(connections: 1, inFlight: 1, target: 1.0),
        Shape(connections: 1, inFlight: 32, target: 1.0),
        Shape(connections: 50, inFlight: 16, target: 1.3),
    ]

    /// Below it the rate is one of refusals.
    private static let acceptedShareMin = 0.99

    var rowNames: [String] { Self.shapes.map(\.name) }

    func measure(_ name: String, in context: BenchmarkContext) throws -> Row {
        guard let shape = Self.shapes.first(where: { $0.name == name }) else { throw BenchError("no row \(name)") }
        let processors = try Processors()
        let redis = try RedisServer(context, processor: processors.server)
        let daemon = try Daemon(context, processor: processors.server)
        let sets = try Self.sets(shape, redis)
        let submissions = try Self.submissions(shape, daemon)
        var (own, peer) = (Tally(), Tally())
        let comparison = try Processors.pinned(to: shape.sharesProcessor ? processors.server : processors.load) {
            try Comparison.interleaved(runs: context.plan.runs) {
                own.add(try submissions.run(server: daemon.process, plan: context.plan))
            } peer: {
                peer.add(try sets.run(server: redis.process, plan: context.plan))
            }
        }
        try Self.checkTotals(of: daemon, completed: own.completedInAll)
        try daemon.process.stop()
        try redis.process.stop()
        let note =
            "accepted \(Report.decimal(own.acceptedShare * 100, places: 2)) %, late records "
            + "\(Report.decimal(own.lateShare * 100, places: 1)) %, server CPU "
            + "\(Report.decimal(own.serverNanoseconds.median, places: 0)) ns per request "
            + "(redis \(Report.decimal(peer.serverNanoseconds.median, places: 0)))"
        return Row(
            name, unit: "thousand requests/s", peer: "\(redis.version) SET of 64 bytes", comparison, .largerIsBetter,
            target: shape.target, counts: own.acceptedShare >= Self.acceptedShareMin, note: note)
    }

    /// The daemon must have counted what the load generator did: every accepted descriptor completed, none twice.
    private static func checkTotals(of daemon: Daemon, completed: UInt64) throws {
        let totals = try daemon.connect().execute("query-status", [:], returning: Totals.self)
        guard totals.accepted.value == completed, totals.completed.value == completed, totals.abandoned.value == 0
        else {
            throw BenchError(
                "\(completed) completion records, but swqd counts \(totals.accepted.value) accepted, "
                    + "\(totals.completed.value) completed, \(totals.abandoned.value) abandoned")
        }
    }

    private struct Totals: Decodable {
        let accepted: WireCount
        let completed: WireCount
        let abandoned: WireCount
    }

    /// What all runs of a side came to.
    private struct Tally {
        private var completed: UInt64 = 0
        private var retried: UInt64 = 0
        private var late: UInt64 = 0
        private(set) var completedInAll: UInt64 = 0
        private(set) var serverNanoseconds = Samples()

        /// Adds a run and returns its rate in thousands.
        mutating func add(_ result: LoadResult) -> Double {
            completed += result.completed
            retried += result.retried
            late += result.late
            completedInAll += result.completedInAll
            serverNanoseconds.append(result.serverNanoseconds)
            return result.rate / 1000
        }

        var acceptedShare: Double { Double(completed) / Double(max(completed + retried, 1)) }

        var lateShare: Double { Double(late) / Double(max(completed, 1)) }
    }

    private static func sets(_ shape: Shape, _ redis: RedisServer) throws -> LoadPlan {
        let plan = LoadPlan(reply: BENCH_REPLY_OK, slotCount: shape.inFlight, inFlight: shape.inFlight)
        for connection in 0..<shape.connections {
            let owner = ConnectionBox(try redis.connect())
            let slots = (0..<shape.inFlight).map { RedisServer.setRequest(key: connection * shape.inFlight + $0) }
            unsafe plan.add(descriptor: owner.descriptor, owner: owner, slots: slots)
        }
        return plan
    }

    private static func submissions(_ shape: Shape, _ daemon: Daemon) throws -> LoadPlan {
        let recordByteCount = Int(BENCH_RECORD_BYTES)
        let recordsByteCount = shape.inFlight * recordByteCount
        let guest = try Guest(
            daemon, byteCount: shape.connections * (recordsByteCount + 4096), pasidQuota: UInt64(shape.connections))
        let plan = LoadPlan(reply: BENCH_REPLY_SUBMISSION, slotCount: shape.inFlight, inFlight: shape.inFlight)
        for index in 0..<shape.connections {
            let process = try guest.attachProcess(daemon, guestPASID: UInt64(index + 1), device: "dsa0", wq: 0)
            let records = guest.allocate(byteCount: recordsByteCount)
            let slots = (0..<shape.inFlight).map { slot in
                let record = guest.address(ofByteAt: records + slot * recordByteCount)
                return submission(record: record, portal: process.portal + UInt64(slot % 64 * 64))
            }
            unsafe plan.add(
                descriptor: process.connection.descriptor, owner: Pair(process.connection, guest), slots: slots,
                records: guest.memory.baseAddress + records)
        }
        return plan
    }

    /// ENQCMD of a No-op that reports its completion: opcode 0, flags CRAV and RCR.
    private static func submission(record: UInt64, portal: UInt64) -> [UInt8] {
        var descriptor = Data(count: 64)
        descriptor[4] = 0x0C
        for byte in 0..<8 { descriptor[8 + byte] = UInt8(truncatingIfNeeded: record >> UInt64(byte * 8)) }
        let request = MonitorConnection.request(
            "enqcmd", ["destination": .hex(portal), "descriptor": .text(descriptor.base64EncodedString())])
        return Array((request + "\n").utf8)
    }

    /// A connection whose owner is shared.
    private final class ConnectionBox {
        private let connection: ClientConnection

        init(_ connection: consuming ClientConnection) {
            self.connection = connection
        }

        var descriptor: Int32 { connection.socket.descriptor.rawValue }
    }

    /// Two objects that live together.
    private final class Pair {
        private let objects: (AnyObject, AnyObject)

        init(_ first: AnyObject, _ second: AnyObject) {
            objects = (first, second)
        }
    }
}
