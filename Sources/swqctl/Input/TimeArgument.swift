internal import ArgumentParser
internal import Platform
internal import Protocol

/// A time of the command line: RFC 3339 in UTC, a date alone (its first moment), or how long ago: `90s`, `10m`, `2h`,
/// `7d`.
struct TimeArgument: ExpressibleByArgument, Equatable {
    /// As the protocol writes it.
    let wire: String

    init?(argument: String) {
        self.init(argument, now: WallClock.nanoseconds())
    }

    /// - Parameter now: Nanoseconds since 1970, for what is so long ago.
    init?(_ text: String, now: Int64) {
        if UTCTime.nanoseconds(text) != nil {
            wire = text
        } else if UTCTime.nanoseconds("\(text)T00:00:00Z") != nil {
            wire = "\(text)T00:00:00Z"
        } else if let age = Self.nanoseconds(age: text), age <= now {
            wire = UTCTime.text(nanoseconds: now - age)
        } else {
            return nil
        }
    }

    private static func nanoseconds(age text: String) -> Int64? {
        let seconds: Int64
        switch text.last {
        case "s": seconds = 1
        case "m": seconds = 60
        case "h": seconds = 3600
        case "d": seconds = 86_400
        default: return nil
        }
        // Of the integer forms only plain digits are an age.
        guard text.first?.isNumber ?? false, let count = Int64(text.dropLast()) else { return nil }
        let (nanoseconds, overflow) = count.multipliedReportingOverflow(by: seconds * 1_000_000_000)
        return overflow ? nil : nanoseconds
    }
}
