internal import Platform
internal import ProtocolMessages

/// The history of a run as the daemon recorded it, beside what the participants know.
struct HistoryCheck {
    let events: [WireHistoryEvent]

    /// The events as a table.
    var table: String {
        let headings = [
            "SEQUENCE", "TIME", "EVENT", "IOASID", "GUEST PASID", "VM", "PROCESS", "DEVICE", "PID", "CAUSE",
        ]
        return TextTable.text(
            [headings]
                + events.map { event in
                    [
                        "\(event.sequence)", event.time, "\(event.kind)", "\(event.ioasid)",
                        event.hasGuestPasid ? "\(event.guestPasid)" : "-", event.hasVm ? "\(event.vm)" : "-",
                        event.hasProcess ? "\(event.process)" : "-", event.hasRid ? event.rid : "-",
                        event.hasPid ? "\(event.pid)" : "-", "\(event.cause)",
                    ]
                })
    }

    /// Throws unless each outcome's binding is there from bind to unbind, and no other.
    func require(_ outcomes: [Outcome]) throws(DemoError) {
        try DemoError.require(
            events.map(\.sequence) == (1...UInt64(max(events.count, 1))).map { $0 }, "the history has gaps")
        for kind in [WireHistoryKind.bind, .unbind] {
            try DemoError.require(
                events.count { $0.kind == kind } == outcomes.count,
                "the history has not one \(kind) for each participant")
        }
        for outcome in outcomes {
            let bind = try event(.bind, of: outcome)
            let unbind = try event(.unbind, of: outcome)
            try DemoError.require(
                bind.sequence < unbind.sequence && bind.time < unbind.time,
                "the history has \(outcome.name) unbound before bound")
        }
        let hostPASIDs = Set(outcomes.map(\.participation.hostPASID))
        try DemoError.require(hostPASIDs.count == outcomes.count, "two participants have the same host PASID")
        let guestPASIDs = Set(outcomes.compactMap(\.participation.guestPASID))
        try DemoError.require(guestPASIDs == [Setting.guestPASID], "the guests do not use the same guest PASID")
    }

    private func event(_ kind: WireHistoryKind, of outcome: Outcome) throws(DemoError) -> WireHistoryEvent {
        let participation = outcome.participation
        let found = events.first { event in
            event.kind == kind && event.ioasid == participation.hostPASID
                && (event.hasGuestPasid ? event.guestPasid : nil) == participation.guestPASID
                && (event.hasVm ? event.vm : nil) == participation.vm
                && (event.hasProcess ? event.process : nil) == participation.process
                && event.pid == UInt32(outcome.id.rawValue) && event.cause == .request
        }
        guard let found else { throw DemoError("the history has no \(kind) of \(outcome.name)") }
        return found
    }
}
