internal import CLoadGenerator

/// The two processors that servers and the load generator are confined to.
struct Processors {
    let server: Int32
    let load: Int32

    init() throws(BenchError) {
        var numbers: [Int32] = [0, 0]
        try BenchError.check(unsafe bench_processors(&numbers, 2))
        (server, load) = (numbers[0], numbers[1])
    }

    /// Runs `body` with this thread on one processor only.
    static func pinned<Result>(to processor: Int32, _ body: () throws -> Result) throws -> Result {
        try BenchError.check(bench_pin(processor))
        defer { _ = bench_pin(-1) }
        return try body()
    }
}
