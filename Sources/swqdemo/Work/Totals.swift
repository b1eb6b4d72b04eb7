/// What a participant counted.
struct Totals: Codable, Equatable {
    /// Submissions that a portal accepted (ZF = 0).
    var accepted: UInt64 = 0
    /// Accepted descriptors whose completion record came and was right.
    var completed: UInt64 = 0
    /// Submissions that a portal answered with Retry (ZF = 1).
    var retried: UInt64 = 0
    /// Bytes of buffers compared with what had to be there.
    var checkedBytes: UInt64 = 0
    /// Times that the #GP handler loaded IA32_PASID for the program.
    var fixups: UInt64 = 0

    static func + (a: Totals, b: Totals) -> Totals {
        Totals(
            accepted: a.accepted + b.accepted, completed: a.completed + b.completed, retried: a.retried + b.retried,
            checkedBytes: a.checkedBytes + b.checkedBytes, fixups: a.fixups + b.fixups)
    }

    /// Accepted descriptors of which nothing was heard again.
    var lost: UInt64 { accepted - completed }
}
