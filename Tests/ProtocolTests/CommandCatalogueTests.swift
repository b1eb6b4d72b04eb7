import ProtocolMessages
import SwiftProtobuf
import Testing

@testable import Protocol

@Suite("Command catalogue")
struct CommandCatalogueTests {
    private let catalogue = CommandCatalogue.current

    @Test func `Every service method is a command and every command a service method`() {
        #expect(Set(catalogue.commands.map(\.command)) == Set(Command.allCases))
        #expect(catalogue.commands.count == Command.allCases.count)
    }

    @Test func `Commands are sorted by name`() {
        #expect(catalogue.commands.map(\.name) == catalogue.commands.map(\.name).sorted())
    }

    @Test(arguments: [
        ("QueryCommands", "query-commands"), ("Enqcmd", "enqcmd"), ("Movdir64b", "movdir64b"),
        ("WriteCr3", "write-cr3"),
        ("XEngineHold", "x-engine-hold"),
    ])
    func `A command's name is its method in kebab case`(method: String, name: String) {
        #expect(CommandCatalogue.kebabCase(method) == name)
        #expect(catalogue.command(named: name) != nil)
    }

    @Test func `Only qmp_capabilities has a name of its own`() {
        #expect(catalogue.commands.filter { $0.rule.hasName }.map(\.name) == ["qmp_capabilities"])
    }

    @Test func `Each command decodes the message that its method names`() throws {
        for description in catalogue.commands {
            let request = try Request(description.command, acceptedArguments: Array("{}".utf8))
            #expect(request.command == description.command)
            let name = request.arguments.map { type(of: $0).protoMessageName } ?? WireEmpty.protoMessageName
            #expect(name == description.argumentsName)
        }
    }

    @Test func `The set that query-schema returns defines all commands`() throws {
        let set = try Google_Protobuf_FileDescriptorSet(serializedBytes: catalogue.fileDescriptorSet)
        #expect(set.file.flatMap(\.service).flatMap(\.method).count == catalogue.commands.count)
    }

    @Test func `Every event has a name, which is its member in upper case`() throws {
        let set = try Google_Protobuf_FileDescriptorSet(serializedBytes: catalogue.fileDescriptorSet)
        let event = try #require(set.file.flatMap(\.messageType).first { $0.name == "Event" })
        #expect(Set(event.field.map { $0.name.uppercased() }) == Set(EventName.allCases.map(\.rawValue)))
    }

    @Test func `Scalars have presence, so that zero is written`() throws {
        let set = try Google_Protobuf_FileDescriptorSet(serializedBytes: catalogue.fileDescriptorSet)
        func check(_ message: Google_Protobuf_DescriptorProto) {
            for field in message.field where field.label != .repeated && field.type != .message {
                #expect(field.hasOneofIndex, "\(message.name).\(field.name)")
            }
            message.nestedType.forEach(check)
        }
        for file in set.file where file.name != "swq/v1/rules.proto" { file.messageType.forEach(check) }
    }
}
