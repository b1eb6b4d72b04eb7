internal import CLoadGenerator
internal import FoundationEssentials
internal import Glibc
internal import Platform

/// How long ENQCMD takes while an engine moves 1 GiB, beside how long it takes while an unrelated process copies as
/// much on the daemon's processor: an engine that is busy must not cost a submission more than any other program does.
struct SubmissionLatencyBenchmark: Benchmark {
    /// At most 1.2 times as long.
    private static let target = 1 / 1.2
    private static let byteCount: UInt64 = 1 << 30
    /// What stands behind source and destination, again and again, so that no run waits for memory.
    private static let pieceByteCount = 2 << 20
    /// More round trips than a copy of 1 GiB has time for.
    private static let tripCountMax = 1 << 20
    /// Fewer say nothing about one in a hundred.
    private static let tripCountMin = 500

    var rowNames: [String] { ["latency.beside-1GiB-move"] }

    func measure(_ name: String, in context: BenchmarkContext) throws -> Row {
        let processors = try Processors()
        let daemon = try Daemon(context, processor: processors.server)
        let guest = try Guest(daemon, byteCount: 8 << 20, pasidQuota: 2)
        guest.mapRepeatedly(gibibytes: 2)
        let load = try guest.attachProcess(daemon, guestPASID: 1, device: "dsa0", wq: 0)
        let mover = try guest.attachProcess(daemon, guestPASID: 2, device: "dsa0", wq: 0)
        let records = guest.allocate(byteCount: 4096)
        let record = unsafe guest.memory.baseAddress + records
        let move = Self.descriptor(
            opcode: 0x03, record: guest.address(ofByteAt: records), source: Guest.repeatedAddress,
            destination: Guest.repeatedAddress + Self.byteCount, size: UInt32(Self.byteCount))
        let noOp = Self.line(
            Self.descriptor(opcode: 0x00, record: guest.address(ofByteAt: records + 64)), portal: load.portal)
        var least = Int.max
        let comparison = try Processors.pinned(to: processors.load) {
            try Comparison.interleaved(runs: context.plan.runs) {
                unsafe record.storeBytes(of: 0, as: UInt8.self)
                try mover.connection.run(
                    "enqcmd", ["destination": .hex(mover.portal), "descriptor": .text(move.base64EncodedString())])
                let samples = unsafe try Self.trips(
                    load.connection.descriptor, noOp, until: UnsafePointer(record.assumingMemoryBound(to: UInt8.self)))
                guard unsafe record.load(as: UInt8.self) == 1 else { throw BenchError("the move has failed") }
                least = min(least, samples.values.count)
                return samples.percentile99 / 1000
            } peer: {
                var child: pid_t = 0
                var end: UnsafePointer<UInt8>?
                try BenchError.check(
                    unsafe bench_copy_process(
                        processors.server, Self.byteCount, Self.pieceByteCount, &end, &child))
                defer { _ = bench_wait(child, 10_000) }
                guard let end = unsafe end else { throw BenchError("a process that was started has an end") }
                let samples = unsafe try Self.trips(load.connection.descriptor, noOp, until: end)
                least = min(least, samples.values.count)
                return samples.percentile99 / 1000
            }
        }
        try daemon.process.stop()
        return Row(
            name, unit: "microseconds", peer: "the same beside a process that does memcpy", comparison,
            .smallerIsBetter, target: Self.target, counts: least >= Self.tripCountMin,
            note: "99th percentile; at least \(least) submissions a run")
    }

    /// Submits until the byte at `end` is set.
    private static func trips(
        _ descriptor: Int32, _ request: [UInt8], until end: UnsafePointer<UInt8>
    ) throws -> Samples {
        var nanoseconds = [UInt64](repeating: 0, count: tripCountMax)
        var count = 0
        try BenchError.check(
            unsafe bench_round_trips(
                descriptor, request, request.count, end, &nanoseconds, tripCountMax, &count))
        guard count > 0 else { throw BenchError("the copy ended before the first submission") }
        return Samples(values: nanoseconds.prefix(count).map(Double.init))
    }

    /// With CRAV and RCR.
    private static func descriptor(
        opcode: UInt8, record: UInt64, source: UInt64 = 0, destination: UInt64 = 0, size: UInt32 = 0
    ) -> Data {
        var bytes = Data(count: 64)
        bytes[4] = 0x0C
        bytes[7] = opcode
        for (offset, word) in [(8, record), (16, source), (24, destination), (32, UInt64(size))] {
            for byte in 0..<8 { bytes[offset + byte] = UInt8(truncatingIfNeeded: word >> UInt64(byte * 8)) }
        }
        return bytes
    }

    private static func line(_ descriptor: Data, portal: UInt64) -> [UInt8] {
        let request = MonitorConnection.request(
            "enqcmd", ["destination": .hex(portal), "descriptor": .text(descriptor.base64EncodedString())])
        return Array((request + "\n").utf8)
    }
}
