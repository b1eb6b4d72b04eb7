internal import FoundationEssentials
internal import Glibc
internal import Platform

/// A daemon for one program, with everything of it in a directory of its own.
///
/// A keeper process (`swqctl keep-daemon`) starts the daemon, and ends it and removes the directory when this process
/// is done or gone: however it ends, its end of a pipe closes.
final class PrivateDaemon {
    /// The daemon's main socket.
    let socketPath: String
    private let keeper: SpawnedProgram
    /// Closing it ends the daemon.
    private var lifeline: OwnedFD?

    /// Starts a daemon and waits until it is ready.
    init(
        _ installation: Installation, layout: String?, environment: [String: String], signalMask: SignalMask
    ) throws(RunError) {
        let daemon = try installation.swqd()
        let directory = try Self.makeDirectory(environment)
        socketPath = "\(directory)/swqd.sock"
        var arguments = ["swqctl", KeepDaemonCommand.name, directory, daemon, "--socket", socketPath]
        arguments += ["--state-dir", "\(directory)/state", "--history-durability", "off", "--log-level", "error"]
        if let layout { arguments += ["--device-layout", layout] }
        let isReady: Bool
        do throws(SystemError) {
            let readiness = try ReadinessSocket(path: "\(directory)/notify.sock")
            let pipe = try PipeEnds()
            lifeline = try pipe.writer.duplicate()
            var options = SpawnedProgram.Options(signalMask: signalMask)
            options.keptDescriptor = pipe.reader.rawValue
            options.hasOwnSession = true
            options.isSilent = true
            keeper = try SpawnedProgram(
                installation.swqctl, arguments: arguments,
                environment: Self.environment(environment, directory: directory, readiness: readiness.path), options)
            isReady = try readiness.waitUntilReady(orEnd: keeper.handle)
        } catch {
            try? FileManager.default.removeItem(atPath: directory)
            throw .failed("swqd cannot be started: \(error)")
        }
        guard isReady else {
            stop()
            throw .failed("swqd does not start; it has said why")
        }
    }

    /// Ends the daemon and waits until nothing is left of it.
    func stop() {
        lifeline = nil
        _ = try? keeper.waitForEnd()
    }

    /// A directory that nobody else may enter, whose path leaves room for the names of sockets.
    private static func makeDirectory(_ environment: [String: String]) throws(RunError) -> String {
        let candidates = [environment["XDG_RUNTIME_DIR"], environment["TMPDIR"], "/tmp"].compactMap(\.self)
            .filter { $0.hasPrefix("/") && $0.utf8.count <= 60 }
        var reason = ""
        for parent in candidates {
            var template = Array("\(parent)/swqctl-run.XXXXXX".utf8CString)
            let made = unsafe template.withUnsafeMutableBufferPointer { unsafe mkdtemp($0.baseAddress!) != nil }
            if made {
                return String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
            }
            reason = "\(SystemError.last("mkdtemp", parent))"
        }
        throw .failed("there is no place for a daemon: \(reason)")
    }

    /// The daemon's environment: this one, without what belongs to another service or would configure the daemon.
    private static func environment(
        _ variables: [String: String], directory: String, readiness: String
    ) -> [String] {
        let foreign: Set = [
            "LD_PRELOAD", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID",
            "LISTEN_FDNAMES", "STATE_DIRECTORY",
        ]
        var own = variables.filter { !foreign.contains($0.key) && !$0.key.hasPrefix("SWQD_") }
        own["NOTIFY_SOCKET"] = readiness
        own["RUNTIME_DIRECTORY"] = directory
        return own.map { "\($0.key)=\($0.value)" }
    }
}

/// A daemon that others use as well.
enum SharedDaemon {
    /// The absolute path of its main socket, at which somebody answers.
    static func path(_ socket: String) throws(RunError) -> String {
        guard let path = FilePath.resolved(socket) else { throw .failed("\(SystemError.last("realpath", socket))") }
        do throws(ClientError) {
            _ = try DaemonClient.open(.unix([path]), timeoutMilliseconds: 30_000)
        } catch { throw .failed("\(error)") }
        return path
    }
}
