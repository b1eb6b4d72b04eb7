internal import ArgumentParser
internal import Platform

/// Measures the daemon beside what it is compared with, both sides in one run.
@main
struct SwqBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "swqbench", abstract: "Measures swqd beside redis-server, SQLite and the C library.",
        discussion: "Exit status: 0, 1 when a measurement failed (with --require also when a target was missed).")

    @Option(help: "The daemon's program.")
    var daemon = "build/bin/swqd"

    @Option(help: "The program of redis-server; looked for in PATH.")
    var redis = "redis-server"

    @Option(help: "Where the JSON report goes.")
    var output = "build/bench.json"

    @Option(help: "An existing directory, for state, on the file system that is to be measured.")
    var directory = "build"

    @Option(help: "Measure only rows whose name begins so. May be repeated.")
    var only: [String] = []

    @Flag(help: "Fewer and shorter runs: to see that everything works.")
    var quick = false

    @Flag(help: "Fail when a target is missed.")
    var require = false

    @Flag(help: "Print the names of the rows and end.")
    var list = false

    func run() throws {
        let benchmarks = Self.benchmarks
        if list {
            for name in benchmarks.flatMap(\.rowNames) { print(name) }
            return
        }
        try DescriptorLimit.raise()
        let directories = try WorkDirectories(beside: directory)
        let context = BenchmarkContext(
            daemonPath: try ProgramPath.find(daemon), redisPath: try ProgramPath.find(redis),
            directories: directories, plan: quick ? .quick : .full)
        var report = Report()
        for benchmark in benchmarks {
            let names = benchmark.rowNames.filter { name in only.isEmpty || only.contains { name.hasPrefix($0) } }
            for name in names {
                Progress.show(name)
                do {
                    report.rows.append(try benchmark.measure(name, in: context))
                } catch {
                    report.failures.append((name, "\(error)"))
                }
            }
        }
        Progress.clear()
        print(report.table(), terminator: "")
        try report.write(to: output)
        guard report.failures.isEmpty, !require || report.rows.allSatisfy(\.holds) else { throw ExitCode(1) }
    }

    private static var benchmarks: [any Benchmark] {
        [
            ProtocolBenchmark(), RingBenchmark(), BindBenchmark(), IdleConnectionBenchmark(), StartBenchmark(),
            DataBenchmark(),
            SubmissionLatencyBenchmark(),
        ]
    }
}
