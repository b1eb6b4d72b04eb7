import DSASpec
import Protocol
import ProtocolMessages
import SwiftProtobuf
import TestKit
import Testing

@Suite struct `Unbinding with descriptors in flight` {
    private let daemon: DaemonProcess
    private let admin: WireClient

    init() throws {
        daemon = try DaemonProcess.start()
        admin = try daemon.admin()
    }

    @Test func `An unbind waits until its descriptors have completed; exec-oob overtakes it, other requests do not`()
        throws
    {
        let client = try daemon.client([.outOfBand])
        let user = try Submitter.hostUser(client)
        try admin.holdEngines()
        let records = try (0..<3).map { _ in try user.submitAccepted() }
        let unbind = try client.send(.unbindProcess(.with { $0.device = "dsa0" }))
        let behind = try client.send(.queryVersion)
        let overtaking = try client.send(.queryStatus, outOfBand: true)

        // Neither of the first two has been answered when the third is.
        let first = try #require(try client.readLine())
        #expect(try ClientMessage(first).id?.unsigned == overtaking)
        #expect(try ClientMessage(first).decode(WireQueryStatusReturn.self).inFlight == 3)
        #expect(try admin.status().boundIoasids == 1)
        let draining = try admin.ioasids()
        #expect(draining.map(\.ioasid) == [user.pasid])
        #expect(draining.map(\.process) == [user.owner])

        try admin.holdEngines(false)
        var order: [UInt64] = []
        while order.count < 2, let line = try client.readLine() {
            if let id = try ClientMessage(line).id?.unsigned { order.append(id) }
        }
        #expect(order == [unbind, behind])
        for record in records { #expect(try client.read(1, at: record) == [CompletionStatus.success.rawValue]) }
        #expect(try admin.status().boundIoasids == 0)
        #expect(try admin.ioasids().isEmpty)
    }

    @Test func `While the unbind of a guest PASID drains, the guest's ENQCMD exits already`() throws {
        let vmm = try daemon.client([.outOfBand])
        let guest = try Submitter.guest(try daemon.client(), guestPASID: 5)
        try admin.holdEngines()
        let record = try guest.submitAccepted()
        let unbind = try vmm.send(
            .unbindGuestPasid(
                .with {
                    $0.vm = guest.owner
                    $0.guestPasid = 5
                }))
        // Requests of a connection are read in order: by this answer the unbind has begun.
        let status = try vmm.call(.queryStatus, outOfBand: true, returning: WireQueryStatusReturn.self)
        #expect(status.inFlight == 1)
        let refused = try guest.submit()
        #expect(refused.reply.exit.reason == 72)
        #expect(refused.reply.zf)
        try admin.holdEngines(false)
        _ = try vmm.receive(unbind, returning: WireEmpty.self)
        #expect(try guest.client.read(1, at: record) == [CompletionStatus.success.rawValue])
    }
}
