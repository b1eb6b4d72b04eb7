internal import CLoadGenerator
internal import FoundationEssentials
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
    /// - Parameters:
    ///   - stateDirectory: An existing one; `nil` for a new one.
    ///   - configuration: The text of a configuration file.
    init(
        _ context: BenchmarkContext, processor: Int32? = nil, stateDirectory: String? = nil,
        configuration: String? = nil
    ) throws {
        let state = try stateDirectory ?? context.directories.newState()
        let path = context.directories.newSocket()
        let notifyPath = context.directories.newSocket()
        let notify = OwnedFD(adopting: try BenchError.check(unsafe bench_notify_open(notifyPath)))
        self.stateDirectory = state
        socketPath = path
        var arguments = ["--socket", path, "--state-dir", state]
        if let configuration {
            let file = "\(state)/swqd.json"
            guard FileManager.default.createFile(atPath: file, contents: Data(configuration.utf8)) else {
                throw BenchError("\(file) cannot be written")
            }
            arguments += ["--config", file]
        }
        let start = bench_now()
        process = try ServerProcess(
            context.daemonPath, arguments,
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
