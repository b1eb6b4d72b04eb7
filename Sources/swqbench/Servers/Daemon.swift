internal import CLoadGenerator
internal import Glibc
internal import Platform

/// The daemon, with its default configuration.
struct Daemon {
    let process: ServerProcess
    let socketPath: String
    let stateDirectory: String
    /// From just before the program is started to READY=1, nanoseconds.
    let startNanoseconds: UInt64

    /// Starts it and waits until it is ready.
    ///
    /// - Parameter stateDirectory: An existing one; `nil` for a new one.
    init(_ context: BenchmarkContext, processor: Int32? = nil, stateDirectory: String? = nil) throws {
        let state = try stateDirectory ?? context.directories.newState()
        let path = context.directories.newSocket()
        let notifyPath = context.directories.newSocket()
        let notify = OwnedFD(adopting: try BenchError.check(unsafe bench_notify_open(notifyPath)))
        self.stateDirectory = state
        socketPath = path
        let start = bench_now()
        process = try ServerProcess(
            context.daemonPath, ["--socket", path, "--state-dir", state],
            environment: ["NOTIFY_SOCKET": notifyPath], processor: processor, log: "\(state)/log")
        guard try BenchError.check(bench_notify_wait(notify.rawValue, process.id, 60_000)) == 1 else {
            throw BenchError("swqd does not get ready: \(process.output)")
        }
        startNanoseconds = bench_now() - start
    }

    /// Its database.
    var historyPath: String { "\(stateDirectory)/history.sqlite" }

    /// A negotiated connection that receives no events.
    func connect() throws -> MonitorConnection {
        try MonitorConnection(path: socketPath)
    }
}
