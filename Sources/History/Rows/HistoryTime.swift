/// A point in time: nanoseconds since 1970-01-01 00:00 UTC, as the wall clock or the ``HistoryClock`` gave it.
package struct HistoryTime: Hashable, Comparable, Sendable {
    /// Nanoseconds since the Unix epoch. `Int64` reaches the year 2262.
    package let nanoseconds: Int64

    package init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }

    package static func < (a: HistoryTime, b: HistoryTime) -> Bool {
        a.nanoseconds < b.nanoseconds
    }

    /// This time `nanoseconds` later, held at the ends of the range instead of wrapping.
    package func advanced(byNanoseconds nanoseconds: Int64) -> HistoryTime {
        let (sum, overflow) = self.nanoseconds.addingReportingOverflow(nanoseconds)
        return HistoryTime(nanoseconds: overflow ? (nanoseconds < 0 ? .min : .max) : sum)
    }
}
