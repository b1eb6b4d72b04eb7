internal import ArgumentParser
internal import Protocol
internal import ProtocolMessages

/// `swqctl schema`
struct SchemaCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "schema", abstract: "The definitions of the protocol, as the daemon checks requests with them.",
        discussion: """
            A serialized google.protobuf.FileDescriptorSet, which protobuf tools read; with --json, the reply that \
            holds it in base64.
            """)

    @Option(
        name: [.short, .long], help: ArgumentHelp("The file to write. (default: standard output)", valueName: "path"))
    var file: String?

    @OptionGroup(title: "Connection")
    var connection: ConnectionOptions

    @OptionGroup(title: "Output")
    var output: OutputOptions

    func validate() throws {
        guard file != nil || output.json || !StandardOutput.isTerminal else {
            throw ValidationError("The definitions are binary: name a file with --file, or redirect the output.")
        }
    }

    func run(on client: inout DaemonClient) throws {
        let bytes: [UInt8]
        if output.json {
            bytes = Array((try client.call(.querySchema).body.description + "\n").utf8)
        } else {
            bytes = Array(try client.call(.querySchema, returning: WireQuerySchemaReturn.self).fileDescriptorSet)
        }
        if let file {
            try OutputFile.write(bytes, toFile: file)
        } else {
            try StandardOutput.write(bytes)
        }
    }
}
