import DSASpec
import Platform
import Protocol
import ProtocolMessages
import SwiftProtobuf
import TestKit
import Testing

@Suite struct `Who a client is` {
    @Test func `A client of this user shows this process`() throws {
        let daemon = try DaemonProcess.start()
        let connection = try daemon.client().queryConnection()
        #expect(connection.uid == UserID.current.rawValue)
        #expect(connection.pid == UInt32(ProcessID.current.rawValue))
        #expect(connection.transport == .unix)
        #expect(!connection.admin)
        #expect(try daemon.admin().queryConnection().admin)
    }

    @Test(Identity.requiresRoot)
    func `A client of a second user shows that user, on the connection and in the history`() async throws {
        let daemon = try DaemonProcess.start(.init(configuration: #"{"sockets": {"mode": "0666"}}"#))
        let admin = try daemon.admin()
        try admin.subscribe("PROCESS_DESTROYED")
        let socket = daemon.socketPath
        await #expect(processExitsWith: .success) { [socket = socket as String] in
            try Identity.becomeNobody()
            let client = try WireClient(path: socket)
            let connection = try client.queryConnection()
            #expect(connection.uid == Identity.nobody)
            #expect(connection.gid == Identity.nobody)
            #expect(connection.pid == UInt32(ProcessID.current.rawValue))
            let user = try Submitter.hostUser(client)
            var generator = SeededGenerator(seed: 7)
            try user.moveAndCheck(&generator)
            #expect(try client.history().map(\.kind) == [.alloc, .bind])
        }
        _ = try admin.nextEvent("PROCESS_DESTROYED")
        let events = try admin.history(.with { $0.uid = Identity.nobody })
        #expect(events.map(\.kind) == [.alloc, .bind, .unbind, .free])
        #expect(events.allSatisfy { $0.pid != UInt32(ProcessID.current.rawValue) })
    }

    @Test func `The read-only socket serves queries and nothing else`() throws {
        var options = DaemonProcess.Options()
        options.hasReadOnlySocket = true
        let daemon = try DaemonProcess.start(options)
        let user = try Submitter.hostUser(try daemon.client())
        let reader = try WireClient(path: daemon.readOnlySocketPath)
        #expect(try reader.ioasids().map(\.ioasid) == [user.pasid])
        #expect(try reader.history().map(\.kind) == [.alloc, .bind])
        #expect(try reader.refusal(of: .attachProcess(.init())).errorClass == "PermissionDenied")
        #expect(try reader.refusal(of: .createVm(.init())).errorClass == "PermissionDenied")
        #expect(try reader.refusal(of: .shutdown).errorClass == "PermissionDenied")
    }

    @Test func `The main socket does not admit admin commands, unlimited portals or CPL 0`() throws {
        let daemon = try DaemonProcess.start()
        let user = try Submitter.hostUser(try daemon.client())
        let requests: [Request] = [
            .shutdown,
            .xEngineHold(
                .with {
                    $0.device = "dsa0"
                    $0.hold = true
                }),
            .deviceCommand(
                .with {
                    $0.device = "dsa0"
                    $0.command = .drainAll
                }),
            .mapPortal(
                .with {
                    $0.device = "dsa0"
                    $0.wq = 0
                    $0.portal = .unlimited
                }),
            .setCpl(.with { $0.cpl = 0 }),
        ]
        for request in requests {
            #expect(try user.client.refusal(of: request).errorClass == "PermissionDenied", "\(request.command)")
        }
    }

    @Test func `At CPL 3 RDMSR and WRMSR raise #GP(0), and IA32_PASID is what the fix-up wrote`() throws {
        let daemon = try DaemonProcess.start()
        let user = try Submitter.hostUser(try daemon.client())
        _ = try user.client.completion(at: try user.submitAccepted())
        let written: WireWriteMsrReturn = try user.client.call(
            .writeMsr(.with { ($0.msr, $0.value) = ("0xd93", "0x80000001") }))
        #expect(written.exception.vector == "#GP" && written.exception.errorCode == 0)
        let read: WireReadMsrReturn = try user.client.call(.readMsr(.with { $0.msr = "0xd93" }))
        #expect(read.exception.vector == "#GP" && !read.hasValue)
        #expect(try user.client.processor().ia32Pasid == Hexadecimal.text(1 << 31 | UInt64(user.pasid)))
    }

    @Test func `A thread of the admin socket goes to CPL 0, writes IA32_PASID, has ENQCMDS and the unlimited portal`()
        throws
    {
        let daemon = try DaemonProcess.start()
        let user = try Submitter.hostUser(try daemon.admin())
        try user.client.call(.setCpl(.with { $0.cpl = 0 }))
        try user.client.setPASID(user.pasid)
        #expect(try user.submit().reply.gpFixups == 0, "nothing is left to fix up")
        let portal: WireMapPortalReturn = try user.client.call(
            .mapPortal(
                .with {
                    $0.device = "dsa0"
                    $0.wq = 0
                    $0.portal = .unlimited
                }))
        let address = try #require(Hexadecimal.value(portal.address))
        let record = try user.reserve(UInt64(CompletionRecord.byteCount))
        var descriptor = Descriptor.noOp(record: record)
        descriptor.word0 |= UInt64(user.pasid)
        let reply = try user.client.enqcmds(descriptor, to: address)
        #expect(reply.hasZf && !reply.zf && !reply.hasException)
        #expect(try user.client.completion(at: record).status == .success)
    }
}
