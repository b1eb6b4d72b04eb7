internal import ArgumentParser
internal import Protocol
internal import ProtocolMessages

/// `swqctl ioasids`
struct IOASIDsCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "ioasids", abstract: "IOASIDs (host PASIDs): state, references, and what they are bound to.")

    static let columns: [WireTable.Column] = [
        .right("IOASID", "ioasid"), .left("STATE", "state"), .right("REFERENCES", "references"), .right("SET", "set"),
        .right("VM", "vm"), .right("GUEST PASID", "guestPasid"), .right("PROCESS", "process"),
        .left("DEVICES", "devices"),
    ]

    @Option(help: ArgumentHelp("Only those in the set of this VM.", valueName: "n"))
    var vm: UInt32?

    @OptionGroup(title: "Connection")
    var connection: ConnectionOptions

    @OptionGroup(title: "Output")
    var output: OutputOptions

    func run(on client: inout DaemonClient) throws {
        var arguments = WireQueryIoasidsArguments()
        if let vm { arguments.vm = vm }
        try output.show(try client.call(.queryIoasids(arguments)).body) { WireTable.text(Self.columns, $0) }
    }
}

/// `swqctl ioasid-sets`
struct IOASIDSetsCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "ioasid-sets", abstract: "IOASID sets, one for each VM and the host's own: quota and use.")

    static let columns: [WireTable.Column] = [
        .right("SET", "set"), .right("VM", "vm"), .right("COUNT", "count"), .right("QUOTA", "quota"),
    ]

    @OptionGroup(title: "Connection")
    var connection: ConnectionOptions

    @OptionGroup(title: "Output")
    var output: OutputOptions

    func run(on client: inout DaemonClient) throws {
        try output.show(try client.call(.queryIoasidSets).body) { WireTable.text(Self.columns, $0) }
    }
}
