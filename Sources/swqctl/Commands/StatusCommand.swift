internal import ArgumentParser
internal import Protocol

/// `swqctl status`
struct StatusCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "State of the daemon and its totals since start.")

    @OptionGroup(title: "Connection")
    var connection: ConnectionOptions

    @OptionGroup(title: "Output")
    var output: OutputOptions

    func run(on client: inout DaemonClient) throws {
        try output.show(try client.call(.queryStatus).body, WireText.members)
    }
}
