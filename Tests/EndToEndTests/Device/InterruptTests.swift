import DSASpec
import Glibc
import Platform
import Protocol
import ProtocolMessages
import SwiftProtobuf
import TestKit
import Testing

/// An eventfd of a client.
private struct TestEvent {
    private let event: Wakeup

    init() throws {
        event = try Wakeup()
    }

    var number: CInt { event.descriptor.rawValue }

    /// Fills the counter and lets further writes wait.
    func fillAndBlock() throws {
        var full: UInt64 = .max - 1
        guard unsafe write(number, &full, 8) == 8, fcntl(number, F_SETFL, 0) == 0 else {
            throw SystemError.last("eventfd")
        }
    }

    /// Waits until it is signalled, and returns the count.
    func wait() throws -> UInt64 {
        var waiting = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
        guard unsafe poll(&waiting, 1, CInt(Deadline.milliseconds)) == 1 else { throw TestFailure("no signal") }
        return try #require(count)
    }

    /// The count since the last look; `nil` when it was not signalled.
    var count: UInt64? {
        var value: UInt64 = 0
        return unsafe read(number, &value, 8) == 8 ? value : nil
    }
}

extension WireClient {
    /// Requests an entry of `dsa0`; returns the handle.
    fileprivate func requestInterrupt(
        _ table: WireInterruptTable = .msix, guestPASID: UInt32? = nil
    ) throws -> UInt32 {
        var arguments = WireRequestInterruptArguments()
        arguments.device = "dsa0"
        arguments.table = table
        if let guestPASID { arguments.guestPasid = guestPASID }
        let result = try call(.requestInterrupt(arguments), returning: WireRequestInterruptReturn.self)
        guard result.table == table else { throw TestFailure("another table") }
        return result.handle
    }

    fileprivate func attachInterrupt(_ index: UInt32, _ table: WireInterruptTable = .msix) throws {
        try call(
            .attachInterrupt(
                .with {
                    $0.device = "dsa0"
                    $0.table = table
                    $0.index = index
                }))
    }

    fileprivate static func eventfdRequest(handle: UInt32, _ table: WireInterruptTable = .msix) -> Request {
        .setInterruptEventfd(
            .with {
                $0.device = "dsa0"
                $0.table = table
                $0.handle = handle
            })
    }

    fileprivate func setEventfd(_ event: TestEvent, handle: UInt32) throws {
        let request = try send(Self.eventfdRequest(handle: handle), attaching: [event.number])
        _ = try receive(request, returning: WireEmpty.self)
    }
}

extension Submitter {
    /// Submits a No-op that requests an interrupt; returns its record's address.
    fileprivate func submitInterrupting(_ handle: UInt32) throws -> UInt64 {
        try submitAccepted {
            var descriptor = Descriptor.noOp(record: $0)
            descriptor.flags.insert(.requestCompletionInterrupt)
            descriptor.completionInterruptHandle = UInt16(handle)
            return descriptor
        }
    }

    /// Submits a No-op that requests an interrupt and returns the status it ends with.
    fileprivate func statusOfInterrupting(_ handle: UInt32) throws -> CompletionStatus {
        try client.completion(at: try submitInterrupting(handle)).status
    }
}

@Suite struct `Interrupts of clients` {
    private let daemon: DaemonProcess
    private let admin: WireClient
    private let user: Submitter

    init() throws {
        daemon = try DaemonProcess.start()
        admin = try daemon.admin()
        user = try .hostUser(try daemon.client())
    }

    @Test func `A client is told of its descriptor's end by an event, after the record`() throws {
        let handle = try user.client.requestInterrupt()
        let record = try user.submitInterrupting(handle)
        let event = try user.client.nextEvent("INTERRUPT").decode(WireInterruptEvent.self)
        #expect(try user.client.read(1, at: record) == [CompletionStatus.success.rawValue])
        #expect(event.device == "dsa0")
        #expect(event.table == .msix)
        #expect(event.handle == handle)
        #expect(event.count == 1)
        #expect(!event.hasIndex)
    }

    @Test func `Without an entry of its own a client's descriptor ends with 0x19`() throws {
        #expect(try user.statusOfInterrupting(3) == .invalidInterruptHandle)
        #expect(try user.statusOfInterrupting(9) == .invalidInterruptHandle)
    }

    @Test func `D-10: a second client neither uses nor hears the first one's interrupt`() throws {
        let second = try Submitter.hostUser(try daemon.client())
        try second.client.subscribe("*")
        let handle = try user.client.requestInterrupt()
        #expect(try user.statusOfInterrupting(handle) == .success)
        _ = try user.client.nextEvent("INTERRUPT")
        #expect(try second.statusOfInterrupting(handle) == .invalidInterruptHandle)
        // Nobody hears of what 0x19 refused.
        #expect(try user.statusOfInterrupting(handle) == .success)
        let event = try user.client.nextEvent("INTERRUPT").decode(WireInterruptEvent.self)
        #expect(event.count == 1)
        _ = try second.client.status()
        #expect(second.client.takeEvents().filter { $0.name.hasPrefix("INTERRUPT") }.isEmpty)
        // Its own has another handle.
        #expect(try second.client.requestInterrupt() != handle)
    }

    @Test func `A guest's interrupts come through IMS, for the guest PASID that it named`() throws {
        let guest = try Submitter.guest(try daemon.client(), guestPASID: 5)
        let handle = try guest.client.requestInterrupt(.ims, guestPASID: 5)
        #expect(try guest.statusOfInterrupting(handle) == .success)
        let event = try guest.client.nextEvent("INTERRUPT").decode(WireInterruptEvent.self)
        #expect(event.table == .ims)
        #expect(event.handle == handle)
        // Another guest PASID of the same VM has no part in it.
        try guest.client.bindGuestPASID(6)
        try guest.client.setPASID(6)
        #expect(try guest.statusOfInterrupting(handle) == .invalidInterruptHandle)
        let unbound = Request.requestInterrupt(
            .with {
                $0.device = "dsa0"
                $0.guestPasid = 7
            })
        #expect(try guest.client.refusal(of: unbound).errorClass == "NotFound")
        let unnamed = try guest.client.refusal(of: .requestInterrupt(.with { $0.device = "dsa0" }))
        #expect(unnamed.path == "arguments.guestPasid")
    }

    @Test func `An eventfd that the client passes is signalled in place of events`() throws {
        let handle = try user.client.requestInterrupt()
        let event = try TestEvent()
        try user.client.setEventfd(event, handle: handle)
        let record = try user.submitInterrupting(handle)
        #expect(try event.wait() == 1)
        #expect(try user.client.read(1, at: record) == [CompletionStatus.success.rawValue])
        // Another takes its place.
        let other = try TestEvent()
        try user.client.setEventfd(other, handle: handle)
        #expect(try user.statusOfInterrupting(handle) == .success)
        #expect(try other.wait() == 1)
        #expect(event.count == nil)
        _ = try user.client.status()
        #expect(user.client.takeEvents().filter { $0.name == "INTERRUPT" }.isEmpty)
    }

    @Test func `An eventfd that is full and blocks delays nobody`() throws {
        let handle = try user.client.requestInterrupt()
        let event = try TestEvent()
        try event.fillAndBlock()
        try user.client.setEventfd(event, handle: handle)
        for _ in 0..<5 { #expect(try user.statusOfInterrupting(handle) == .success) }
        #expect(try daemon.client().status().state == .running)
        #expect(event.count == .max)
    }

    @Test func `What comes in place of an eventfd is refused and closed, and events go on`() throws {
        let handle = try user.client.requestInterrupt()
        let request = WireClient.eventfdRequest(handle: handle)
        let file = try MemoryFile.create(name: "no eventfd", byteCount: 4096)
        let event = try TestEvent()
        for descriptors in [[], [file.rawValue], [event.number, event.number]] {
            let number = try user.client.send(request, attaching: descriptors)
            #expect(try user.client.receiveRefusal(number).errorClass == "InvalidArgument")
        }
        #expect(try user.statusOfInterrupting(handle) == .success)
        _ = try user.client.nextEvent("INTERRUPT")
        #expect(event.count == nil)
    }

    @Test func `An eventfd for an entry of somebody else is refused`() throws {
        let handle = try user.client.requestInterrupt()
        let thief = try daemon.client()
        let event = try TestEvent()
        let number = try thief.send(
            WireClient.eventfdRequest(handle: handle), attaching: [event.number])
        #expect(try thief.receiveRefusal(number).errorClass == "NotFound")
        #expect(try user.statusOfInterrupting(handle) == .success)
        _ = try user.client.nextEvent("INTERRUPT")
        #expect(event.count == nil)
    }

    @Test func `A released entry sends nothing more, and is the next one's`() throws {
        let handle = try user.client.requestInterrupt()
        let release = Request.releaseInterrupt(
            .with {
                $0.device = "dsa0"
                $0.table = .msix
                $0.handle = handle
            })
        try user.client.call(release)
        #expect(try user.client.refusal(of: release).errorClass == "NotFound")
        #expect(try user.statusOfInterrupting(handle) == .invalidInterruptHandle)
        #expect(try Submitter.hostUser(try daemon.client()).client.requestInterrupt() == handle)
        _ = try user.client.status()
        #expect(user.client.takeEvents().filter { $0.name.hasPrefix("INTERRUPT") }.isEmpty)
    }

    @Test func `The end of a client gives all its entries back`() throws {
        let greedy = try daemon.client()
        let process = try greedy.attachProcess()
        try greedy.bindProcess()
        var handles: Set<UInt32> = []
        for _ in 0..<8 { handles.insert(try greedy.requestInterrupt()) }
        #expect(handles == Set(1...8))
        let request = Request.requestInterrupt(.with { $0.device = "dsa0" })
        #expect(try user.client.refusal(of: request).errorClass == "ResourceExhausted")
        greedy.close()
        _ = try user.client.nextEvent("PROCESS_DESTROYED") {
            try $0.decode(WireProcessEvent.self).process == process
        }
        handles = []
        for _ in 0..<8 { handles.insert(try user.client.requestInterrupt()) }
        #expect(handles == Set(1...8))
    }

    @Test func `A thread that ends gives its entries back, those of the process's other threads stay`() throws {
        let thread = try daemon.client()
        try thread.attachProcess(user.owner)
        let kept = try user.client.requestInterrupt()
        let gone = try thread.requestInterrupt()
        try thread.call(.detach)
        #expect(try user.statusOfInterrupting(gone) == .invalidInterruptHandle)
        #expect(try user.statusOfInterrupting(kept) == .success)
    }

    @Test func `The unbind of the PASID revokes the entries of every thread`() throws {
        let thread = try daemon.client()
        try thread.attachProcess(user.owner)
        let handle = try user.client.requestInterrupt()
        try thread.unbindProcess()
        let event = try user.client.nextEvent("INTERRUPT_REVOKED").decode(WireInterruptRevokedEvent.self)
        #expect(event.device == "dsa0")
        #expect(event.table == .msix)
        #expect(event.handle == handle)
        try thread.bindProcess()
        #expect(try user.statusOfInterrupting(handle) == .invalidInterruptHandle)
        #expect(try user.client.requestInterrupt() == handle)
    }

    @Test func `Reset Device revokes the entries of everybody`() throws {
        let handle = try user.client.requestInterrupt()
        #expect(try admin.deviceCommand(.resetDevice).error == 0)
        let event = try user.client.nextEvent("INTERRUPT_REVOKED").decode(WireInterruptRevokedEvent.self)
        #expect(event.handle == handle)
    }

    @Test func `An admin attaches to any entry and hears what its owner hears`() throws {
        let handle = try user.client.requestInterrupt()
        try admin.attachInterrupt(handle)
        try admin.attachInterrupt(handle == 1 ? 2 : 1)
        #expect(try user.statusOfInterrupting(handle) == .success)
        let event = try admin.nextEvent("INTERRUPT").decode(WireInterruptEvent.self)
        #expect(event.index == handle)
        #expect(!event.hasHandle)
        _ = try user.client.nextEvent("INTERRUPT")
        try admin.call(
            .detachInterrupt(
                .with {
                    $0.device = "dsa0"
                    $0.table = .msix
                    $0.index = handle
                }))
        #expect(try user.statusOfInterrupting(handle) == .success)
        _ = try user.client.nextEvent("INTERRUPT")
        _ = try admin.status()
        #expect(admin.takeEvents().filter { $0.name == "INTERRUPT" }.isEmpty)
    }

    @Test func `Only an admin attaches, and only once to an entry that exists`() throws {
        let attach: (UInt32) -> Request = { index in
            .attachInterrupt(
                .with {
                    $0.device = "dsa0"
                    $0.table = .msix
                    $0.index = index
                })
        }
        #expect(try user.client.refusal(of: attach(1)).errorClass == "PermissionDenied")
        #expect(try admin.refusal(of: attach(9)).errorClass == "NotFound")
        try admin.attachInterrupt(8)
        #expect(try admin.refusal(of: attach(8)).errorClass == "WrongState")
        let observer = try daemon.client()
        let request = Request.requestInterrupt(.with { $0.device = "dsa0" })
        #expect(try observer.refusal(of: request).errorClass == "PermissionDenied")
    }

    @Test func `A process has its entries up to the limit, and none without a binding`() throws {
        let daemon = try DaemonProcess.start(.init(configuration: #"{"limits": {"interruptsPerClient": 2}}"#))
        let client = try daemon.client()
        try client.attachProcess()
        let request = Request.requestInterrupt(.with { $0.device = "dsa0" })
        #expect(try client.refusal(of: request).errorClass == "NotFound")
        try client.bindProcess()
        _ = try client.requestInterrupt()
        _ = try client.requestInterrupt(.ims)
        #expect(try client.refusal(of: request).errorClass == "LimitExceeded")
    }

    @Test func `A client that does not read loses interrupts as events, and slows nobody down`() throws {
        let daemon = try DaemonProcess.start(.init(configuration: #"{"limits": {"eventQueue": 8}}"#))
        let sleeper = try Submitter.hostUser(try daemon.client())
        try sleeper.client.subscribe("INTERRUPT")
        let handle = try sleeper.client.requestInterrupt()
        // Another thread of its process submits, with the same PASID.
        let thread = try daemon.client()
        try thread.attachProcess(sleeper.owner)
        var descriptor = Descriptor()
        descriptor.flags = .requestCompletionInterrupt
        descriptor.completionInterruptHandle = UInt16(handle)
        var submitted = 0
        var dropped: UInt64 = 0
        while dropped < 20 {
            for _ in 0..<100 {
                guard try !thread.enqcmd(descriptor, to: sleeper.portal).hasException else {
                    throw TestFailure("an exception")
                }
            }
            submitted += 100
            dropped = try thread.status().droppedEvents
            try #require(submitted < 1_000_000)
        }
        let gap = try sleeper.client.nextEvent("EVENTS_DROPPED").decode(WireEventsDroppedEvent.self)
        #expect(gap.count == dropped)
        #expect(try sleeper.statusOfInterrupting(handle) == .success)
        #expect(try sleeper.client.nextEvent("INTERRUPT").decode(WireInterruptEvent.self).handle == handle)
    }
}
