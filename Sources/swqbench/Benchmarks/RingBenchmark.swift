internal import CLoadGenerator
internal import Platform

/// A program's submission through a ring, with the daemon spinning on the other processor: how long ENQCMD of a No-op
/// takes until ZF is there. The peer is the least that two processes can do: one word there and one word back.
struct RingBenchmark: Benchmark {
    /// How many times as long as the peer it may take.
    private static let factorMax = 3.0

    var rowNames: [String] { ["client.ring-round-trip"] }

    func measure(_ name: String, in context: BenchmarkContext) throws -> Row {
        let processors = try Processors()
        // A daemon that may use one processor takes it that its clients may use no other.
        let daemon = try Daemon(
            context, processor: processors.server, configuration: #"{"limits": {"ringSpinUs": 100}}"#)
        let client = try daemon.connect()
        try client.run("attach-process")
        _ = try client.execute("bind-process", ["device": "dsa0"], returning: Bound.self)
        let portal = try client.execute("map-portal", ["device": "dsa0", "wq": 0], returning: Mapped.self)
        _ = try client.execute("attach-ring", [:], returning: Attached.self)
        let memory = try client.takeDescriptor()
        let bell = try client.takeDescriptor()
        var retries: UInt64 = 0
        let comparison = try Processors.pinned(to: processors.load) {
            try Comparison.interleaved(runs: context.plan.runs) {
                var nanoseconds = 0.0
                var retried: UInt64 = 0
                try BenchError.check(
                    unsafe bench_ring_round_trip(
                        memory.rawValue, bell.rawValue, client.descriptor, portal.address.value,
                        context.plan.runNanoseconds, &nanoseconds, &retried))
                retries += retried
                return nanoseconds
            } peer: {
                var nanoseconds = 0.0
                try BenchError.check(
                    unsafe bench_pingpong(processors.server, context.plan.runNanoseconds, &nanoseconds))
                return nanoseconds
            }
        }
        try daemon.process.stop()
        return Row(
            name, unit: "ns", peer: "spinning on one word each way", comparison, .smallerIsBetter,
            target: 1 / Self.factorMax, counts: retries == 0, note: "\(retries) answered Retry")
    }

    private struct Bound: Decodable {
        let pasid: UInt32
    }

    private struct Mapped: Decodable {
        let address: WireAddress
    }

    private struct Attached: Decodable {
        let slots: UInt32
    }
}
