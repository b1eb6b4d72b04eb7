package import ProtocolMessages

/// All commands of this build, from the FileDescriptorSet that `query-schema` returns.
package struct CommandCatalogue: Sendable {
    /// The one catalogue.
    package static let current = CommandCatalogue(SchemaSet.current)

    /// The serialized `google.protobuf.FileDescriptorSet`, the answer of `query-schema`.
    package let fileDescriptorSet: [UInt8]

    /// All commands, sorted by name: the answer of `query-commands`.
    package let commands: [CommandDescription]

    private let byName: [String: Int]
    private let byCommand: [Command: Int]

    /// What is known about a command.
    package subscript(command: Command) -> CommandDescription {
        guard let index = byCommand[command] else { preconditionFailure("\(command) has no service method") }
        return commands[index]
    }

    /// The command of that name on the wire.
    package func command(named name: String) -> CommandDescription? {
        byName[name].map { commands[$0] }
    }

    init(_ set: SchemaSet) {
        fileDescriptorSet = set.serialized
        commands = set.methods.map { method in
            let name = method.rule.hasName ? method.rule.name : Self.kebabCase(method.name)
            guard let command = Command(rawValue: name) else {
                preconditionFailure("service method \(method.name) has no case in Command")
            }
            return CommandDescription(
                command: command, rule: method.rule, arguments: set.messages[method.arguments],
                result: set.messages[method.result])
        }.sorted { $0.name < $1.name }
        byName = Dictionary(uniqueKeysWithValues: commands.enumerated().map { ($1.name, $0) })
        byCommand = Dictionary(uniqueKeysWithValues: commands.enumerated().map { ($1.command, $0) })
    }

    /// The name of a method as a command: `QueryCommands` is `query-commands`.
    static func kebabCase(_ method: String) -> String {
        var name = ""
        for character in method {
            if character.isUppercase, !name.isEmpty { name += "-" }
            name += character.lowercased()
        }
        return name
    }
}

/// What is known about a command.
package struct CommandDescription: Sendable {
    /// The command.
    package let command: Command

    /// Who may use it, and when.
    package let rule: WireCommandRule

    /// Definition of its arguments.
    let arguments: MessageSchema

    /// Definition of what it returns.
    let result: MessageSchema

    /// Name on the wire.
    package var name: String { command.rawValue }

    /// Full name of the message that holds its arguments, `swq.v1.MapPortalArguments`.
    package var argumentsName: String { arguments.name }

    /// Full name of the message that it returns.
    package var resultName: String { result.name }
}
