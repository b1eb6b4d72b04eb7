/// Base64 of RFC 4648 §4: standard alphabet, padded, no white space.
enum Base64 {
    /// Why a text is not base64 of the wanted kind, as a predicate of the text: "has a length that ...".
    struct Fault: Error {
        let reason: String
    }

    /// Number of bytes that the text in `range` encodes. `\/`, which some JSON writers emit for `/`, counts as one
    /// character.
    static func decodedCount(_ text: Span<UInt8>, in range: Range<Int>) throws(Fault) -> Int {
        var characters = 0
        var padding = 0
        var last: UInt8 = 0
        var index = range.lowerBound
        while index < range.upperBound {
            var byte = text[index]
            if byte == .backslash {
                index += 1
                guard index < range.upperBound, text[index] == UInt8(ascii: "/") else {
                    throw Fault(reason: "has an escape sequence other than \\/")
                }
                byte = UInt8(ascii: "/")
            }
            if byte == UInt8(ascii: "=") {
                padding += 1
            } else {
                guard padding == 0, let value = value(of: byte) else {
                    throw Fault(reason: "has a character outside the base64 alphabet")
                }
                last = value
            }
            characters += 1
            index += 1
        }
        guard characters.isMultiple(of: 4), padding <= 2 else {
            throw Fault(reason: "has a length that is not a multiple of 4; pad it with \"=\"")
        }
        let spareBits: UInt8 = padding == 2 ? 0x0f : padding == 1 ? 0x03 : 0
        guard last & spareBits == 0 else { throw Fault(reason: "has bits set behind its last byte") }
        return characters / 4 * 3 - padding
    }

    /// The bytes of a text of ours. A text that is not base64 is a bug.
    static func decode(_ text: StaticString) -> [UInt8] {
        text.withUTF8Buffer { characters in
            var bytes: [UInt8] = []
            bytes.reserveCapacity(characters.count / 4 * 3)
            var bits: UInt32 = 0
            var count = 0
            for index in characters.indices {
                let character = unsafe characters[index]
                if character == UInt8(ascii: "=") { break }
                guard let value = value(of: character) else { preconditionFailure("embedded base64 is damaged") }
                bits = bits << 6 | UInt32(value)
                count += 6
                if count >= 8 {
                    count -= 8
                    bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
                }
            }
            return bytes
        }
    }

    /// 0 to 63 for a character of the alphabet.
    private static func value(of character: UInt8) -> UInt8? {
        switch character {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): character - UInt8(ascii: "A")
        case UInt8(ascii: "a")...UInt8(ascii: "z"): character - UInt8(ascii: "a") + 26
        case UInt8.zero ... .nine: character - .zero + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
