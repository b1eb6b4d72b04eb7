import Protocol
import ProtocolMessages
import SwiftProtobuf
import TestKit
import Testing

@Suite struct Events {
    @Test func `I-08 A binding's life comes as events in the order of the history`() throws {
        let daemon = try DaemonProcess.start()
        let watcher = try daemon.client()
        let user = try Submitter.hostUser(try daemon.client())
        try user.client.unbindProcess()
        user.client.close()

        var sequences: [UInt64] = []
        for name in ["IOASID_ALLOC", "IOASID_BIND", "IOASID_UNBIND", "IOASID_FREE"] {
            let event = try watcher.nextEvent(name).decode(WireIoasidEvent.self)
            #expect(event.ioasid == user.pasid, "\(name)")
            #expect(event.process == user.owner, "\(name)")
            #expect(event.cause == .request, "\(name)")
            sequences.append(event.sequence)
        }
        #expect(sequences == sequences.sorted() && Set(sequences).count == 4)
        let gone = try watcher.nextEvent("PROCESS_DESTROYED").decode(WireProcessEvent.self)
        #expect(gone.process == user.owner)
        #expect(gone.cause == .clientDied)
        let history = try watcher.history(.with { $0.process = user.owner })
        #expect(history.map(\.sequence) == sequences)
    }

    @Test func `Only what was subscribed to comes`() throws {
        let daemon = try DaemonProcess.start()
        let watcher = try daemon.client()
        try watcher.subscribe("VM_DESTROYED")
        let actor = try daemon.client()
        let vm = try actor.createVM(name: "short")
        try actor.bindGuestPASID(1, vm: vm)
        try actor.call(.destroyVm(.with { $0.vm = vm }))
        let event = try watcher.nextEvent("VM_DESTROYED").decode(WireVmEvent.self)
        #expect(event.vm == vm)
        #expect(event.name == "short")
        _ = try watcher.status()
        #expect(watcher.takeEvents().isEmpty)
        #expect(try watcher.queryConnection().subscriptions == ["EVENTS_DROPPED", "SHUTDOWN", "VM_DESTROYED"])
    }

    @Test func `An event that does not exist cannot be subscribed to, and the subscription stays`() throws {
        let daemon = try DaemonProcess.start()
        let client = try daemon.client()
        try client.subscribe("VM_CREATED")
        let refusal = try client.refusal(of: .subscribeEvents(.with { $0.events = ["VM_CREATED", "VM_REBOOTED"] }))
        #expect(refusal.errorClass == "InvalidArgument")
        #expect(try client.queryConnection().subscriptions == ["EVENTS_DROPPED", "SHUTDOWN", "VM_CREATED"])
    }

    @Test func `A client that does not read loses events, is told how many, and slows nobody down`() throws {
        let daemon = try DaemonProcess.start(.init(configuration: #"{"limits": {"eventQueue": 8}}"#))
        let sleeper = try daemon.client()
        try sleeper.subscribe("VM_CREATED", "VM_DESTROYED")
        let actor = try daemon.client()
        try actor.subscribe()

        var announced: UInt64 = 0
        var dropped: UInt64 = 0
        while dropped < 20 {
            let vm = try actor.createVM()
            try actor.call(.destroyVm(.with { $0.vm = vm }))
            announced += 2
            dropped = try actor.status().droppedEvents
            try #require(announced < 100_000)
        }

        var received: UInt64 = 0
        var gap: WireEventsDroppedEvent?
        while gap == nil {
            let line = try #require(try sleeper.readLine())
            let message = try ClientMessage(line)
            guard case .event(let name, _) = message.kind else { continue }
            if name == "EVENTS_DROPPED" { gap = try message.decode() } else { received += 1 }
        }
        #expect(gap?.count == dropped)
        #expect(gap?.total == dropped)
        #expect(received + dropped == announced)
        #expect(try sleeper.queryConnection().droppedEvents == dropped)
        // After the gap events come again.
        let vm = try actor.createVM()
        #expect(try sleeper.nextEvent("VM_CREATED").decode(WireVmEvent.self).vm == vm)
    }
}
