internal import DSASpec
internal import Protocol

/// Everything there is to say about a descriptor.
struct DescriptorExplanation {
    /// The field that stands for bytes without a name.
    private static let reserved = "Reserved"

    private let descriptor: Descriptor
    private let fields: [FieldText]
    private let failures: [CheckFailure]

    init(_ descriptor: Descriptor, in context: CheckContext) {
        self.descriptor = descriptor
        fields = DescriptorText.fields(of: descriptor)
        failures = DescriptorChecks.allFailures(of: descriptor, in: context)
    }

    /// It breaks no rule.
    var isValid: Bool { failures.isEmpty }

    /// For people.
    var text: String {
        let name = descriptor.opcode.name ?? "undefined operation"
        guard let first = failures.first else {
            return "\(name)\n\n\(FieldTable.text(fields))\nvalid: no rule is broken\n"
        }
        let rows = failures.map { failure in
            [
                FieldTable.bytes(Int(failure.bytes.lowerBound)...Int(failure.bytes.upperBound)), what(failure),
                failure.rule.identifier, failure.rule.section, StatusText.short(failure.status),
            ]
        }
        let columns: [TextTable.Column] = [
            .right("BYTES"), .left("INVALID"), .left("RULE"), .left("SECTION"), .left("STATUS"),
        ]
        var text = "\(name)\n\n\(FieldTable.text(fields))\n\(TextTable.text(columns, rows))\n"
        for rule in brokenRules { text += "\(rule.identifier): \(rule.sentence)\n" }
        text += "\ninvalid: the device reports status \(StatusText.long(first.status)) \(place(of: first))\n"
        if first.rule == .unsupportedOperation { text += "What its other bytes must be is not known.\n" }
        return text
    }

    /// For programs: `{"kind", "operation", "valid", "fields", "failures", "reported"}`.
    var json: JSONValue {
        .object(
            [
                .init(name: "kind", value: .string("descriptor")),
                .init(name: "operation", value: .string(descriptor.opcode.name ?? "")),
                .init(name: "valid", value: .bool(isValid)),
                .init(name: "fields", value: FieldTable.json(fields)),
                .init(name: "failures", value: .array(failures.map(json))),
            ] + (failures.first.map { [.init(name: "reported", value: report(of: $0))] } ?? []))
    }

    /// The rules that are broken, in the order of checking, each once.
    private var brokenRules: [CheckRule] {
        var rules: [CheckRule] = []
        for failure in failures where !rules.contains(failure.rule) { rules.append(failure.rule) }
        return rules
    }

    private func what(_ failure: CheckFailure) -> String {
        guard failure.flags.isEmpty else {
            return flagBits(failure.flags).map { bit in
                let name = DescriptorFlags.name(ofBit: bit, for: descriptor.opcode)
                let value = descriptor.flags.rawValue >> UInt32(bit) & 1
                return "flag \(bit)" + (name.map { " \($0)" } ?? "") + " = \(value)"
            }.joined(separator: ", ")
        }
        let bytes = Int(failure.bytes.lowerBound)...Int(failure.bytes.upperBound)
        let named = fields.filter { $0.name != Self.reserved && $0.bytes.overlaps(bytes) }
        let whole = named.filter { field in
            // A range over several words is that of addresses; what lies between them is not at fault.
            bytes.contains(field.bytes) && (bytes.count <= 8 || field.name.hasSuffix("Address"))
        }
        let names = (whole.isEmpty ? named : whole).map(\.name)
        guard names.isEmpty else { return names.joined(separator: ", ") }
        return bytes.filter { descriptor.byte($0) != 0 }
            .map { "reserved byte \($0) = \(Hexadecimal.text(descriptor.byte($0)))" }.joined(separator: ", ")
    }

    private func flagBits(_ flags: DescriptorFlags) -> [Int] {
        (0..<24).filter { flags.rawValue >> UInt32($0) & 1 == 1 }
    }

    private func isInRecord(_ failure: CheckFailure) -> Bool {
        descriptor.flags.contains(.completionRecordAddressValid) && !failure.bypassesRecord
    }

    private func place(of failure: CheckFailure) -> String {
        isInRecord(failure) ? "in the completion record" : "in SWERROR"
    }

    private func report(of failure: CheckFailure) -> JSONValue {
        .object([
            .init(name: "status", value: .string(Hexadecimal.text(failure.status.rawValue))),
            .init(name: "meaning", value: .string(failure.status.meaning ?? "")),
            .init(name: "in", value: .string(isInRecord(failure) ? "record" : "swerror")),
            .init(name: "invalidFlags", value: .string(Hexadecimal.text(failure.invalidFlags.rawValue))),
        ])
    }

    private func json(_ failure: CheckFailure) -> JSONValue {
        .object([
            .init(name: "rule", value: .string(failure.rule.identifier)),
            .init(name: "section", value: .string(failure.rule.section)),
            .init(name: "sentence", value: .string(failure.rule.sentence)),
            .init(name: "status", value: .string(Hexadecimal.text(failure.status.rawValue))),
            .init(name: "firstByte", value: .number(String(failure.bytes.lowerBound))),
            .init(name: "lastByte", value: .number(String(failure.bytes.upperBound))),
            .init(name: "flags", value: .array(flagBits(failure.flags).map { .number(String($0)) })),
        ])
    }
}

extension Descriptor {
    /// A descriptor from exactly 64 bytes.
    init(_ bytes: [UInt8]) {
        precondition(bytes.count == Self.byteCount, "a descriptor has 64 bytes")
        let words = bytes.littleEndianWords
        self.init(words[0], words[1], words[2], words[3], words[4], words[5], words[6], words[7])
    }
}

extension [UInt8] {
    /// Whole groups of eight bytes as words.
    var littleEndianWords: [UInt64] {
        stride(from: 0, to: count / 8 * 8, by: 8).map { start in
            self[start..<start + 8].reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
    }
}
