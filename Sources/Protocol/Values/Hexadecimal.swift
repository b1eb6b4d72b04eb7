/// Addresses and masks as the protocol writes them: `0x` and 1 to 16 hexadecimal digits.
package enum Hexadecimal {
    /// Most digits behind `0x`.
    static let digitsMax = 16

    /// The value of a text; nil unless it is `0x` and 1 to 16 digits of either case.
    package static func value(_ text: String) -> UInt64? {
        let bytes = Array(text.utf8)
        return value(bytes.span, in: 0..<bytes.count)
    }

    /// The text of a value, lower case, without leading zeros.
    package static func text(_ value: some FixedWidthInteger & UnsignedInteger) -> String {
        "0x" + String(value, radix: 16)
    }

    /// The value of the text in `range`; nil unless it is `0x` and 1 to 16 digits of either case.
    static func value(_ bytes: Span<UInt8>, in range: Range<Int>) -> UInt64? {
        guard (3...digitsMax + 2).contains(range.count),
            bytes.hasBytes(of: "0x", at: range.lowerBound, end: range.upperBound)
        else { return nil }
        var value: UInt64 = 0
        for index in range.dropFirst(2) {
            guard let digit = bytes[index].hexadecimalDigit else { return nil }
            value = value << 4 | UInt64(digit)
        }
        return value
    }
}
