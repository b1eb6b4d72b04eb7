internal import ArgumentParser
internal import Glibc

/// The command-line client of swqd.
@main
struct Swqctl: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "swqctl",
        abstract: "Asks and tells a running swqd; explains descriptors without one.",
        discussion: """
            Every command prints tables for people, or with --json the bodies of the daemon's replies for programs. \
            What concerns the connection may stand before or after the command.

            Without --socket, SWQD_SOCKET names the main socket, else it is swqd/swqd.sock in XDG_RUNTIME_DIR, else \
            /run/swqd/swqd.sock. Without --admin-socket, the admin socket is admin.sock beside a --socket, else what \
            SWQD_ADMIN_SOCKET names, else admin.sock beside the main socket.

            Exit status:
              0   done
              1   refused by the daemon or the device; standard error says why
              2   no daemon there, or it went away or did not answer in time
              3   explain: a rule is broken, or a status is undefined
              64  the command line, or an input that it names, is wrong
              74  the output cannot be written
              run has statuses of its own: swqctl run --help
            """,
        version: ProgramVersion.package,
        subcommands: [KeepDaemonCommand.self],
        groupedSubcommands: [
            CommandGroup(
                name: "Query",
                subcommands: [
                    StatusCommand.self, DevicesCommand.self, IOASIDsCommand.self, IOASIDSetsCommand.self,
                    MemoryCommand.self, HistoryCommand.self, EventsCommand.self, VersionCommand.self,
                    SchemaCommand.self,
                ]),
            CommandGroup(
                name: "Admin",
                subcommands: [
                    DeviceCommand.self, WQCommand.self, EngineCommand.self, RegistersCommand.self,
                    ShutdownCommand.self,
                ]),
            CommandGroup(name: "Tool", subcommands: [RunCommand.self, RawCommand.self, ExplainCommand.self]),
        ])

    @OptionGroup(title: "Connection")
    var connection: ConnectionOptions

    @OptionGroup(title: "Output")
    var output: OutputOptions

    static func main() {
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch let failure as any ProgramFailure {
            StandardError.write("swqctl: \(failure)\n")
            Glibc.exit(failure.status.rawValue)
        } catch {
            exit(withError: error)
        }
    }
}
