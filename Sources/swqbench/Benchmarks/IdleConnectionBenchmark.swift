internal import Platform

/// The memory that a server needs for a connection which has negotiated and is silent.
struct IdleConnectionBenchmark: Benchmark {
    var rowNames: [String] { ["memory.idle-connection"] }

    func measure(_ name: String, in context: BenchmarkContext) throws -> Row {
        let count = context.plan.idleConnections
        var version = ""
        let comparison = try Comparison.interleaved(runs: context.plan.runs) {
            let daemon = try Daemon(context)
            // The first one, so that what the first client costs is not counted.
            let first = try daemon.connect()
            let before = try daemon.process.anonymousBytes()
            let connections = try (0..<count).map { _ in try daemon.connect() }
            let after = try daemon.process.anonymousBytes()
            return try withExtendedLifetime((first, connections)) {
                try daemon.process.stop()
                return Double(after - before) / Double(count)
            }
        } peer: {
            let redis = try RedisServer(context, processor: nil)
            version = redis.version
            let first = Box(try redis.connect())
            let before = try redis.process.anonymousBytes()
            let connections = try (0..<count).map { _ in Box(try redis.connect()) }
            let after = try redis.process.anonymousBytes()
            return try withExtendedLifetime((first, connections)) {
                try redis.process.stop()
                return Double(after - before) / Double(count)
            }
        }
        return Row(
            name, unit: "bytes", peer: version, comparison, .smallerIsBetter,
            note: "growth of anonymous memory over \(count) connections")
    }

    private final class Box {
        private let connection: ClientConnection

        init(_ connection: consuming ClientConnection) {
            self.connection = connection
        }
    }
}
