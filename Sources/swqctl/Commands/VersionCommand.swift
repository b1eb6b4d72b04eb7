internal import ArgumentParser
internal import Protocol

/// `swqctl version`
struct VersionCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "version", abstract: "Versions of this program and of the daemon.",
        discussion: "The option --version needs no daemon. With --json: the daemon's.")

    @OptionGroup(title: "Connection")
    var connection: ConnectionOptions

    @OptionGroup(title: "Output")
    var output: OutputOptions

    func run(on client: inout DaemonClient) throws {
        try output.show(try client.call(.queryVersion).body) { body in
            "\(ProgramVersion.package)\n\(TextTable.printable(WireText.cell(body["package"])))\n"
        }
    }
}
