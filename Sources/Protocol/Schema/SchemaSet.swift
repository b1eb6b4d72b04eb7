internal import ProtocolMessages
internal import SwiftProtobuf

/// All messages and commands of `swq.v1`, prepared for the walker from the one FileDescriptorSet.
struct SchemaSet: Sendable {
    /// The definitions of this build.
    static let current = SchemaSet(serialized: Base64.decode(fileDescriptorSetBase64))

    /// A service method.
    struct Method: Sendable {
        let name: String
        let rule: WireCommandRule
        let arguments: Int
        let result: Int
    }

    /// The serialized FileDescriptorSet.
    let serialized: [UInt8]

    /// All messages.
    let messages: [MessageSchema]

    /// All methods of all services.
    let methods: [Method]

    private let indices: [String: Int]

    /// The message of that name, such as `swq.v1.Configuration`.
    func message(named name: String) -> MessageSchema? { indices[name].map { messages[$0] } }

    private init(serialized: [UInt8]) {
        let files: [Google_Protobuf_FileDescriptorProto]
        do {
            files = try Google_Protobuf_FileDescriptorSet(
                serializedBytes: serialized, extensions: WireRules_Extensions
            ).file
        } catch {
            preconditionFailure("the embedded FileDescriptorSet is damaged: \(error)")
        }
        var catalogue = DescriptorCatalogue()
        for file in files {
            catalogue.add(messages: file.messageType, enums: file.enumType, scope: ".\(file.package)")
        }
        self.serialized = serialized
        indices = Dictionary(
            uniqueKeysWithValues: catalogue.messages.enumerated().map { (String($1.name.dropFirst()), $0) })
        messages = catalogue.messages.map { catalogue.schema(of: $0.descriptor, name: $0.name) }
        methods = files.flatMap(\.service).flatMap(\.method).map { method in
            Method(
                name: method.name, rule: method.options.WirecommandRule,
                arguments: catalogue.index(of: method.inputType), result: catalogue.index(of: method.outputType))
        }
    }
}

/// Messages and enumerations by full name while a set is prepared. Full names begin with a dot, as in descriptors.
private struct DescriptorCatalogue {
    var messages: [(name: String, descriptor: Google_Protobuf_DescriptorProto)] = []
    var enums: [String: [[UInt8]]] = [:]
    private var indices: [String: Int] = [:]

    mutating func add(
        messages added: [Google_Protobuf_DescriptorProto], enums addedEnums: [Google_Protobuf_EnumDescriptorProto],
        scope: String
    ) {
        for descriptor in addedEnums {
            enums["\(scope).\(descriptor.name)"] = descriptor.value.map { Array($0.name.utf8) }
        }
        for descriptor in added {
            let name = "\(scope).\(descriptor.name)"
            indices[name] = messages.count
            messages.append((name, descriptor))
            add(messages: descriptor.nestedType, enums: descriptor.enumType, scope: name)
        }
    }

    func index(of name: String) -> Int {
        guard let index = indices[name] else { preconditionFailure("the definitions name an unknown type \(name)") }
        return index
    }

    func schema(of message: Google_Protobuf_DescriptorProto, name: String) -> MessageSchema {
        precondition(message.field.count <= FieldMask.bitWidth, "\(name) has too many members for a mask")
        var required: FieldMask = 0
        var choices = [FieldMask](repeating: 0, count: message.oneofDecl.count)
        for (index, field) in message.field.enumerated() {
            let bit: FieldMask = 1 << FieldMask(index)
            if field.options.WirefieldRule.required { required |= bit }
            if field.hasOneofIndex, !field.proto3Optional { choices[Int(field.oneofIndex)] |= bit }
        }
        let isBareArray =
            message.field.count == 1 && message.field[0].name == "items" && message.field[0].label == .repeated
        return MessageSchema(
            name: String(name.dropFirst()), fields: message.field.map(schema),
            choices: choices.filter { $0 != 0 }.map(MessageSchema.Choice.init), required: required,
            isBareArray: isBareArray)
    }

    private func schema(of field: Google_Protobuf_FieldDescriptorProto) -> FieldSchema {
        let rule = field.options.WirefieldRule
        let isRepeated = field.label == .repeated
        let lengths = rule.lengthMinimum...(rule.hasLengthMaximum ? rule.lengthMaximum : .max)
        // The lengths of a repeated field are those of the array, not of its elements.
        return FieldSchema(
            name: field.jsonName, nameBytes: Array(field.jsonName.utf8), isRepeated: isRepeated,
            elements: isRepeated ? lengths : 0...UInt64.max,
            kind: kind(of: field, lengths: isRepeated ? 0...UInt64.max : lengths))
    }

    private func kind(
        of field: Google_Protobuf_FieldDescriptorProto, lengths: ClosedRange<UInt64>
    ) -> FieldSchema.Kind {
        let rule = field.options.WirefieldRule
        func values(upTo limit: UInt64) -> ClosedRange<UInt64> {
            rule.minimum...(rule.hasMaximum ? rule.maximum : limit)
        }
        switch field.type {
        case .bool: return .bool
        case .uint32: return .uint32(values(upTo: UInt64(UInt32.max)))
        case .uint64: return .uint64(values(upTo: .max))
        case .string: return rule.hasHexBits ? .hexadecimal(bits: rule.hexBits) : rule.time ? .time : .string(lengths)
        case .bytes: return .bytes(lengths)
        case .enum:
            guard let names = enums[field.typeName] else {
                preconditionFailure("unknown enumeration \(field.typeName)")
            }
            return .enumeration(Array(names.dropFirst(Int(rule.minimum))))
        case .message: return .message(index(of: field.typeName))
        default: preconditionFailure("the protocol does not use the type of \(field.name)")
        }
    }
}
