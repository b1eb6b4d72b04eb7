import Foundation
import Platform
import Protocol
import ProtocolMessages
import SwiftProtobuf
import TestKit
import Testing

/// The program `swqctl history` on a daemon that has one.
@Suite struct `swqctl history` {
    private let daemon: DaemonProcess
    private let events: [WireHistoryEvent]
    /// Of the guest, whose PASIDs are unbound again.
    private let vm: UInt32
    /// Of the host user, which stays bound.
    private let process: UInt32
    private let clients: [WireClient]

    /// A host user bound to dsa0, then a VM that binds guest PASIDs 5 and 6 and unbinds both.
    init() throws {
        daemon = try DaemonProcess.start()
        let user = try daemon.client()
        process = try user.attachProcess()
        _ = try user.bindProcess()
        let owner = try daemon.client()
        vm = try owner.createVM()
        for guestPASID: UInt32 in [5, 6] { try owner.bindGuestPASID(guestPASID, vm: vm) }
        for guestPASID: UInt32 in [5, 6] { try owner.unbindGuestPASID(guestPASID, vm: vm) }
        clients = [user, owner]
        events = try user.history()
        try #require(events.count == 10)
    }

    /// Sequence numbers of what it prints, over all pages.
    private func sequences(_ arguments: String...) throws -> [UInt64] {
        let run = try ProgramRun.swqctl(["history", "events", "--json"] + arguments, on: daemon)
        #expect(run.end == .exited(0) && run.errors == "", "\(run.errors)")
        return try run.output.split(separator: "\n").flatMap { page in
            try WireQueryHistoryReturn(jsonString: String(page)).events.map(\.sequence)
        }
    }

    private func sequences(where isWanted: (WireHistoryEvent) -> Bool) -> [UInt64] {
        events.filter(isWanted).map(\.sequence)
    }

    @Test func `Each filter leaves the events that it names, and all of them together those that all name`() throws {
        let first = try #require(events.first { $0.hasGuestPasid && $0.guestPasid == 5 })
        #expect(try sequences() == Array(1...10))
        #expect(try sequences("--ioasid", "\(first.ioasid)") == sequences { $0.ioasid == first.ioasid })
        #expect(try sequences("--guest-pasid", "6") == sequences { $0.hasGuestPasid && $0.guestPasid == 6 })
        #expect(try sequences("--vm", "\(vm)") == sequences { $0.hasVm && $0.vm == vm })
        #expect(try sequences("--process", "\(process)") == sequences { $0.hasProcess && $0.process == process })
        #expect(try sequences("--kind", "free") == sequences { $0.kind == .free })
        #expect(try sequences("--uid", "\(UserID.current.rawValue)") == Array(1...10))
        #expect(try sequences("--uid", "\(UserID.current.rawValue ^ 1)", "--admin").isEmpty)
        #expect(
            try sequences("--vm", "\(vm)", "--kind", "bind", "--guest-pasid", "5")
                == sequences { $0.kind == .bind && $0.hasGuestPasid && $0.guestPasid == 5 })
    }

    @Test func `Times bound it: from inclusive, to exclusive, as of inclusive; limit and after cut it`() throws {
        let (third, seventh) = (events[2].time, events[6].time)
        #expect(try sequences("--from", third) == Array(3...10))
        #expect(try sequences("--to", seventh) == Array(1...6))
        #expect(try sequences("--from", third, "--to", seventh) == Array(3...6))
        #expect(try sequences("--as-of", seventh) == Array(1...7))
        #expect(try sequences("--limit", "4") == Array(1...4))
        #expect(try sequences("--after", "4", "--limit", "3") == Array(5...7))
    }

    @Test func `As of a time it says who owned a host PASID then`() throws {
        let bind = try #require(events.first { $0.kind == .bind && $0.hasVm })
        let unbind = try #require(events.first { $0.kind == .unbind && $0.ioasid == bind.ioasid })
        func owners(at time: String) throws -> [WireBinding] {
            let run = try ProgramRun.swqctl(
                ["history", "--json", "--ioasid", "\(bind.ioasid)", "--as-of", time], on: daemon)
            #expect(run.end == .exited(0), "\(run.errors)")
            return try WireQueryBindingsReturn(jsonString: run.output).bindings
        }
        let inForce = try owners(at: bind.time)
        #expect(inForce.map(\.boundSequence) == [bind.sequence])
        #expect(inForce.map(\.vm) == [vm] && inForce.map(\.guestPasid) == [5])
        #expect(inForce.map(\.unboundSequence) == [unbind.sequence])
        #expect(inForce.allSatisfy { $0.certainty == .known })
        #expect(try owners(at: unbind.time).isEmpty)
        #expect(try owners(at: events[0].time).isEmpty)
    }

    @Test func `For people it is a table, of events or of the bindings in force`() throws {
        let log = try ProgramRun.swqctl(["history", "--vm", "\(vm)"], on: daemon)
        let lines = log.output.split(separator: "\n")
        #expect(lines.count == 1 + 8)
        #expect(lines[0].split(whereSeparator: { $0 == " " }).prefix(4) == ["SEQUENCE", "TIME", "KIND", "IOASID"])
        #expect(lines.dropFirst().map { $0.split(separator: " ")[2] }.first == "alloc")
        let bindings = try ProgramRun.swqctl(["history", "bindings"], on: daemon)
        #expect(bindings.output.split(separator: "\n").count == 2, "only the host user is bound")
        #expect(bindings.output.hasPrefix("IOASID"))
    }
}
