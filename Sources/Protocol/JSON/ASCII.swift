/// The bytes that JSON gives a meaning.
extension UInt8 {
    static let space = UInt8(ascii: " ")
    static let tab = UInt8(ascii: "\t")
    static let lineFeed = UInt8(ascii: "\n")
    static let carriageReturn = UInt8(ascii: "\r")
    static let quote = UInt8(ascii: "\"")
    static let backslash = UInt8(ascii: "\\")
    static let leftBrace = UInt8(ascii: "{")
    static let rightBrace = UInt8(ascii: "}")
    static let leftBracket = UInt8(ascii: "[")
    static let rightBracket = UInt8(ascii: "]")
    static let colon = UInt8(ascii: ":")
    static let comma = UInt8(ascii: ",")
    static let minus = UInt8(ascii: "-")
    static let zero = UInt8(ascii: "0")
    static let nine = UInt8(ascii: "9")

    /// 0 to 15 for a hexadecimal digit of either case.
    var hexadecimalDigit: UInt8? {
        switch self {
        case .zero ... .nine: self - .zero
        case UInt8(ascii: "a")...UInt8(ascii: "f"): self - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): self - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    /// 0 to 9, a to z, A to Z.
    var isNumberOrLetter: Bool {
        (UInt8.zero ... .nine).contains(self)
            || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(self | 0x20)
    }
}

extension Span<UInt8> {
    /// The bytes from `offset` up to `end` begin with `word`.
    func hasBytes(of word: StaticString, at offset: Int, end: Int) -> Bool {
        guard end - offset >= word.utf8CodeUnitCount else { return false }
        return word.withUTF8Buffer { letters in
            for index in 0..<letters.count where unsafe letters[index] != self[offset + index] { return false }
            return true
        }
    }

    /// The bytes of `range` equal `bytes`.
    func equals(_ bytes: [UInt8], in range: Range<Int>) -> Bool {
        guard range.count == bytes.count else { return false }
        for index in bytes.indices where self[range.lowerBound + index] != bytes[index] { return false }
        return true
    }

    /// A copy of `range`.
    public func copy(_ range: Range<Int>) -> [UInt8] {
        unsafe extracting(range).withUnsafeBufferPointer { unsafe Array($0) }
    }

    /// The text of `range`, which must be valid UTF-8.
    func text(_ range: Range<Int>) -> String {
        String(decoding: copy(range), as: UTF8.self)
    }
}
