internal import DSASpec
internal import Protocol

/// Everything there is to say about a completion record.
struct RecordExplanation {
    private let fields: [FieldText]
    private let status: CompletionStatus

    /// - Parameter opcode: The operation that the record is of, on which the meaning of some fields depends.
    init(_ record: CompletionRecord, opcode: Opcode?) {
        fields = CompletionRecordText.fields(of: record, for: opcode)
        status = record.status
    }

    /// The status is one that the specification defines.
    var isValid: Bool { status.meaning != nil }

    /// For people.
    var text: String {
        let verdict = isValid ? "" : "\ninvalid: no such status is defined (DSA 3.0 table 5-6)\n"
        return "completion record\n\n\(FieldTable.text(fields))\(verdict)"
    }

    /// For programs: `{"kind", "valid", "fields"}`.
    var json: JSONValue {
        .object([
            .init(name: "kind", value: .string("completionRecord")),
            .init(name: "valid", value: .bool(isValid)),
            .init(name: "fields", value: FieldTable.json(fields)),
        ])
    }
}

extension CompletionRecord {
    /// A record from exactly 32 bytes.
    init(_ bytes: [UInt8]) {
        precondition(bytes.count == Self.byteCount, "a completion record has 32 bytes")
        let words = bytes.littleEndianWords
        self.init(status: .none)
        (word0, word1, word2, word3) = (words[0], words[1], words[2], words[3])
    }
}
