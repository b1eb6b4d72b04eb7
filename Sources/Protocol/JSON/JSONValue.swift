/// Any JSON value, for programs that read replies without knowing their type.
package indirect enum JSONValue: Equatable, Sendable {
    case null
    case bool(Bool)
    /// A number as it is written: no digit is lost.
    case number(String)
    case string(String)
    case array([JSONValue])
    /// Members in the order of the text.
    case object([Member])

    /// A member of an object.
    package struct Member: Equatable, Sendable {
        package let name: String
        package let value: JSONValue

        package init(name: String, value: JSONValue) {
            self.name = name
            self.value = value
        }
    }

    /// Reads a text that holds one value and nothing else.
    package init(parsing text: [UInt8]) throws(JSONSyntaxError) {
        try text.span.requireUTF8()
        var cursor = JSONCursor(0..<text.count)
        self = try Self.read(&cursor, text.span, depth: 0)
        try cursor.finish(text.span)
    }

    /// The value of a member; nil when this is no object or has no such member.
    package subscript(name: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.name == name }?.value
    }

    /// The element of an array; nil when this is no array or is shorter.
    package subscript(index: Int) -> JSONValue? {
        guard case .array(let elements) = self, elements.indices.contains(index) else { return nil }
        return elements[index]
    }

    /// The text of a string; nil for anything else.
    package var text: String? {
        guard case .string(let text) = self else { return nil }
        return text
    }

    /// An unsigned number, also when it is written as a string, as canonical JSON writes 64-bit numbers.
    package var unsigned: UInt64? {
        switch self {
        case .number(let digits), .string(let digits): UInt64(digits)
        case .null, .bool, .array, .object: nil
        }
    }

    /// The value as JSON on one line, `": "` and `", "` as separators.
    package var description: String {
        switch self {
        case .null: "null"
        case .bool(let value): value ? "true" : "false"
        case .number(let digits): digits
        case .string(let text): Self.quoted(text)
        case .array(let elements): "[" + elements.map(\.description).joined(separator: ", ") + "]"
        case .object(let members):
            "{" + members.map { Self.quoted($0.name) + ": " + $0.value.description }.joined(separator: ", ") + "}"
        }
    }

    /// `text` as a JSON string, quotes included.
    package static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case "\u{0}"..<"\u{20}":
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }

    private static func read(
        _ cursor: inout JSONCursor, _ text: Span<UInt8>, depth: Int
    ) throws(JSONSyntaxError) -> JSONValue {
        switch try cursor.peek(text) {
        case .string: return .string(try cursor.string(text).decoded(text))
        case .number: return .number(text.text(try cursor.number(text)))
        case .literal: return try cursor.literal(text).map(JSONValue.bool) ?? .null
        case .array:
            try cursor.enter(depth)
            try cursor.expect(.leftBracket, text)
            var elements: [JSONValue] = []
            if cursor.take(.rightBracket, text) { return .array(elements) }
            repeat {
                elements.append(try read(&cursor, text, depth: depth + 1))
            } while cursor.take(.comma, text)
            try cursor.expect(.rightBracket, text)
            return .array(elements)
        case .object:
            try cursor.enter(depth)
            try cursor.expect(.leftBrace, text)
            var members: [Member] = []
            if cursor.take(.rightBrace, text) { return .object(members) }
            repeat {
                let name = try cursor.string(text).decoded(text)
                try cursor.expect(.colon, text)
                members.append(Member(name: name, value: try read(&cursor, text, depth: depth + 1)))
            } while cursor.take(.comma, text)
            try cursor.expect(.rightBrace, text)
            return .object(members)
        }
    }
}

extension JSONCursor.StringToken {
    /// The string, escape sequences replaced.
    func decoded(_ text: Span<UInt8>) throws(JSONSyntaxError) -> String {
        guard hasEscape else { return text.text(content) }
        var result = String.UnicodeScalarView()
        var run = content.lowerBound
        var cursor = JSONCursor(content)
        func flush(upTo end: Int) { result.append(contentsOf: text.text(run..<end).unicodeScalars) }
        while !cursor.isAtEnd {
            if text[cursor.position] == .backslash {
                flush(upTo: cursor.position)
                result.append(try cursor.escape(text))
                run = cursor.position
            } else {
                cursor.advance()
            }
        }
        flush(upTo: content.upperBound)
        return String(result)
    }
}

extension Span<UInt8> {
    /// Throws unless the bytes are valid UTF-8.
    func requireUTF8() throws(JSONSyntaxError) {
        do {
            _ = try UTF8Span(validating: self)
        } catch {
            throw JSONSyntaxError(offset: error.byteOffsets.lowerBound, reason: "not valid UTF-8")
        }
    }
}
