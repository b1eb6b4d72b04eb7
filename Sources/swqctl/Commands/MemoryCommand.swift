internal import ArgumentParser
internal import Protocol
internal import ProtocolMessages

/// `swqctl memory`
struct MemoryCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "memory", abstract: "Regions of the address spaces of processes and VMs.",
        discussion: "A client sees its own. With --admin, all of them.")

    static let columns: [WireTable.Column] = [
        .right("PROCESS", "process"), .right("VM", "vm"), .right("ADDRESS", "address"), .right("SIZE", "size"),
        .left("KIND", "kind"), .left("ACCESS", "access"),
    ]

    @Option(help: ArgumentHelp("Only regions of this VM.", valueName: "n"))
    var vm: UInt32?

    @OptionGroup(title: "Connection")
    var connection: ConnectionOptions

    @OptionGroup(title: "Output")
    var output: OutputOptions

    func run(on client: inout DaemonClient) throws {
        var arguments = WireQueryMemoryArguments()
        if let vm { arguments.vm = vm }
        try output.show(try client.call(.queryMemory(arguments)).body) { WireTable.text(Self.columns, $0) }
    }
}
