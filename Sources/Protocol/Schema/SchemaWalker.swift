/// Checks JSON against the definitions before anything is decoded: unknown, duplicate and missing members, types,
/// ranges. It accepts a subset of canonical protobuf JSON: members by their lowerCamelCase name only, no `null`,
/// enumerations by name only, 32-bit numbers as numbers only, padded base64 of the standard alphabet only.
struct SchemaWalker {
    private let set: SchemaSet

    init(_ set: SchemaSet) {
        self.set = set
    }

    /// Checks the value in `range`, all of it, as a message. The text must be valid UTF-8.
    func check(_ text: Span<UInt8>, in range: Range<Int>, as message: MessageSchema) throws(SchemaViolation) {
        var cursor = JSONCursor(range)
        try checkMessage(text, &cursor, message, depth: 0)
        do { try cursor.finish(text) } catch { throw SchemaViolation(error) }
    }

    private func checkMessage(
        _ text: Span<UInt8>, _ cursor: inout JSONCursor, _ message: MessageSchema, depth: Int
    ) throws(SchemaViolation) {
        guard try token(text, &cursor) == .object else { throw SchemaViolation("must be an object") }
        var given: FieldMask = 0
        do {
            try cursor.enter(depth)
            try cursor.expect(.leftBrace, text)
        } catch { throw SchemaViolation(error) }
        if !cursor.take(.rightBrace, text) {
            repeat {
                try checkMember(text, &cursor, message, &given, depth: depth)
            } while cursor.take(.comma, text)
            do { try cursor.expect(.rightBrace, text) } catch { throw SchemaViolation(error) }
        }
        try checkPresence(of: given, in: message)
    }

    private func checkMember(
        _ text: Span<UInt8>, _ cursor: inout JSONCursor, _ message: MessageSchema, _ given: inout FieldMask, depth: Int
    ) throws(SchemaViolation) {
        let name: Range<Int>
        do {
            name = try cursor.string(text).content
            try cursor.expect(.colon, text)
        } catch { throw SchemaViolation(error) }
        guard let index = message.field(named: name, in: text) else {
            let accepted = message.fields.map(\.name).joined(separator: ", ")
            throw SchemaViolation(
                accepted.isEmpty ? "is unknown; no member is accepted here" : "is unknown; accepted here: \(accepted)"
            ).inside(text.text(name))
        }
        let field = message.fields[index]
        guard given & 1 << FieldMask(index) == 0 else {
            throw SchemaViolation("is given twice; give it once").inside(field.name)
        }
        given |= 1 << FieldMask(index)
        do throws(SchemaViolation) {
            if field.isRepeated {
                try checkArray(text, &cursor, field, depth: depth + 1)
            } else {
                try checkValue(text, &cursor, field.kind, depth: depth + 1)
            }
        } catch { throw error.inside(field.name) }
    }

    private func checkPresence(of given: FieldMask, in message: MessageSchema) throws(SchemaViolation) {
        let missing = message.required & ~given
        if missing != 0 {
            let first = message.fields[missing.trailingZeroBitCount]
            throw SchemaViolation("is missing; it is required").inside(first.name)
        }
        for choice in message.choices where (given & choice.members).nonzeroBitCount != 1 {
            let names = message.fields.indices.filter { choice.members & 1 << FieldMask($0) != 0 }
                .map { message.fields[$0].name }.joined(separator: ", ")
            throw SchemaViolation(
                given & choice.members == 0
                    ? "lacks a member; give one of: \(names)"
                    : "has members that exclude each other; give one of: \(names)")
        }
    }

    private func checkArray(
        _ text: Span<UInt8>, _ cursor: inout JSONCursor, _ field: FieldSchema, depth: Int
    ) throws(SchemaViolation) {
        guard try token(text, &cursor) == .array else { throw SchemaViolation("must be an array") }
        var count: UInt64 = 0
        do {
            try cursor.enter(depth)
            try cursor.expect(.leftBracket, text)
        } catch { throw SchemaViolation(error) }
        if !cursor.take(.rightBracket, text) {
            repeat {
                guard count < field.elements.upperBound else {
                    throw SchemaViolation("has more than \(field.elements.upperBound) elements")
                }
                do throws(SchemaViolation) {
                    try checkValue(text, &cursor, field.kind, depth: depth + 1)
                } catch { throw error.inside(element: Int(count)) }
                count += 1
            } while cursor.take(.comma, text)
            do { try cursor.expect(.rightBracket, text) } catch { throw SchemaViolation(error) }
        }
        guard count >= field.elements.lowerBound else {
            throw SchemaViolation("has \(count) elements; at least \(field.elements.lowerBound) are required")
        }
    }

    private func checkValue(
        _ text: Span<UInt8>, _ cursor: inout JSONCursor, _ kind: FieldSchema.Kind, depth: Int
    ) throws(SchemaViolation) {
        switch kind {
        case .message(let index):
            try checkMessage(text, &cursor, set.messages[index], depth: depth)
        case .bool:
            guard try token(text, &cursor) == .literal, try literal(text, &cursor) != nil else {
                throw SchemaViolation("must be true or false")
            }
        case .uint32(let range):
            guard try token(text, &cursor) == .number else { throw SchemaViolation("must be a number") }
            try check(integer(text, try number(text, &cursor)), range)
        case .uint64(let range):
            switch try token(text, &cursor) {
            case .number: try check(integer(text, try number(text, &cursor)), range)
            case .string: try check(integer(text, try string(text, &cursor).content), range)
            case .object, .array, .literal: throw SchemaViolation("must be a number or a string of decimal digits")
            }
        case .string(let lengths): try checkText(text, try string(text, &cursor), lengths)
        case .hexadecimal(let bits): try checkHexadecimal(text, try string(text, &cursor), bits: bits)
        case .time:
            guard UTCTime.nanoseconds(text, in: try string(text, &cursor).content) != nil else {
                throw SchemaViolation("must be a time in UTC from 1970 to 2261, such as \"2026-01-31T23:59:59.5Z\"")
            }
        case .bytes(let lengths): try checkBytes(text, try string(text, &cursor), lengths)
        case .enumeration(let names):
            let token = try string(text, &cursor)
            guard names.contains(where: { text.equals($0, in: token.content) }) else {
                let accepted = names.map { String(decoding: $0, as: UTF8.self) }.joined(separator: ", ")
                throw SchemaViolation("must be one of: \(accepted)")
            }
        }
    }
}

extension SchemaWalker {
    private func token(_ text: Span<UInt8>, _ cursor: inout JSONCursor) throws(SchemaViolation) -> JSONCursor.Token {
        do { return try cursor.peek(text) } catch { throw SchemaViolation(error) }
    }

    private func literal(_ text: Span<UInt8>, _ cursor: inout JSONCursor) throws(SchemaViolation) -> Bool? {
        do { return try cursor.literal(text) } catch { throw SchemaViolation(error) }
    }

    private func number(_ text: Span<UInt8>, _ cursor: inout JSONCursor) throws(SchemaViolation) -> Range<Int> {
        do { return try cursor.number(text) } catch { throw SchemaViolation(error) }
    }

    private func string(
        _ text: Span<UInt8>, _ cursor: inout JSONCursor
    ) throws(SchemaViolation) -> JSONCursor.StringToken {
        guard try token(text, &cursor) == .string else { throw SchemaViolation("must be a string") }
        do { return try cursor.string(text) } catch { throw SchemaViolation(error) }
    }

    /// The digits of `range` as a number; nil when it needs more than 64 bits.
    private func integer(_ text: Span<UInt8>, _ range: Range<Int>) throws(SchemaViolation) -> UInt64? {
        var value: UInt64 = 0
        var overflow = false
        for index in range {
            guard (UInt8.zero ... .nine).contains(text[index]) else {
                throw SchemaViolation("must be a whole number, not negative, without fraction and exponent")
            }
            let (product, overflowed) = value.multipliedReportingOverflow(by: 10)
            let (sum, carried) = product.addingReportingOverflow(UInt64(text[index] - .zero))
            value = sum
            overflow = overflow || overflowed || carried
        }
        guard !range.isEmpty, range.count == 1 || text[range.lowerBound] != .zero else {
            throw SchemaViolation("must be a whole number without leading zeros")
        }
        return overflow ? nil : value
    }

    private func check(_ value: UInt64?, _ range: ClosedRange<UInt64>) throws(SchemaViolation) {
        guard let value, range.contains(value) else {
            throw SchemaViolation(
                "is \(value.map(String.init) ?? "too large"); \(range.lowerBound) to \(range.upperBound) is accepted")
        }
    }

    private func checkText(
        _ text: Span<UInt8>, _ token: JSONCursor.StringToken, _ lengths: ClosedRange<UInt64>
    ) throws(SchemaViolation) {
        let decoded: String
        do { decoded = try token.decoded(text) } catch { throw SchemaViolation(error) }
        guard !decoded.unicodeScalars.contains("\0") else { throw SchemaViolation("must not contain U+0000") }
        try check(length: UInt64(decoded.unicodeScalars.count), lengths, unit: "characters")
    }

    private func checkBytes(
        _ text: Span<UInt8>, _ token: JSONCursor.StringToken, _ lengths: ClosedRange<UInt64>
    ) throws(SchemaViolation) {
        let count: Int
        do { count = try Base64.decodedCount(text, in: token.content) } catch {
            throw SchemaViolation("must be base64 and \(error.reason)")
        }
        try check(length: UInt64(count), lengths, unit: "bytes")
    }

    private func check(
        length: UInt64, _ lengths: ClosedRange<UInt64>, unit: String
    ) throws(SchemaViolation) {
        guard !lengths.contains(length) else { return }
        let accepted =
            lengths.lowerBound == lengths.upperBound
            ? "exactly \(lengths.lowerBound) are required"
            : "\(lengths.lowerBound) to \(lengths.upperBound) are accepted"
        throw SchemaViolation("has \(length) \(unit); \(accepted)")
    }

    private func checkHexadecimal(
        _ text: Span<UInt8>, _ token: JSONCursor.StringToken, bits: UInt32
    ) throws(SchemaViolation) {
        guard let value = Hexadecimal.value(text, in: token.content) else {
            throw SchemaViolation("must be \"0x\" and 1 to \(Hexadecimal.digitsMax) hexadecimal digits")
        }
        guard UInt32(UInt64.bitWidth - value.leadingZeroBitCount) <= bits else {
            throw SchemaViolation("is \(Hexadecimal.text(value)); at most \(bits) bits are accepted")
        }
    }
}
