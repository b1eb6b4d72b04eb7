internal import CLoadGenerator
internal import DSA
internal import DSASpec
internal import Glibc
internal import IOMMU
internal import PCIe

/// Operations on shared memory, in this process and from the checked descriptor to its record, with the guest's nested
/// translation of every page, beside the routine of a library for the same bytes.
struct DataBenchmark: Benchmark {
    private static let sizes = [
        ("4KiB", 4 << 10), ("64KiB", 64 << 10), ("512KiB", 512 << 10), ("1MiB", 1 << 20),
    ]

    /// The sizes of an operation's rows: two and the largest it takes.
    private static func sizes(of operation: DataOperation) -> [(String, Int)] {
        sizes.filter { $0.1 <= 64 << 10 || $0.1 == operation.byteCountMax }
    }

    private static let target = 0.9

    var rowNames: [String] {
        DataOperation.allCases.flatMap { operation in
            Self.sizes(of: operation).map { "data.\(operation.rawValue).\($0.0)" }
        }
    }

    func measure(_ name: String, in context: BenchmarkContext) throws -> Row {
        for operation in DataOperation.allCases {
            for (label, byteCount) in Self.sizes(of: operation) where name == "data.\(operation.rawValue).\(label)" {
                return try measure(name, operation, byteCount, context)
            }
        }
        throw BenchError("no row \(name)")
    }

    private func measure(
        _ name: String, _ operation: DataOperation, _ byteCount: Int, _ context: BenchmarkContext
    ) throws -> Row {
        var path = try OperationPath(dataByteCount: byteCount)
        let descriptor = path.descriptor(operation, byteCount: byteCount)
        path.buffers.prepare(for: operation, byteCount: byteCount)
        try path.verify(operation, descriptor, byteCount: byteCount)
        let buffers = path.buffers
        let comparison = try Comparison.interleaved(runs: context.plan.runs) {
            try Self.gigabytesPerSecond(byteCount, context.plan) { try path.run(descriptor) }
        } peer: {
            try Self.gigabytesPerSecond(byteCount, context.plan) { operation.callLibrary(buffers, byteCount) }
        }
        return Row(
            name, unit: "GB/s", peer: operation.library, comparison, .largerIsBetter, target: Self.target)
    }

    /// Repeats `body` for the time of a run, in CPU time of this thread: what other processes take does not count.
    private static func gigabytesPerSecond(
        _ byteCount: Int, _ plan: Plan, _ body: () throws -> Void
    ) throws -> Double {
        // Enough between two looks at the clock to make them cheap: it takes a system call.
        let batch = max(1, (4 << 20) / byteCount)
        var repetitions = 0
        let start = bench_thread_time()
        var elapsed: UInt64 = 0
        repeat {
            for _ in 0..<batch { try body() }
            repetitions += batch
            elapsed = bench_thread_time() - start
        } while elapsed < plan.operationNanoseconds
        return Double(repetitions * byteCount) / Double(elapsed)
    }
}
