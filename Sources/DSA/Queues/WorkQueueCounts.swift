extension WorkQueue.Counts {
    /// Nothing counted yet.
    public static let zero = Self()

    /// Adds the counts of another WQ.
    public static func += (left: inout Self, right: Self) {
        left.accepted &+= right.accepted
        left.retried &+= right.retried
        left.completed &+= right.completed
        left.abandoned &+= right.abandoned
        left.dropped &+= right.dropped
        left.dispatched &+= right.dispatched
    }
}
