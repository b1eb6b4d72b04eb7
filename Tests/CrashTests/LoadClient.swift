import DSASpec
import PCIe
import Protocol
import ProtocolMessages
import SwiftProtobuf
import TestKit

/// A reply that no death of the daemon explains.
struct Surprise: Error {
    let description: String
}

/// One connection: the vCPU of a VM that it owns, or a thread of a host process.
struct LoadClient {
    private static let guestPASIDs: Range<UInt32> = 0..<8
    private static let burstMax = 4
    /// Completion records in one page.
    private static let recordCount: UInt64 = 128

    private(set) var account: Account
    private let client: WireClient
    private let killSwitch: KillSwitch
    private let memory: UInt64
    private let portal: UInt64
    /// The host PASID of each bound guest PASID; for a process under 0. The daemon may not have said so yet.
    private var bound: Set<UInt32> = []
    private var ioasids: [UInt32: UInt32] = [:]

    init(path: String, isGuest: Bool, killSwitch: KillSwitch) throws {
        client = try WireClient(path: path)
        let _: WireSubscribeEventsReturn = try client.call(.subscribeEvents(WireSubscribeEventsArguments()))
        self.killSwitch = killSwitch
        let connection = try client.queryConnection().connection
        if isGuest {
            let vm = try client.createVM()
            try client.attachVCPU(vm: vm)
            account = Account(connection: connection, vm: vm, process: nil)
        } else {
            account = Account(connection: connection, vm: nil, process: try client.attachProcess())
        }
        memory = try client.allocateMemory(4096)
        portal = try client.mapPortal()
    }

    /// Changes some bindings, without waiting in between, or submits.
    mutating func act(_ generator: inout SeededGenerator) throws {
        if generator.oneIn(3), let pasid = ioasids.keys.sorted().randomElement(using: &generator) {
            try submit(under: pasid, &generator)
        } else {
            try change(&generator)
        }
    }

    private mutating func change(_ generator: inout SeededGenerator) throws {
        var numbers: [UInt64] = []
        for _ in 0..<Int.random(in: 1...Self.burstMax, using: &generator) {
            let change = nextChange(&generator)
            account.pending.append(change)
            numbers.append(try client.send(request(for: change)))
        }
        for number in numbers {
            let change = account.pending[0]
            let key = change.guestPASID ?? 0
            switch (change.kind, account.vm) {
            case (.bind, .some):
                ioasids[key] = try client.receive(number, returning: WireBindGuestPasidReturn.self).ioasid
            case (.bind, .none):
                ioasids[key] = try client.receive(number, returning: WireBindProcessReturn.self).pasid
            default:
                _ = try client.receive(number, returning: WireEmpty.self)
            }
            guard let ioasid = ioasids[key] else { throw TestFailure("an unbind of what was never bound") }
            if change.kind == .unbind { ioasids[key] = nil }
            account.pending.removeFirst()
            account.acknowledged.append(Account.Acknowledged(change: change, ioasid: ioasid))
            killSwitch.replyArrived()
        }
    }

    /// A change that is legal when those before it have been made.
    private mutating func nextChange(_ generator: inout SeededGenerator) -> Change {
        guard account.vm != nil else {
            let isBound = bound.remove(0) != nil
            if !isBound { bound.insert(0) }
            return Change(kind: isBound ? .unbind : .bind, guestPASID: nil)
        }
        let pasid = UInt32.random(in: Self.guestPASIDs, using: &generator)
        let isBound = bound.remove(pasid) != nil
        if !isBound { bound.insert(pasid) }
        return Change(kind: isBound ? .unbind : .bind, guestPASID: pasid)
    }

    private func request(for change: Change) -> Request {
        switch (change.kind, change.guestPASID) {
        case (.bind, let pasid?):
            .bindGuestPasid(
                .with {
                    $0.guestPasid = pasid
                    $0.device = "dsa0"
                })
        case (_, let pasid?): .unbindGuestPasid(.with { $0.guestPasid = pasid })
        case (.bind, nil): .bindProcess(.with { $0.device = "dsa0" })
        case (_, nil): .unbindProcess(.with { $0.device = "dsa0" })
        }
    }

    /// Submits a few No-ops, and sometimes waits for the last. An unbind that follows has descriptors to drain.
    private func submit(under pasid: UInt32, _ generator: inout SeededGenerator) throws {
        if account.vm != nil {
            try client.setPASID(pasid)
            killSwitch.replyArrived()
        }
        var record = memory
        for _ in 0..<Int.random(in: 1...Self.burstMax, using: &generator) {
            record = memory + 32 * UInt64.random(in: 0..<Self.recordCount, using: &generator)
            let result = try client.enqcmd(.noOp(record: record), to: portal)
            killSwitch.replyArrived()
            guard !result.hasException, !result.hasExit else {
                throw Surprise(description: "\(result)")
            }
            if result.zf { return }
        }
        if Bool.random(using: &generator) {
            _ = try client.completion(at: record)
            killSwitch.replyArrived()
        }
    }
}
