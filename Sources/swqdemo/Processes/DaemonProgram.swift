internal import FoundationEssentials
internal import Platform

/// The daemon with its default configuration, everything of it in one directory.
final class DaemonProgram {
    let socketPath: String
    let adminSocketPath: String
    private let logPath: String
    private let program: ChildProgram

    /// Starts it and waits until it is ready.
    init(path: String, directory: String) throws {
        socketPath = "\(directory)/swqd.sock"
        adminSocketPath = "\(directory)/admin.sock"
        logPath = "\(directory)/swqd.log"
        let readiness = try ReadinessSocket(path: "\(directory)/notify.sock")
        program = try ChildProgram(
            path, ["--socket", socketPath, "--state-dir", "\(directory)/state"],
            environment: ["NOTIFY_SOCKET": readiness.path], outputPath: logPath)
        guard try program.waitUntilReady(readiness) else { throw DemoError("swqd does not get ready:\n\(log)") }
    }

    var id: ProcessID { program.id }

    /// What it said so far.
    var log: String {
        FileManager.default.contents(atPath: logPath).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    /// Ends it as an administrator would, and throws unless it ends in order.
    func stop() throws {
        program.terminate()
        try program.waitForSuccess("swqd")
    }
}
