internal import ArgumentParser
internal import Daemon

/// The command line of the daemon.
@main
struct Swqd: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "swqd",
        abstract: "A DSA-like device with a shared work queue, and the virtualization path in front of it.",
        discussion: """
            Runs in the foreground until SIGTERM or SIGINT, then drains the work queues and flushes the history. \
            SIGHUP reloads the log level and the retention of the history.

            Every setting has a default. The configuration file overrides the defaults, a variable of the environment \
            the file, and a flag the variable: \(variables). A relative path counts from the working directory; in the \
            file, from the file's directory.

            Exit status: 0 stopped as asked, or valid; 64 wrong command line; 69 another daemon has the socket or the \
            state directory; 70 a defect; 71 refused by the system; 74 the history cannot be opened or written; 77 \
            refused for lack of permission; 78 wrong configuration.
            """,
        version: DaemonVersion.package)

    private static let variables = OverridableSetting.allCases.map(\.variable).joined(separator: ", ")

    @Option(help: ArgumentHelp("Read the configuration from this JSON file.", valueName: "file"))
    var config: String?

    @Option(help: ArgumentHelp("Path of the main socket, for clients.", valueName: "path"))
    var socket: String?

    @Option(help: ArgumentHelp("Path of the admin socket. Default: admin.sock beside the main one.", valueName: "path"))
    var adminSocket: String?

    @Option(help: ArgumentHelp("Path of the read-only socket. Default: none.", valueName: "path"))
    var readOnlySocket: String?

    @Option(help: ArgumentHelp("Directory of the history and the lock.", valueName: "directory"))
    var stateDir: String?

    @Option(help: ArgumentHelp("Listen on 127.0.0.1:PORT or [::1]:PORT too.", valueName: "address"))
    var tcp: String?

    @Option(help: ArgumentHelp("File with the token that clients on TCP must know, mode 0600.", valueName: "file"))
    var tcpTokenFile: String?

    @Option(help: ArgumentHelp("When a row of the history is durable: full, normal or off.", valueName: "mode"))
    var historyDurability: String?

    @Option(help: ArgumentHelp("trace, debug, info, notice, warning, error or critical.", valueName: "level"))
    var logLevel: String?

    @Option(
        help: ArgumentHelp(
            "Instead of the configured devices, those of this file of accel-config save-config.", valueName: "file"))
    var deviceLayout: String?

    @Flag(help: "Check the configuration and the files that it names, print \"ok\", and end.")
    var checkConfig = false

    @Flag(help: "Check the configuration, print it with every value as a configuration file, and end.")
    var printConfig = false

    func validate() throws {
        guard !checkConfig || !printConfig else {
            throw ValidationError("--check-config and --print-config exclude each other; --print-config checks too.")
        }
    }

    func run() throws {
        do {
            let sources = ConfigurationSources(flags: flags)
            let configuration = try sources.load()
            if checkConfig {
                print("ok")
            } else if printConfig {
                print(configuration.json, terminator: "")
            } else {
                try serve(configuration, from: sources)
            }
        } catch {
            StandardError.write("swqd: \(error)")
            throw ExitCode(DaemonExitStatus(error).rawValue)
        }
    }

    private var flags: [OverridableSetting: String] {
        let given: [(OverridableSetting, String?)] = [
            (.configurationFile, config), (.mainSocket, socket), (.adminSocket, adminSocket),
            (.readOnlySocket, readOnlySocket), (.stateDirectory, stateDir), (.tcpListen, tcp),
            (.tcpTokenFile, tcpTokenFile), (.historyDurability, historyDurability), (.logLevel, logLevel),
            (.deviceLayout, deviceLayout),
        ]
        return Dictionary(uniqueKeysWithValues: given.compactMap { setting, value in value.map { (setting, $0) } })
    }
}
