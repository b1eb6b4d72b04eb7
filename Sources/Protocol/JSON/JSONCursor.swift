/// A position in a JSON text and the steps over its tokens: RFC 8259, nothing more lenient.
///
/// The text is an argument of each step and must be the same each time. It must be valid UTF-8: strings are skipped
/// byte by byte.
struct JSONCursor {
    /// Objects and arrays that may be open at a time.
    static let nestingDepthMax = 32

    /// A string token.
    struct StringToken {
        /// The bytes between the quotes.
        let content: Range<Int>

        /// The content holds at least one backslash.
        let hasEscape: Bool
    }

    /// What the next token begins.
    enum Token {
        case object
        case array
        case string
        case number
        case literal
    }

    /// Offset of the next byte.
    private(set) var position: Int

    /// Offset behind the last byte.
    let end: Int

    init(_ range: Range<Int>) {
        position = range.lowerBound
        end = range.upperBound
    }

    /// The cursor stands behind the last byte.
    var isAtEnd: Bool { position == end }

    /// Moves over white space.
    mutating func skipWhitespace(_ text: Span<UInt8>) {
        while position < end {
            switch text[position] {
            case .space, .tab, .lineFeed, .carriageReturn: position += 1
            default: return
            }
        }
    }

    /// Moves over white space and `byte`, if that is what follows.
    mutating func take(_ byte: UInt8, _ text: Span<UInt8>) -> Bool {
        skipWhitespace(text)
        guard position < end, text[position] == byte else { return false }
        position += 1
        return true
    }

    /// Moves over white space and `byte`.
    mutating func expect(_ byte: UInt8, _ text: Span<UInt8>) throws(JSONSyntaxError) {
        guard take(byte, text) else { throw fault("expected \"\(Character(Unicode.Scalar(byte)))\"") }
    }

    /// What begins behind the white space. Does not move past it.
    mutating func peek(_ text: Span<UInt8>) throws(JSONSyntaxError) -> Token {
        skipWhitespace(text)
        guard position < end else { throw fault("the text ends where a value is expected") }
        switch text[position] {
        case .leftBrace: return .object
        case .leftBracket: return .array
        case .quote: return .string
        case .minus, .zero ... .nine: return .number
        case UInt8(ascii: "t"), UInt8(ascii: "f"), UInt8(ascii: "n"): return .literal
        default: throw fault("expected a value")
        }
    }

    /// Moves over a string.
    mutating func string(_ text: Span<UInt8>) throws(JSONSyntaxError) -> StringToken {
        try expect(.quote, text)
        let start = position
        var hasEscape = false
        while position < end {
            switch text[position] {
            case .quote:
                position += 1
                return StringToken(content: start..<position - 1, hasEscape: hasEscape)
            case .backslash:
                hasEscape = true
                _ = try escape(text)
            case 0..<0x20:
                throw fault("a control character in a string must be escaped")
            default:
                position += 1
            }
        }
        throw fault("the text ends inside a string")
    }

    /// Moves over an escape sequence, a surrogate pair counting as one, and returns its scalar.
    mutating func escape(_ text: Span<UInt8>) throws(JSONSyntaxError) -> Unicode.Scalar {
        guard position + 1 < end else { throw fault("the text ends inside a string") }
        let kind = text[position + 1]
        if kind == UInt8(ascii: "u") { return try unicodeEscape(text) }
        guard let scalar = Self.shortEscape(kind) else { throw fault("unknown escape sequence") }
        position += 2
        return scalar
    }

    /// Moves over a number and returns its bytes.
    mutating func number(_ text: Span<UInt8>) throws(JSONSyntaxError) -> Range<Int> {
        skipWhitespace(text)
        let start = position
        if position < end, text[position] == .minus { position += 1 }
        if position < end, text[position] == .zero {
            position += 1
        } else {
            try digits(text)
        }
        if position < end, text[position] == UInt8(ascii: ".") {
            position += 1
            try digits(text)
        }
        if position < end, text[position] | 0x20 == UInt8(ascii: "e") {
            position += 1
            if position < end, text[position] == UInt8(ascii: "+") || text[position] == .minus { position += 1 }
            try digits(text)
        }
        if position < end, text[position].isNumberOrLetter { throw fault("not a number") }
        return start..<position
    }

    /// Moves over `true` (returned as true), `false` (false) or `null` (nil).
    mutating func literal(_ text: Span<UInt8>) throws(JSONSyntaxError) -> Bool? {
        skipWhitespace(text)
        if takeWord("true", text) { return true }
        if takeWord("false", text) { return false }
        if takeWord("null", text) { return nil }
        throw fault("expected a value")
    }

    /// Moves over any value and returns its bytes. Its syntax is checked throughout.
    mutating func skipValue(_ text: Span<UInt8>, depth: Int = 0) throws(JSONSyntaxError) -> Range<Int> {
        let token = try peek(text)
        let start = position
        switch token {
        case .string: _ = try string(text)
        case .number: _ = try number(text)
        case .literal: _ = try literal(text)
        case .array:
            try enter(depth)
            try expect(.leftBracket, text)
            if take(.rightBracket, text) { break }
            repeat {
                _ = try skipValue(text, depth: depth + 1)
            } while take(.comma, text)
            try expect(.rightBracket, text)
        case .object:
            try enter(depth)
            try expect(.leftBrace, text)
            if take(.rightBrace, text) { break }
            repeat {
                skipWhitespace(text)
                _ = try string(text)
                try expect(.colon, text)
                _ = try skipValue(text, depth: depth + 1)
            } while take(.comma, text)
            try expect(.rightBrace, text)
        }
        return start..<position
    }

    /// Moves over one byte, whatever it is.
    mutating func advance() { position += 1 }

    /// Demands that nothing but white space follows.
    mutating func finish(_ text: Span<UInt8>) throws(JSONSyntaxError) {
        skipWhitespace(text)
        guard isAtEnd else { throw fault("expected nothing behind the value") }
    }

    /// Refuses to open an object or array inside `depth` others when that is too deep.
    func enter(_ depth: Int) throws(JSONSyntaxError) {
        guard depth < Self.nestingDepthMax else { throw fault("nested deeper than \(Self.nestingDepthMax) levels") }
    }

    /// An error at the present position.
    func fault(_ reason: String) -> JSONSyntaxError {
        JSONSyntaxError(offset: position, reason: reason)
    }

    private mutating func digits(_ text: Span<UInt8>) throws(JSONSyntaxError) {
        let start = position
        while position < end, (UInt8.zero ... .nine).contains(text[position]) { position += 1 }
        guard position > start else { throw fault("expected a digit") }
    }

    private mutating func takeWord(_ word: StaticString, _ text: Span<UInt8>) -> Bool {
        guard text.hasBytes(of: word, at: position, end: end) else { return false }
        let behind = position + word.utf8CodeUnitCount
        if behind < end, text[behind].isNumberOrLetter { return false }
        position = behind
        return true
    }

    private mutating func unicodeEscape(_ text: Span<UInt8>) throws(JSONSyntaxError) -> Unicode.Scalar {
        let first = try hexadecimalUnit(text)
        if let scalar = Unicode.Scalar(first) { return scalar }
        guard UTF16.isLeadSurrogate(UInt16(first)), position < end, text[position] == .backslash else {
            throw fault("half of a surrogate pair")
        }
        let second = try hexadecimalUnit(text)
        guard UTF16.isTrailSurrogate(UInt16(second)),
            let scalar = Unicode.Scalar(0x10000 + (first - 0xd800) << 10 + (second - 0xdc00))
        else { throw fault("half of a surrogate pair") }
        return scalar
    }

    private mutating func hexadecimalUnit(_ text: Span<UInt8>) throws(JSONSyntaxError) -> UInt32 {
        guard position + 6 <= end, text[position + 1] == UInt8(ascii: "u") else {
            throw fault("expected \\u and four hexadecimal digits")
        }
        var value: UInt32 = 0
        for offset in position + 2..<position + 6 {
            guard let digit = text[offset].hexadecimalDigit else {
                throw fault("expected \\u and four hexadecimal digits")
            }
            value = value << 4 | UInt32(digit)
        }
        position += 6
        return value
    }

    private static func shortEscape(_ kind: UInt8) -> Unicode.Scalar? {
        switch kind {
        case .quote, .backslash, UInt8(ascii: "/"): Unicode.Scalar(kind)
        case UInt8(ascii: "b"): "\u{8}"
        case UInt8(ascii: "f"): "\u{c}"
        case UInt8(ascii: "n"): "\n"
        case UInt8(ascii: "r"): "\r"
        case UInt8(ascii: "t"): "\t"
        default: nil
        }
    }
}
