/// What waits in the writer's queue.
enum HistoryWork: Sendable {
    case event(HistoryEvent, token: UInt64)
    /// The daemon was alive at this wall time.
    case alive(HistoryTime)
}
