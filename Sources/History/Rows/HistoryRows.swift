/// A row of the `event` table.
package struct EventRow: Hashable, Sendable {
    /// Position in the log: 1 for the first event, without gaps. Retention removes from the low end only.
    package let sequence: Int64
    /// Effective time (``HistoryClock``): strictly increasing with `sequence`.
    package let time: HistoryTime
    package let event: HistoryEvent
    /// For `unbind`, the sequence of the `bind` it ended, which identifies the binding; for `bindDevice` and
    /// `unbindDevice` that of the binding's `bind`; otherwise `nil`.
    package let boundSequence: Int64?
    /// The run of the daemon that wrote the row.
    package let daemonRun: Int64
}

/// A row of the `binding` table: the interval `bound.time ..< unbound.time` in which an IOASID belonged to `subject`.
///
/// Intervals of one IOASID never overlap.
package struct BindingRow: Hashable, Sendable {
    /// Where an interval begins or ends: an event of the log. The row keeps it when retention removes the event.
    package struct Edge: Hashable, Sendable {
        package let sequence: Int64
        /// Effective time (``HistoryClock``).
        package let time: HistoryTime
        /// What the wall clock showed.
        package let wallTime: HistoryTime
        package let cause: HistoryCause
    }

    /// Who held the IOASID. User, process ID and connection are those of the client that caused the bind.
    package let subject: HistorySubject
    /// The bind. Its sequence identifies the binding.
    package let bound: Edge
    /// The unbind; `nil` while the binding is open.
    package let unbound: Edge?
    /// The last time the daemon was known alive, when `unbound.cause` is `daemonRestart`: from there to
    /// `unbound.time` (the restart) nobody knows until when the binding held.
    package let lastAliveTime: HistoryTime?
    /// The run of the daemon that wrote the bind.
    package let daemonRun: Int64
}

/// A row of the `daemon_run` table: the daemon from one opening of the history to the next.
package struct DaemonRunRow: Hashable, Sendable {
    package let id: Int64
    package let startTime: HistoryTime
    package let durability: DurabilityMode
    /// The last heartbeat, or the last event before a crash if that is later.
    package let lastAliveTime: HistoryTime
    /// `nil` while the daemon runs, and for ever after a crash.
    package let cleanStopTime: HistoryTime?
    /// When the next run found that this one had crashed; otherwise `nil`.
    package let restartTime: HistoryTime?
}
