import DSASpec
import PCIe
import Platform
import Protocol
import ProtocolMessages
import SwiftProtobuf
import TestKit

/// Clients that bind, unbind and submit on threads of their own until the daemon is dead.
final class Load: Sendable {
    /// What the clients know in the end.
    struct Findings: Sendable {
        var accounts: [Account] = []
        var reported: [ReportedEvent] = []
        /// What no death of the daemon explains.
        var faults: [String] = []
    }

    private let socketPath: String
    private let killSwitch: KillSwitch
    private let findings = Guarded(Findings())

    init(on daemon: DaemonProcess, killSwitch: KillSwitch) {
        socketPath = daemon.socketPath
        self.killSwitch = killSwitch
    }

    /// Runs the clients until all of them have lost the daemon.
    func run(seed: UInt64) throws -> Findings {
        let observer = try Observer(path: socketPath)
        var threads = [try ThreadHandle(name: "observer") { [self] in watch(observer) }]
        for (number, kind) in [ClientKind.guest, .guest, .guest, .process].enumerated() {
            let seed = seed &+ UInt64(number) &* 0x1000_0001
            threads.append(
                try ThreadHandle(name: "client-\(number)") { [self] in
                    attend { try work(as: kind, seed: seed) }
                    // Without it nobody would reach the point at which the daemon is killed.
                    if findings.withLock({ !$0.faults.isEmpty }) { killSwitch.pull() }
                })
        }
        for thread in threads { thread.join() }
        return findings.withLock { $0 }
    }

    /// Runs `body` until the daemon is gone; only a refusal or a surprise is a fault.
    private func attend(_ body: () throws -> Void) {
        do {
            try body()
        } catch let refusal as WireClient.Refusal {
            findings.withLock { $0.faults.append("\(refusal)") }
        } catch let surprise as Surprise {
            findings.withLock { $0.faults.append(surprise.description) }
        } catch {
            // The connection ended, perhaps inside a line: that is what a kill looks like from here.
        }
    }

    private enum ClientKind {
        case guest
        case process
    }

    private func work(as kind: ClientKind, seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        while true {
            var client = try LoadClient(path: socketPath, isGuest: kind == .guest, killSwitch: killSwitch)
            defer { findings.withLock { $0.accounts.append(client.account) } }
            // Now and then a client leaves with bindings open, and the daemon has to end them.
            repeat { try client.act(&generator) } while !generator.oneIn(24)
        }
    }

    /// Collects the events, which every client of the user gets.
    private func watch(_ observer: Observer) {
        attend {
            while let event = try observer.next() { findings.withLock { $0.reported.append(event) } }
        }
    }
}

/// A connection that receives the events of bindings.
private final class Observer: Sendable {
    private let client: Guarded<WireClient>

    init(path: String) throws {
        let client = try WireClient(path: path)
        let _: WireSubscribeEventsReturn = try client.call(
            .subscribeEvents(.with { $0.events = ["IOASID_BIND", "IOASID_UNBIND"] }))
        self.client = Guarded(client)
    }

    /// The next event; `nil` when the daemon is gone.
    func next() throws -> ReportedEvent? {
        try client.withLock { client in
            guard let line = try client.readLine() else { return nil }
            let message = try ClientMessage(line)
            guard case .event(let name, _) = message.kind else { throw TestFailure("no event: \(message.kind)") }
            let event = try message.decode(WireIoasidEvent.self)
            return ReportedEvent(
                sequence: event.sequence, kind: name == "IOASID_BIND" ? .bind : .unbind, ioasid: event.ioasid,
                guestPASID: event.hasGuestPasid ? event.guestPasid : nil, vm: event.hasVm ? event.vm : nil,
                process: event.hasProcess ? event.process : nil)
        }
    }
}
