/// Which events or bindings to find: each member that is set must match. IOASID, VM and process have an index; with
/// none of them set the rest is found by a scan in the order of the page.
package struct HistoryFilter: Hashable, Sendable {
    package var ioasid: UInt32?
    package var guestPASID: UInt32?
    package var ioasidSet: UInt64?
    package var vm: UInt64?
    package var deviceRID: UInt16?
    package var process: UInt64?
    package var uid: UInt32?
    package var pid: Int32?
    package var connection: UInt64?
    /// The run of the daemon that wrote the row: makes `vm`, `process` and `connection` unambiguous.
    package var daemonRun: Int64?

    package init() {}
}

/// The part of an answer that is asked for.
package struct HistoryPage: Hashable, Sendable {
    package enum Order: Hashable, Sendable {
        case oldestFirst
        case newestFirst
    }

    /// Rows in one page at most.
    package static let rowsMax = 1000

    package let limit: Int
    package let offset: Int
    package let order: Order

    /// Returns `nil` unless `limit` is in `1...rowsMax` and `offset` is not negative.
    package init?(limit: Int = 100, offset: Int = 0, order: Order = .newestFirst) {
        guard (1...Self.rowsMax).contains(limit), offset >= 0 else { return nil }
        self.limit = limit
        self.offset = offset
        self.order = order
    }

    /// The newest hundred rows.
    package init() {
        limit = 100
        offset = 0
        order = .newestFirst
    }
}

/// A search of the event log. To page through a log that grows, narrow `sequences` instead of raising the offset.
package struct EventQuery: Hashable, Sendable {
    package var filter = HistoryFilter()
    package var kind: HistoryEventKind?
    package var cause: HistoryCause?
    /// Effective times; an event lies in the range if its time does.
    package var times: Range<HistoryTime>?
    package var sequences: Range<Int64>?
    package var page = HistoryPage()

    package init() {}
}

/// A search of the bindings, in the order in which they were bound.
package struct BindingQuery: Hashable, Sendable {
    package var filter = HistoryFilter()
    /// Effective times; a binding lies in the range if it held at some time of it.
    package var times: Range<HistoryTime>?
    /// Sequences of binds.
    package var sequences: Range<Int64>?
    /// Only bindings that no unbind has ended.
    package var openOnly = false
    package var page = HistoryPage()

    package init() {}
}

/// Who owned a host PASID at a time.
package enum HistoryOwnership: Hashable, Sendable {
    case bound(BindingRow)
    /// Nobody.
    case unbound
    /// The time lies between the last sign of life of a daemon that crashed and its restart. `candidate` is the binding
    /// that was open then, if any; without one the run's durability mode allowed a bind to be lost.
    case unknown(HistoryGap, candidate: BindingRow?)
    /// Nothing is left that covers the time, and retention has removed history from before `before`, later than it.
    case expired(before: HistoryTime)
}

/// What a VM or a process held at a time, in the order of IOASIDs.
package struct HistoryHoldings: Hashable, Sendable {
    /// Bindings that held at the time.
    package let bound: [BindingRow]
    /// Bindings of which a crash hides whether they still held (see ``HistoryOwnership/unknown(_:candidate:)``).
    package let unknown: [BindingRow]
    /// The crash around the time, if it lies in one.
    package let gap: HistoryGap?
    /// As for ``HistoryOwnership/expired(before:)``: there may have been more. `nil` if retention removed nothing that
    /// matters.
    package let expiredBefore: HistoryTime?
    /// The IOASID to continue after if the page was full; otherwise `nil`.
    package let continueAfter: UInt32?
}

/// Whose holdings to ask for.
package enum HistoryHolder: Hashable, Sendable {
    case vm(UInt64)
    case process(UInt64)
}

/// The extent of the history.
package struct HistorySummary: Hashable, Sendable {
    /// Events kept.
    package let events: Int64
    /// The oldest and the newest event kept; `nil` without events.
    package let oldest: EventRow?
    package let newest: EventRow?
    package let openBindings: Int64
    /// Runs of the daemon kept, this one included.
    package let daemonRuns: Int64
}
