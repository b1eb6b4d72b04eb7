/// A family of rows that are measured in the same way.
protocol Benchmark {
    /// The names of its rows, in the order of the report.
    var rowNames: [String] { get }

    /// Measures one of them.
    func measure(_ name: String, in context: BenchmarkContext) throws -> Row
}

/// What every benchmark gets.
struct BenchmarkContext {
    /// The daemon's program, an absolute path.
    let daemonPath: String
    /// The program of redis-server, an absolute path.
    let redisPath: String
    let directories: WorkDirectories
    let plan: Plan
}

/// How often and how long to measure.
struct Plan {
    /// Runs of each side; the median counts.
    let runs: Int
    /// What a run may take, nanoseconds, after `warmUpNanoseconds`.
    let runNanoseconds: UInt64
    let warmUpNanoseconds: UInt64
    /// The same for an operation in this process.
    let operationNanoseconds: UInt64
    /// Connections of the memory benchmark.
    let idleConnections: Int
    /// Ended bindings of the large history, of two rows each.
    let filledBindings: UInt64

    static let full = Plan(
        runs: 11, runNanoseconds: 400_000_000, warmUpNanoseconds: 80_000_000, operationNanoseconds: 10_000_000,
        idleConnections: 1000, filledBindings: 500_000)

    static let quick = Plan(
        runs: 3, runNanoseconds: 100_000_000, warmUpNanoseconds: 20_000_000, operationNanoseconds: 1_000_000,
        idleConnections: 100, filledBindings: 10_000)
}
