/// From exec to READY with a history of a million rows, beside an empty one.
struct StartBenchmark: Benchmark {
    var rowNames: [String] { ["start.million"] }

    func measure(_ name: String, in context: BenchmarkContext) throws -> Row {
        let (full, empty) = (try Self.history(context), try Self.history(context))
        try RawHistory.fill(full.historyPath, bindings: context.plan.filledBindings)
        let comparison = try Comparison.interleaved(runs: context.plan.runs) {
            try Self.startMilliseconds(context, full.stateDirectory)
        } peer: {
            try Self.startMilliseconds(context, empty.stateDirectory)
        }
        return Row(
            name, unit: "ms to READY", peer: "swqd, empty history", comparison, .smallerIsBetter,
            note: "\(context.plan.filledBindings * 2) events, \(context.plan.filledBindings) bindings")
    }

    /// A state directory that a daemon has used once.
    private static func history(_ context: BenchmarkContext) throws -> Daemon {
        let daemon = try Daemon(context)
        try daemon.process.stop()
        return daemon
    }

    private static func startMilliseconds(_ context: BenchmarkContext, _ stateDirectory: String) throws -> Double {
        let daemon = try Daemon(context, stateDirectory: stateDirectory)
        try daemon.process.stop()
        return Double(daemon.startNanoseconds) / 1e6
    }
}
