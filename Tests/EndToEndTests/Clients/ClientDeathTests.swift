import Glibc
import Platform
import Protocol
import ProtocolMessages
import SwiftProtobuf
import TestKit
import Testing

@Suite struct `The death of a client` {
    @Test func `kill -9 of a guest ends its vCPU, drains its descriptors, unbinds its PASIDs, and the history says so`()
        async throws
    {
        let daemon = try DaemonProcess.start()
        let admin = try daemon.admin()
        try admin.subscribe("VM_DESTROYED")
        let witness = try Submitter.hostUser(try daemon.client())
        try admin.holdEngines()
        let socket = daemon.socketPath
        await #expect(processExitsWith: .signal(SIGKILL)) { [socket = socket as String] in
            let guest = try Submitter.guest(try WireClient(path: socket), guestPASID: 9)
            try guest.client.bindGuestPASID(10)
            for _ in 0..<5 { _ = try guest.submitAccepted() }
            guard kill(getpid(), SIGKILL) == 0 else { throw SystemError.last("kill") }
        }
        // Until they have drained, the descriptors are there and so are the PASIDs they carry.
        #expect(try admin.status().inFlight == 5)
        #expect(try admin.ioasids().contains(where: \.hasVm))

        try admin.holdEngines(false)
        let vm = try admin.nextEvent("VM_DESTROYED").decode(WireVmEvent.self).vm
        let status = try admin.status()
        #expect(status.vms == 0)
        #expect(status.inFlight == 0)
        #expect(status.accepted == status.completed + status.abandoned)
        #expect(status.boundIoasids == 1)
        #expect(try admin.ioasids().map(\.ioasid) == [witness.pasid])

        let events = try admin.history(.with { $0.vm = vm })
        for guestPASID: UInt32 in [9, 10] {
            let own = events.filter { $0.hasGuestPasid && $0.guestPasid == guestPASID }
            #expect(own.map(\.kind) == [.bind, .unbind])
            #expect(own.last?.cause == .clientDied)
        }
        #expect(events.filter { $0.kind == .free }.map(\.cause) == [.clientDied, .clientDied])
        let open = try admin.call(.queryBindings(.with { $0.vm = vm }), returning: WireQueryBindingsReturn.self)
        #expect(open.bindings.isEmpty)

        var generator = SeededGenerator(seed: 5)
        try witness.moveAndCheck(&generator)
    }

    @Test func `kill -9 of one thread's process leaves the host process's other threads their PASID`() async throws {
        let daemon = try DaemonProcess.start()
        let user = try Submitter.hostUser(try daemon.client())
        let (socket, process) = (daemon.socketPath, user.owner)
        await #expect(processExitsWith: .signal(SIGKILL)) {
            [socket = socket as String, process = process as UInt32] in
            try WireClient(path: socket).attachProcess(process)
            guard kill(getpid(), SIGKILL) == 0 else { throw SystemError.last("kill") }
        }
        var generator = SeededGenerator(seed: 6)
        try user.moveAndCheck(&generator)
        #expect(try user.client.history(.with { $0.kind = .unbind }).isEmpty)
    }
}
