/// What an acknowledged event survives: SQLite's `synchronous` setting under a write-ahead log.
///
/// The death of the daemon, kill -9 included, loses no acknowledged event in any mode: the operating system holds what
/// was written. The modes differ when the operating system dies or the power fails.
package enum DurabilityMode: String, CaseIterable, Sendable {
    /// The log is synced before a batch is acknowledged: nothing acknowledged is ever lost. The default.
    case full
    /// The log is synced at checkpoints only. A power failure may lose the newest acknowledged events, always a suffix
    /// of the log; what is left is consistent.
    case normal
    /// Nothing is ever synced. A power failure may lose any acknowledged event and may leave a file that cannot be
    /// opened. For tests and throw-away machines.
    case off

    /// The value of `PRAGMA synchronous`.
    var synchronous: Int {
        switch self {
        case .off: 0
        case .normal: 1
        case .full: 2
        }
    }
}
