/// The kernel's text of a map of 256 bits: eight groups of eight hexadecimal digits with commas between them, the most
/// significant first.
enum Bitmap {
    /// The text of a map of four words, the least significant first.
    static func text(_ words: (UInt64, UInt64, UInt64, UInt64)) -> String {
        [words.3, words.2, words.1, words.0].map { word in
            "\(group(UInt32(truncatingIfNeeded: word >> 32))),\(group(UInt32(truncatingIfNeeded: word)))"
        }.joined(separator: ",")
    }

    private static func group(_ value: UInt32) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }

    /// Reads a map whose bits from 64 on must be 0, as `bitmap_parse` does: groups of up to eight digits, those on the
    /// left may be missing.
    ///
    /// - Returns: The lowest 64 bits, and whether any other bit is 1.
    /// - Throws: EINVAL for other text, EOVERFLOW for a group or a map that is too long.
    static func parse(_ bytes: ArraySlice<UInt8>) throws(Errno) -> (low: UInt64, hasMore: Bool) {
        let groups = KernelText.trimmed(bytes).split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
        guard groups.count <= 8 else { throw .eoverflow }
        var low: UInt64 = 0
        var hasMore = false
        for (position, digits) in groups.reversed().enumerated() {
            guard digits.count <= 8 else { throw .eoverflow }
            guard !digits.isEmpty, digits.allSatisfy({ $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "-") }),
                let value = UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
            else { throw .einval }
            if position < 2 {
                low |= UInt64(value) << (UInt64(position) * 32)
            } else if value != 0 {
                hasMore = true
            }
        }
        return (low, hasMore)
    }
}
