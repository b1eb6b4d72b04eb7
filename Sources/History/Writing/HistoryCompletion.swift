/// Whether an event was taken into the writer's queue.
package enum HistorySubmission: Hashable, Sendable {
    /// It will be answered by exactly one ``HistoryCompletion``.
    case queued
    /// ``HistoryOptions/queuedEventsMax`` events wait already; nothing was taken, try again after a completion.
    case queueFull
    /// The history is closed or closing; nothing was taken.
    case closed
}

/// Why the history would not record an event that was queued.
package enum HistoryRefusal: Hashable, Sendable {
    /// A `bind` of an IOASID whose binding is open since the bind with this sequence.
    case alreadyBound(boundSequence: Int64)
    /// An `unbind` of an IOASID without an open binding.
    case notBound
    /// The store was released without being closed while the event waited.
    case abandoned
}

/// What became of one queued event.
package struct HistoryCompletion: Hashable, Sendable {
    package enum Outcome: Hashable, Sendable {
        /// Committed, and as durable as the ``DurabilityMode`` says.
        case recorded(sequence: Int64, time: HistoryTime)
        /// Not recorded: it contradicts the history. Other events of the batch are not affected.
        case refused(HistoryRefusal)
        /// Not recorded: SQLite failed (disk full, input/output error), and with it the event's whole batch. The
        /// history stands as before the batch and the writer goes on: the same event may be submitted again. Only
        /// after a power failure may such an event be found recorded nevertheless, if its commit reached the disk
        /// and the sync that should confirm it failed.
        case failed(SQLiteFailure)
    }

    /// The number given to ``HistoryWriter/submit(_:token:)``.
    package let token: UInt64
    package let outcome: Outcome
}

/// What the writer has done since the history was opened.
package struct HistoryWriterCounts: Hashable, Sendable {
    /// Events recorded, without those that close bindings at start and stop.
    package var eventsRecorded: UInt64 = 0
    /// Events refused or failed.
    package var eventsNotRecorded: UInt64 = 0
    /// Transactions committed for events and heartbeats.
    package var batches: UInt64 = 0
    /// Events that retention removed.
    package var eventsExpired: UInt64 = 0
    /// Closed bindings that retention removed.
    package var bindingsExpired: UInt64 = 0
    /// Heartbeats and retention slices that SQLite failed to write; each is tried again at the next heartbeat.
    package var upkeepFailures: UInt64 = 0
    /// The latest failure of SQLite.
    package var lastFailure: SQLiteFailure?
}
