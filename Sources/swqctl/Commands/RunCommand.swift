internal import ArgumentParser
internal import Glibc
internal import Platform
internal import Protocol

/// `swqctl run`
struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Runs a program that was written for DSA hardware, unchanged.",
        discussion: """
            The program finds /sys/bus/dsa and /dev/dsa, and its ENQCMD and MOVDIR64B work, whatever this machine has. \
            Without --socket it gets a daemon of its own, which ends with it; with --socket programs share one.

            The program's input, output and exit status are its own: 128 and the signal's number when a signal ended \
            it. Before it is started:
              64   the command line is wrong
              125  no daemon, or no preload library
              126  the program cannot be executed, or no preload library can reach it: it is static, setuid, setgid \
            or has capabilities, is of another architecture, or uses another C library than this one
              127  there is no such program
            """)

    @Option(
        help: ArgumentHelp(
            "Devices, in the format of accel-config save-config. Default: one with a shared and a dedicated WQ.",
            valueName: "file"))
    var config: String?

    @Option(
        help: ArgumentHelp(
            """
            Failures that the device shows: ACTION[=VALUE][,KEY=VALUE]..., several by semicolons. Actions: retry, \
            fault=PAGE, partial=BYTES, status=CODE, halt, disable-wq, revoke. Keys: device, opcode, wq, pasid, member, \
            after, count, chance, seed.
            """, valueName: "rules"))
    var inject: String?

    @Option(help: .hidden)
    var preloadLibrary: String?

    @OptionGroup(title: "Connection")
    var connection: ConnectionOptions

    @Argument(help: "The program, and its arguments; behind -- they may look like options.")
    var command: [String] = []
    func validate() throws {
        guard !command.isEmpty else {
            throw ValidationError("Say which program to run: swqctl run -- PROGRAM ARGUMENTS.")
        }
        guard connection.tcp == nil, !connection.admin, connection.adminSocket == nil else {
            throw ValidationError("Programs use the main socket: give --socket, or nothing for an own daemon.")
        }
        _ = try rules()
        guard connection.socket == nil || config == nil else {
            throw ValidationError("--config is for an own daemon; the one of --socket has its devices.")
        }
    }

    /// The rules of `--inject`.
    private func rules() throws -> InjectionRules? {
        do { return try inject.map { try InjectionRules(text: $0) } } catch {
            throw ValidationError("--inject: \(error).")
        }
    }

    func run() throws {
        let rules = try rules()
        let environment = ProcessEnvironment.variables
        let installation = try Installation()
        let program = try RunnableProgram(command, environment: environment)
        let library = try installation.preloadLibrary(option: preloadLibrary)
        let mask: SignalMask
        let signals: ForwardedSignals
        do {
            mask = try SignalMask.current()
            signals = try ForwardedSignals(Self.forwarded)
        } catch { throw RunError.failed("\(error)") }

        let daemon: PrivateDaemon?
        let socketPath: String
        if let socket = connection.socket {
            daemon = nil
            socketPath = try SharedDaemon.path(socket)
        } else {
            let started = try PrivateDaemon(installation, layout: config, environment: environment, signalMask: mask)
            daemon = started
            socketPath = started.socketPath
        }
        let end: SpawnedProgram.End
        do {
            defer { daemon?.stop() }
            if let rules { try inject(rules, beside: socketPath) }
            let prepared = Self.environment(over: environment, library: library, socket: socketPath)
            end = try program.run(environment: prepared, signalMask: mask, signals)
        }
        throw ExitCode(end.shellStatus)
    }

    /// Tells the daemon of the rules, as an admin: they are for whatever PASID the program gets.
    private func inject(_ rules: InjectionRules, beside socket: String) throws(RunError) {
        let paths = SocketPaths(environment: [:]).admin(option: nil, mainOption: socket)
        do throws(ClientError) {
            var client = try DaemonClient.open(.unix(paths), timeoutMilliseconds: connection.timeoutMilliseconds)
            for request in rules.requests { _ = try client.call(.injectFault(request)) }
        } catch { throw .failed("--inject: \(error)") }
    }

    /// The signals that a process may send to `swqctl` and that are meant for the program.
    private static let forwarded: [CInt] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM]

    /// What the preload library needs to know.
    static func environment(over variables: [String: String], library: String, socket: String) -> [String] {
        var variables = variables
        let others = variables["LD_PRELOAD"].flatMap { $0.isEmpty ? nil : $0 }
        variables["LD_PRELOAD"] = others.map { "\(library):\($0)" } ?? library
        variables["SWQD_SOCKET"] = socket
        return variables.map { "\($0.key)=\($0.value)" }
    }
}

/// Why a program was not run.
enum RunError: ProgramFailure, Equatable {
    /// Something of `swqd` is missing or does not work.
    case failed(String)
    /// The program is there but cannot be run so.
    case unusable(String)
    /// There is no such program.
    case notFound(String)

    var status: ExitStatus {
        switch self {
        case .failed: .notRun
        case .unusable: .unusableProgram
        case .notFound: .noProgram
        }
    }

    var description: String {
        switch self {
        case .failed(let text), .unusable(let text), .notFound(let text): text
        }
    }
}
