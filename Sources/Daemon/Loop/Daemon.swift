internal import Glibc
internal import History
internal import Logging
internal import Platform
internal import Protocol

/// The program: opens what it needs, serves, and closes in order.
package final class Daemon {
    private let server: Server

    /// Takes the state directory and the sockets, opens the history and builds the machine. A second daemon on the same
    /// directory or socket is refused here.
    ///
    /// - Parameters:
    ///   - environment: The variables of the service manager; they are removed from the process's own.
    ///   - configurationReload: Reads the configuration again, for SIGHUP.
    package init(
        configuration: DaemonConfiguration, environment: [String: String],
        configurationReload: @escaping @Sendable () throws -> DaemonConfiguration
    ) throws {
        // First of all: threads inherit the signal mask.
        let signals = try Signals()
        let log = DaemonLog(level: configuration.logLevel, format: LogFormat(environment: environment))
        let inherited = try Listener.inherited(environment: environment)
        let notifier = try ServiceNotifier(environment: environment)
        ProcessEnvironment.remove(Listener.activationVariableNames + SystemdNotifier.variableNames)

        try Directory.create(configuration.stateDirectory, mode: 0o700)
        let lock = try LockFile(directory: configuration.stateDirectory)
        if let directory = configuration.socketDirectory { try Directory.create(directory, mode: 0o755) }
        let descriptors = try DescriptorLimit.raise()
        let listeners = try Self.listen(configuration, inherited: inherited)

        let mailbox = try Mailbox()
        var options = HistoryOptions()
        options.durability = configuration.durability
        options.retention = configuration.retention
        let history = try HistoryStore(
            directory: configuration.stateDirectory, options: options,
            at: HistoryTime(nanoseconds: WallClock.nanoseconds())
        ) { mailbox.post(.history($0)) }
        server = try Server(
            configuration: configuration, lock: lock, listeners: listeners, historyStore: history, mailbox: mailbox,
            signals: signals, notifier: notifier, log: log, reload: configurationReload)
        server.log.info(
            "started",
            metadata: [
                "version": "\(ProjectVersion.text)", "sockets": "\(listeners.map { "\($0.listener.address)" })",
                "state": "\(configuration.stateDirectory)", "descriptors": "\(descriptors.hard)",
                "recoveredBindings": "\(history.opening.recoveredBindings)",
            ])
    }

    /// Serves until SIGTERM, SIGINT or the command `shutdown`, then returns with everything flushed.
    package func run() throws {
        try server.run()
        try server.history.close()
        if let failure = server.history.fatalFailure { throw DaemonError.historyFailed(failure) }
        server.log.info("stopped")
    }

    /// The sockets to serve: those of the service manager by their names, else those of the configuration.
    private static func listen(
        _ configuration: DaemonConfiguration, inherited: [Listener]
    ) throws -> [ListeningSocket] {
        var sockets: [ListeningSocket] = []
        for listener in inherited {
            let transport: Session.Transport =
                switch (listener.address, listener.inheritedName ?? "") {
                case (.loopback, _): .tcp
                case (.unix, "admin"): .unixAdmin
                case (.unix, "read-only"): .unixReadOnly
                case (.unix, _): .unix
                }
            guard transport != .tcp || configuration.tcp != nil else {
                throw DaemonError.inheritedWithoutToken
            }
            sockets.append(ListeningSocket(listener: listener, transport: transport))
        }
        if !sockets.contains(where: { $0.transport == .unix }) {
            let listener = try Listener.unix(path: configuration.mainSocketPath, mode: configuration.mainSocketMode)
            sockets.append(ListeningSocket(listener: listener, transport: .unix))
            if let group = configuration.mainSocketGroup {
                guard unsafe chown(configuration.mainSocketPath, uid_t.max, group.rawValue) == 0 else {
                    throw SystemError.last("chown", configuration.mainSocketPath)
                }
            }
        }
        if !sockets.contains(where: { $0.transport == .unixAdmin }) {
            let listener = try Listener.unix(
                path: configuration.adminSocketPath, mode: DaemonConfiguration.adminSocketMode)
            sockets.append(ListeningSocket(listener: listener, transport: .unixAdmin))
        }
        if let path = configuration.readOnlySocketPath,
            !sockets.contains(where: { $0.transport == .unixReadOnly })
        {
            let listener = try Listener.unix(path: path, mode: DaemonConfiguration.readOnlySocketMode)
            sockets.append(ListeningSocket(listener: listener, transport: .unixReadOnly))
        }
        if let tcp = configuration.tcp, !sockets.contains(where: { $0.transport == .tcp }) {
            sockets.append(ListeningSocket(listener: try Listener.loopback(tcp.endpoint), transport: .tcp))
        }
        return sockets
    }
}

extension DaemonConfiguration {
    /// What the history may forget.
    var retention: RetentionPolicy {
        RetentionPolicy(
            ageMaxNanoseconds: retentionDays == 0 ? nil : Int64(retentionDays) * 86_400 * 1_000_000_000,
            eventsMax: retentionRows == 0 ? nil : Int64(retentionRows))
    }
}

extension Server {
    /// What SIGHUP changes: the log level and the retention.
    func applyReload(_ fresh: DaemonConfiguration) {
        daemonLog.setLevel(fresh.logLevel)
        history.setRetention(fresh.retention)
    }
}
