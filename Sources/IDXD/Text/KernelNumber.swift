/// How the kernel reads what is written to an attribute. The text ends at its first NUL.
enum KernelText {
    private static let newline = UInt8(ascii: "\n")

    /// The bytes before the first NUL.
    static func upToNul(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        bytes.prefix { $0 != 0 }
    }

    /// Whether two texts are equal but for one newline at the end, as `sysfs_streq` compares.
    static func matches(_ bytes: ArraySlice<UInt8>, _ text: String) -> Bool {
        withoutNewline(bytes).elementsEqual(text.utf8)
    }

    /// The text without one newline at its end.
    static func withoutNewline(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        bytes.last == newline ? bytes.dropLast() : bytes
    }

    /// The text without white space at both ends, as `strim`.
    static func trimmed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var bytes = bytes.drop(while: isSpace)
        while let last = bytes.last, isSpace(last) { bytes.removeLast() }
        return bytes
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) || byte == 0xA0 }

    /// How numbers are written.
    enum Base {
        case decimal
        /// By prefix: `0x` sixteen, `0` eight, otherwise ten.
        case any
    }

    /// A number of `kstrtoull`: an optional plus sign, digits, an optional newline, nothing else.
    ///
    /// - Parameter limit: The largest value of the type that is asked for.
    /// - Throws: EINVAL for other text, ERANGE for a number that is too large.
    static func unsigned(
        _ bytes: ArraySlice<UInt8>, base: Base = .decimal, limit: UInt64 = .max
    ) throws(Errno) -> UInt64 {
        var digits = withoutNewline(bytes)
        if digits.first == UInt8(ascii: "+") { digits.removeFirst() }
        return try magnitude(digits, base: base, limit: limit)
    }

    /// A number of `kstrtol`, which may be negative.
    static func signed(_ bytes: ArraySlice<UInt8>) throws(Errno) -> Int64 {
        guard bytes.first == UInt8(ascii: "-") else { return Int64(try unsigned(bytes, limit: UInt64(Int64.max))) }
        let digits = withoutNewline(bytes.dropFirst())
        return Int64(truncatingIfNeeded: 0 &- (try magnitude(digits, base: .decimal, limit: 1 << 63)))
    }

    private static func magnitude(
        _ text: ArraySlice<UInt8>, base: Base, limit: UInt64
    ) throws(Errno) -> UInt64 {
        var digits = text
        var radix: UInt64 = 10
        if base == .any, digits.first == UInt8(ascii: "0") {
            radix = 8
            let rest = digits.dropFirst()
            if let mark = rest.first, mark | 0x20 == UInt8(ascii: "x"), let next = rest.dropFirst().first,
                digit(next).map({ $0 < 16 }) ?? false
            {
                radix = 16
                digits = rest.dropFirst()
            }
        }
        guard !digits.isEmpty else { throw .einval }
        var value: UInt64 = 0
        var isTooLarge = false
        for byte in digits {
            guard let digit = digit(byte), digit < radix else { throw .einval }
            let (product, overflow) = value.multipliedReportingOverflow(by: radix)
            let (sum, carry) = product.addingReportingOverflow(digit)
            if overflow || carry || sum > limit { isTooLarge = true }
            value = sum
        }
        guard !isTooLarge else { throw .erange }
        return value
    }

    private static func digit(_ byte: UInt8) -> UInt64? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt64(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt64(byte - UInt8(ascii: "a") + 10)
        case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt64(byte - UInt8(ascii: "A") + 10)
        default: nil
        }
    }

    /// A truth value of `kstrtobool`: the first letter of yes, true, no or false, `1` or `0`, `on` or `off`.
    static func bool(_ bytes: ArraySlice<UInt8>) throws(Errno) -> Bool {
        guard let first = bytes.first else { throw .einval }
        switch first | 0x20 {
        case UInt8(ascii: "y"), UInt8(ascii: "t"): return true
        case UInt8(ascii: "n"), UInt8(ascii: "f"): return false
        case UInt8(ascii: "o"):
            switch bytes.dropFirst().first.map({ $0 | 0x20 }) {
            case UInt8(ascii: "n"): return true
            case UInt8(ascii: "f"): return false
            default: throw .einval
            }
        default: break
        }
        switch first {
        case UInt8(ascii: "1"): return true
        case UInt8(ascii: "0"): return false
        default: throw .einval
        }
    }
}
