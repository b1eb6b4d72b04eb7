internal import FoundationEssentials

/// Bytes as people write them: base64, hexadecimal digits, `@FILE`, or `-` for the standard input.
enum BinaryInput {
    private static let fileByteCountMax = 1 << 16

    /// Exactly `byteCount` bytes from an argument.
    static func bytes(_ argument: String, byteCount: Int) throws(InputError) -> [UInt8] {
        let path: String
        switch argument.first {
        case "@": path = String(argument.dropFirst())
        case "-" where argument.count == 1: path = argument
        default: return try bytes(text: argument, byteCount: byteCount)
        }
        let contents = try InputFile.contents(of: path, byteCountMax: fileByteCountMax)
        // No text of so many bytes is as short as they are.
        if contents.count == byteCount { return contents }
        guard let text = String(validating: contents, as: UTF8.self) else {
            throw InputError("the file has \(contents.count) bytes and is not text; \(byteCount) bytes are needed")
        }
        return try bytes(text: text, byteCount: byteCount)
    }

    /// Exactly `byteCount` bytes from base64 or hexadecimal text. White space counts for nothing; hexadecimal digits
    /// may follow `0x` and be grouped by colons or commas.
    static func bytes(text: String, byteCount: Int) throws(InputError) -> [UInt8] {
        let characters = text.filter { !$0.isWhitespace }
        let digits = hexadecimalDigits(characters)
        let bytes: [UInt8]
        if let digits, characters.isEmpty || !isBase64(characters, byteCount: byteCount) {
            guard digits.count.isMultiple(of: 2) else {
                throw InputError("an odd number of hexadecimal digits, \(digits.count)")
            }
            bytes = stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
        } else if let data = Data(base64Encoded: characters) {
            bytes = Array(data)
        } else {
            throw InputError("neither base64 nor hexadecimal digits; a file is named @FILE")
        }
        guard bytes.count == byteCount else {
            throw InputError("\(bytes.count) bytes; \(byteCount) are needed")
        }
        return bytes
    }

    /// The length tells base64 that happens to consist of hexadecimal digits.
    private static func isBase64(_ characters: String, byteCount: Int) -> Bool {
        characters.utf8.count == (byteCount + 2) / 3 * 4
    }

    /// The values of the digits; `nil` when there is anything else.
    private static func hexadecimalDigits(_ characters: String) -> [UInt8]? {
        let hasPrefix = characters.hasPrefix("0x") || characters.hasPrefix("0X")
        var digits: [UInt8] = []
        for character in characters.dropFirst(hasPrefix ? 2 : 0) where character != ":" && character != "," {
            guard character.isASCII, let digit = character.hexDigitValue else { return nil }
            digits.append(UInt8(digit))
        }
        return digits
    }
}
