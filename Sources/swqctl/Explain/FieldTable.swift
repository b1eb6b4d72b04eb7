internal import DSASpec
internal import Protocol

/// Fields of a descriptor or record.
enum FieldTable {
    /// For people.
    static func text(_ fields: [FieldText]) -> String {
        TextTable.text(
            [.right("BYTES"), .left("FIELD"), .left("VALUE"), .left("MEANING")],
            fields.map { [bytes($0.bytes), $0.name, $0.value, $0.meaning] })
    }

    /// For programs: an array of `{"name", "firstByte", "lastByte", "value", "meaning"}`.
    static func json(_ fields: [FieldText]) -> JSONValue {
        .array(
            fields.map { field in
                .object([
                    .init(name: "name", value: .string(field.name)),
                    .init(name: "firstByte", value: .number(String(field.bytes.lowerBound))),
                    .init(name: "lastByte", value: .number(String(field.bytes.upperBound))),
                    .init(name: "value", value: .string(field.value)),
                    .init(name: "meaning", value: .string(field.meaning)),
                ])
            })
    }

    /// `4-6`, or `7` for one byte.
    static func bytes(_ range: ClosedRange<Int>) -> String {
        range.count == 1 ? String(range.lowerBound) : "\(range.lowerBound)-\(range.upperBound)"
    }
}

/// A completion status for people.
enum StatusText {
    /// `0x11`
    static func short(_ status: CompletionStatus) -> String {
        Hexadecimal.text(status.rawValue)
    }

    /// `0x11 (invalid flags)`
    static func long(_ status: CompletionStatus) -> String {
        short(status) + (status.meaning.map { " (\($0))" } ?? "")
    }
}
