/// Times as the protocol writes them: RFC 3339 in UTC, `YYYY-MM-DDThh:mm:ss[.fraction]Z`, fraction of 1 to 9 digits.
///
/// In between they are nanoseconds since 1970-01-01T00:00:00Z without leap seconds. 1970 to 2261.
package enum UTCTime {
    private static let nanosecondsPerSecond: Int64 = 1_000_000_000
    private static let secondsPerDay: Int64 = 86_400

    /// Nanoseconds since 1970; nil for anything that is not such a time.
    package static func nanoseconds(_ text: String) -> Int64? {
        let bytes = Array(text.utf8)
        return nanoseconds(bytes.span, in: 0..<bytes.count)
    }

    /// The time with nine digits of fraction. `nanoseconds` must not be negative.
    package static func text(nanoseconds: Int64) -> String {
        precondition(nanoseconds >= 0, "a time before 1970")
        let (seconds, fraction) = nanoseconds.quotientAndRemainder(dividingBy: nanosecondsPerSecond)
        let (days, second) = seconds.quotientAndRemainder(dividingBy: secondsPerDay)
        let (year, month, day) = date(daysSince1970: days)
        return "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))T"
            + "\(padded(second / 3600, 2)):\(padded(second / 60 % 60, 2)):\(padded(second % 60, 2))"
            + ".\(padded(fraction, 9))Z"
    }

    static func nanoseconds(_ bytes: Span<UInt8>, in range: Range<Int>) -> Int64? {
        let start = range.lowerBound
        guard (20...30).contains(range.count), bytes[range.upperBound - 1] == UInt8(ascii: "Z") else { return nil }
        for (offset, separator) in [(4, "-"), (7, "-"), (10, "T"), (13, ":"), (16, ":")] as [(Int, Unicode.Scalar)] {
            guard bytes[start + offset] == UInt8(ascii: separator) else { return nil }
        }
        guard let year = number(bytes, start..<start + 4), (1970...2261).contains(year),
            let month = number(bytes, start + 5..<start + 7), (1...12).contains(month),
            let day = number(bytes, start + 8..<start + 10), (1...daysIn(month: month, year: year)).contains(day),
            let hour = number(bytes, start + 11..<start + 13), hour < 24,
            let minute = number(bytes, start + 14..<start + 16), minute < 60,
            let second = number(bytes, start + 17..<start + 19), second < 60,
            let fraction = fraction(bytes, start + 19..<range.upperBound - 1)
        else { return nil }
        let seconds = daysSince1970(year, month, day) * secondsPerDay + hour * 3600 + minute * 60 + second
        return seconds * nanosecondsPerSecond + fraction
    }

    private static func fraction(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Int64? {
        guard let first = range.first else { return 0 }
        let digits = first + 1..<range.upperBound
        guard bytes[first] == UInt8(ascii: "."), !digits.isEmpty, var value = number(bytes, digits) else { return nil }
        for _ in digits.count..<9 { value *= 10 }
        return value
    }

    private static func number(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Int64? {
        var value: Int64 = 0
        for index in range {
            guard (UInt8.zero ... .nine).contains(bytes[index]) else { return nil }
            value = value * 10 + Int64(bytes[index] - .zero)
        }
        return value
    }

    private static func padded(_ value: Int64, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }

    private static func daysIn(month: Int64, year: Int64) -> Int64 {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Days of the proleptic Gregorian calendar, counted in years that begin in March so that leap days come last.
    private static func daysSince1970(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let marchYear = month <= 2 ? year - 1 : year
        let marchMonth = (month + 9) % 12
        return 365 * marchYear + marchYear / 4 - marchYear / 100 + marchYear / 400 + (153 * marchMonth + 2) / 5 + day
            - 719_469
    }

    private static func date(daysSince1970 days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        // An estimate that is never too late, then at most two steps on.
        var year = 1970 + days / 366
        while daysSince1970(year + 1, 1, 1) <= days { year += 1 }
        var month: Int64 = 1
        while month < 12, daysSince1970(year, month + 1, 1) <= days { month += 1 }
        return (year, month, days - daysSince1970(year, month, 1) + 1)
    }
}
