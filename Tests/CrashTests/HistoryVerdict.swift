import Glibc
import Platform
import Protocol
import ProtocolMessages
import SwiftProtobuf
import TestKit

/// The events of one run of the daemon and of the restart after its death, beside what its clients know.
struct HistoryVerdict {
    /// The events behind those of earlier runs.
    let rows: [WireHistoryEvent]
    private(set) var faults: [String] = []

    /// Reads the events behind `sequence`.
    init(after sequence: UInt64, from client: WireClient) throws {
        var rows: [WireHistoryEvent] = []
        var next: UInt64? = sequence
        while let after = next {
            let page: WireQueryHistoryReturn = try client.call(
                .queryHistory(
                    .with {
                        $0.after = after
                        $0.limit = 1000
                    }))
            rows += page.events
            next = page.hasNext ? page.next : nil
        }
        self.rows = rows
        expect(
            zip(rows, 1...).allSatisfy { $0.sequence == sequence + $1 }, "the sequence has gaps behind \(sequence)")
    }

    mutating func expect(_ condition: Bool, _ fault: @autoclosure () -> String) {
        if !condition { faults.append(fault()) }
    }

    /// The connection's rows are what it was told, in that order, and behind them at most what it had asked for.
    mutating func check(_ account: Account, rid: String) {
        let own = rows.filter {
            $0.hasConnection && $0.connection == account.connection && $0.cause == .request
                && ($0.kind == .bind || $0.kind == .unbind)
        }
        expect(
            own.count >= account.acknowledged.count,
            "connection \(account.connection): \(account.acknowledged.count) changes acknowledged, \(own.count) kept")
        for (row, acknowledged) in zip(own, account.acknowledged) {
            expect(
                row.change == acknowledged.change && row.ioasid == acknowledged.ioasid,
                "connection \(account.connection): acknowledged was \(acknowledged), kept is \(row)")
        }
        let further = own.dropFirst(account.acknowledged.count).map(\.change)
        expect(
            account.pending.starts(with: further),
            "connection \(account.connection): kept are \(further), asked for was \(account.pending)")
        for row in own {
            expect(
                (row.hasVm ? row.vm : nil) == account.vm && (row.hasProcess ? row.process : nil) == account.process
                    && row.rid == rid && row.uid == getuid() && row.pid == UInt32(ProcessID.current.rawValue),
                "connection \(account.connection): a wrong subject or actor: \(row)")
        }
    }

    /// An event that was sent is a row, under the same number.
    mutating func check(_ event: ReportedEvent, after sequence: UInt64) {
        guard event.sequence > sequence, event.sequence - sequence <= UInt64(rows.count) else {
            faults.append("reported and not kept: \(event)")
            return
        }
        let row = rows[Int(event.sequence - sequence) - 1]
        let kept = ReportedEvent(
            sequence: row.sequence, kind: row.kind, ioasid: row.ioasid,
            guestPASID: row.hasGuestPasid ? row.guestPasid : nil, vm: row.hasVm ? row.vm : nil,
            process: row.hasProcess ? row.process : nil)
        expect(kept == event, "reported was \(event), kept is \(row)")
    }

    /// What the dead daemon left bound was unbound by the restart, in the order of the binds, and what it left
    /// allocated was freed, in the order of the allocations, last of all.
    ///
    /// - Returns: The binds of those intervals.
    mutating func checkRecovery() -> [WireHistoryEvent] {
        let restart = rows.firstIndex { $0.cause == .daemonRestart } ?? rows.endIndex
        var open: [UInt32: WireHistoryEvent] = [:]
        var allocated: [UInt32: WireHistoryEvent] = [:]
        for row in rows[..<restart] {
            switch row.kind {
            case .bind:
                expect(open[row.ioasid] == nil, "bound twice: \(row)")
                open[row.ioasid] = row
            case .unbind:
                expect(open[row.ioasid] != nil, "unbound without a bind: \(row)")
                open[row.ioasid] = nil
            case .alloc:
                expect(allocated[row.ioasid] == nil, "allocated twice: \(row)")
                allocated[row.ioasid] = row
            case .free:
                expect(allocated[row.ioasid] != nil, "freed without an allocation: \(row)")
                allocated[row.ioasid] = nil
            case .bindDevice, .unbindDevice:
                expect(open[row.ioasid] != nil, "a device of what is not bound: \(row)")
            case .UNRECOGNIZED: expect(false, "an unknown event: \(row)")
            }
        }
        let ended = rows[restart...]
        expect(
            ended.allSatisfy { $0.cause == .daemonRestart }, "something else happened among the events of the restart")
        let closed = ended.prefix { $0.kind == .unbind }
        let freed = ended.dropFirst(closed.count)
        expect(
            freed.allSatisfy { $0.kind == .free }
                && freed.map(\.ioasid) == allocated.values.sorted { $0.sequence < $1.sequence }.map(\.ioasid),
            "left allocated were \(allocated.keys.sorted()), freed were \(freed.map(\.ioasid))")
        let left = open.values.sorted { $0.sequence < $1.sequence }
        expect(
            closed.map(\.subject) == left.map(\.subject),
            "left open were \(left.map(\.ioasid)), closed were \(closed.map(\.ioasid))")
        return left
    }
}

extension WireHistoryEvent {
    fileprivate var change: Change { Change(kind: kind, guestPASID: hasGuestPasid ? guestPasid : nil) }

    /// Whom it concerns.
    fileprivate var subject: [UInt32?] {
        [ioasid, hasGuestPasid ? guestPasid : nil, hasVm ? vm : nil, hasProcess ? process : nil, set]
    }
}
