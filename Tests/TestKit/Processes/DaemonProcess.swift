internal import Glibc
package import Platform

/// The real daemon in a process of its own, with its sockets and its history in a directory of its own.
package final class DaemonProcess {
    /// How to start it.
    package struct Options: Sendable {
        /// The configuration file's text; without it the daemon has none.
        package var configuration: String?
        /// Flags behind those that name the places.
        package var flags: [String] = []
        /// Variables over the standard ones.
        package var environment: [String: String] = [:]
        /// Shell text that runs in the process before it becomes the daemon, such as `ulimit -n 64`.
        package var shell: String?
        /// Listening sockets that the daemon inherits as a service manager passes them, with their names.
        package var inherited: [(descriptor: CInt, name: String)] = []
        /// Sockets and state in the directory, by flags. Otherwise the flags and the environment say where.
        package var namesPlaces = true
        /// A read-only socket beside the others.
        package var hasReadOnlySocket = false

        package init() {}

        /// Options with a configuration file.
        package init(configuration: String) {
            self.configuration = configuration
        }
    }

    package let directory: TemporaryDirectory
    private let options: Options
    private let child: ChildProcess
    private let notifications: NotifySocket

    package var process: ProcessID { child.process }

    package var socketPath: String { directory.file("swqd.sock") }

    package var adminSocketPath: String { directory.file("admin.sock") }

    package var readOnlySocketPath: String { directory.file("read-only.sock") }

    package var stateDirectory: String { directory.file("state") }

    /// What the daemon has logged so far, earlier runs on the directory included.
    package var log: String { directory.text(of: "log") }

    /// Starts a daemon and waits until it serves.
    package static func start(
        _ options: Options = Options(), in directory: TemporaryDirectory? = nil
    ) throws -> DaemonProcess {
        let daemon = try launch(options, in: directory)
        try daemon.waitUntilReady()
        return daemon
    }

    /// Starts a daemon without waiting for anything.
    package static func launch(
        _ options: Options = Options(), in directory: TemporaryDirectory? = nil
    ) throws -> DaemonProcess {
        try DaemonProcess(options, in: try directory ?? TemporaryDirectory())
    }

    private init(_ options: Options, in directory: TemporaryDirectory) throws {
        self.directory = directory
        self.options = options
        notifications = try NotifySocket(path: directory.file("notify.\(Self.numbers.next())"))
        var launch = ChildProcess.Launch(Programs.swqd)
        if options.namesPlaces {
            launch.arguments += ["--socket", directory.file("swqd.sock"), "--state-dir", directory.file("state")]
        }
        if options.hasReadOnlySocket { launch.arguments += ["--read-only-socket", directory.file("read-only.sock")] }
        if let configuration = options.configuration {
            launch.arguments += ["--config", try directory.write(configuration, to: "swqd.json")]
        }
        launch.arguments += options.flags
        launch.environment["NOTIFY_SOCKET"] = notifications.path
        launch.environment.merge(options.environment) { $1 }
        launch.standardError = directory.file("log")
        launch.standardOutput = directory.file("output")
        if let shell = options.shell { launch.prepend(shell: shell) }
        if !options.inherited.isEmpty {
            launch.descriptors = options.inherited.map(\.descriptor)
            launch.environment["LISTEN_FDS"] = String(options.inherited.count)
            launch.environment["LISTEN_FDNAMES"] = options.inherited.map(\.name).joined(separator: ":")
            // The number of the process is known only in it.
            launch.prepend(shell: "LISTEN_PID=$$; export LISTEN_PID")
        }
        child = try ChildProcess(launch)
    }

    private static let numbers = Numbers()

    /// Waits for `READY=1`.
    package func waitUntilReady() throws {
        try waitForNotification("READY=1")
    }

    /// Waits until the daemon has told the service manager `line`, and drops what it told before.
    package func waitForNotification(_ line: String) throws {
        do { try notifications.wait(for: line, from: child) } catch {
            throw TestFailure("\(error); the log of the daemon:\n\(log)")
        }
    }

    /// A connection to the main socket.
    package func client(_ capabilities: Set<WireClient.Capability> = []) throws -> WireClient {
        try WireClient(path: socketPath, capabilities: capabilities)
    }

    /// A connection to the admin socket, which may send `exec-oob`.
    package func admin() throws -> WireClient {
        try WireClient(path: adminSocketPath, capabilities: [.outOfBand])
    }

    /// Asks the daemon to stop (SIGTERM).
    package func terminate() throws {
        try child.send(signal: SIGTERM)
    }

    /// Asks the daemon to read its configuration again (SIGHUP) and waits until it has.
    package func reload() throws {
        try child.send(signal: SIGHUP)
        try waitUntilReady()
    }

    /// Ends the daemon as a crash would (SIGKILL) and waits until it is gone.
    package func kill() throws {
        try child.send(signal: SIGKILL)
        try child.waitForEnd()
    }

    /// Waits until the daemon has ended.
    @discardableResult
    package func waitForEnd() throws -> ChildProcess.End {
        try child.waitForEnd()
    }

    /// Starts a daemon as this one was started, on the same directory. This one must have ended.
    package func restarted() throws -> DaemonProcess {
        try Self.start(options, in: directory)
    }
}
