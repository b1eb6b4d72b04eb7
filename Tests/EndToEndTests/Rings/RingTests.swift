import DSASpec
import Platform
import Protocol
import ProtocolMessages
import SwiftProtobuf
import TestKit
import Testing

@Suite struct `Submission through a ring` {
    private let daemon: DaemonProcess
    private let admin: WireClient
    private let user: Submitter
    private let ring: RingClient

    init() throws {
        daemon = try DaemonProcess.start()
        admin = try daemon.admin()
        user = try .hostUser(try daemon.client([.outOfBand]))
        ring = try RingClient(user.client)
    }

    /// The only ring of the user's connection.
    private func status() throws -> WireQueryRingsReturn.Ring {
        let rings = try user.client.call(.queryRings, outOfBand: true, returning: WireQueryRingsReturn.self).items
        return try #require(rings.first)
    }

    @Test func `An ENQCMD is accepted, carried out and counted as one that is requested`() throws {
        let requested = try user.submitAccepted()
        #expect(try user.client.completion(at: requested).status == .success)
        let record = try user.reserve(64)
        #expect(ring.enqcmd(.noOp(record: record), to: user.portal) == .accepted)
        #expect(try user.client.completion(at: record).status == .success)
        let status = try admin.status()
        #expect(status.accepted == 2)
        #expect(status.completed == 2)
        #expect(try self.status().submissions == 1)
    }

    @Test func `The first ENQCMD loads the PASID through the GP handler, and an unbound one raises GP`() throws {
        let stranger = try daemon.client()
        try stranger.attachProcess()
        let portal = try stranger.mapPortal()
        let ring = try RingClient(stranger)
        #expect(ring.enqcmd(Descriptor(), to: portal) == .generalProtection)
        try stranger.bindProcess()
        #expect(ring.enqcmd(Descriptor(), to: portal) == .accepted)
        #expect(try stranger.processor().gpFixups == 1)
    }

    @Test func `Operands are checked as those of a request`() throws {
        #expect(ring.enqcmds(Descriptor(), to: user.portal) == .generalProtection)
        #expect(ring.enqcmd(Descriptor(), to: user.portal + 1) == .generalProtection)
        #expect(ring.enqcmd(Descriptor(), to: 1 << 63) == .generalProtection)
        // Not present, a write, at CPL 3.
        #expect(ring.enqcmd(Descriptor(), to: 0x7000_0000) == .pageFault(address: 0x7000_0000, code: 6))
        #expect(ring.movdir64b(Descriptor(), to: 0x7000_0000) == .pageFault(address: 0x7000_0000, code: 6))
        // Memory is no enqueue register.
        #expect(ring.enqcmd(Descriptor(), to: try user.reserve(64)) == .retry)
        #expect(try admin.status().accepted == 0)
    }

    @Test func `A full WQ answers Retry, and takes what comes after its descriptors have ended`() throws {
        try admin.holdEngines()
        var accepted = 0
        while ring.enqcmd(.noOp(record: try user.reserve(64)), to: user.portal) == .accepted { accepted += 1 }
        #expect(accepted == Int(try admin.workQueue().threshold))
        try admin.holdEngines(false)
        let record = try user.reserve(64)
        while ring.enqcmd(.noOp(record: record), to: user.portal) == .retry {}
        #expect(try user.client.completion(at: record).status == .success)
    }

    @Test func `MOVDIR64B to a dedicated WQ is posted`() throws {
        #expect(try admin.deviceCommand(.disableWq, operand: 1 << 1).error == 0)
        try admin.call(
            .configureWq(
                .with {
                    $0.device = "dsa0"
                    $0.wq = 1
                    $0.pasid = user.pasid
                }))
        #expect(try admin.deviceCommand(.enableWq, operand: 1).error == 0)
        let portal = try user.client.mapPortal(wq: 1)
        let size = try admin.workQueue(1).size
        // More in all than the ring has slots.
        for _ in 0..<100 / size + 1 {
            let records = try (0..<size).map { _ in
                let record = try user.reserve(32)
                #expect(ring.post(.noOp(record: record), to: portal))
                return record
            }
            for record in records { #expect(try user.client.completion(at: record).status == .success) }
        }
        #expect(try !admin.device().hasSoftwareError)
        #expect(try status().submissions > 100)
    }

    @Test func `MOVDIR64B to memory stores its 64 bytes`() throws {
        let target = try user.reserve(64)
        let descriptor = Descriptor.noOp(record: 0x1234_5600)
        #expect(ring.movdir64b(descriptor, to: target) == .accepted)
        #expect(try user.client.read(64, at: target) == descriptor.bytes)
    }

    @Test func `V-03 A guest's ENQCMD under an unbound guest PASID is answered with ZF 1`() throws {
        let guest = try Submitter.guest(try daemon.client(), guestPASID: 5)
        let ring = try RingClient(guest.client)
        let record = try guest.reserve(64)
        #expect(ring.enqcmd(.noOp(record: record), to: guest.portal) == .accepted)
        #expect(try guest.client.completion(at: record).status == .success)
        try guest.client.setPASID(6)
        #expect(ring.enqcmd(.noOp(record: record), to: guest.portal) == .retry)
        #expect(try guest.client.processor().exits72 == 1)
    }

    @Test func `Threads share a ring, and a thread that does not spin is woken`() async throws {
        ring.stopSpinning()
        let records = try (0..<8).map { _ in try (0..<50).map { _ in try user.reserve(64) } }
        let (ring, portal) = (ring, user.portal)
        await withTaskGroup { group in
            for mine in records {
                group.addTask {
                    for record in mine { while ring.enqcmd(.noOp(record: record), to: portal) == .retry {} }
                }
            }
        }
        for record in records.joined() { #expect(try user.client.completion(at: record).status == .success) }
        #expect(try status().submissions >= 400)
    }

    @Test func `A ring without work is not looked at`() throws {
        _ = ring.enqcmd(Descriptor(), to: user.portal)
        while try status().polled {}
        let wakeups = try status().wakeups
        #expect(wakeups >= 1)
        // The bell wakes it.
        _ = ring.enqcmd(Descriptor(), to: user.portal)
        while try status().polled {}
        #expect(try status().wakeups == wakeups + 1)
    }

    @Test func `A command that waits does not hold up the ring`() throws {
        try admin.holdEngines()
        let record = try user.reserve(64)
        let waiting = try user.client.send(
            .umwait(
                .with {
                    $0.address = Hexadecimal.text(record)
                    $0.timeoutMs = UInt32(Deadline.milliseconds)
                }))
        #expect(ring.enqcmd(.noOp(record: record), to: user.portal) == .accepted)
        try admin.holdEngines(false)
        #expect(try user.client.receive(waiting, returning: WireUmwaitReturn.self).changed)
    }

    // MARK: Life

    @Test func `A connection has one ring, and a new one after detach-ring`() throws {
        #expect(try user.client.refusal(of: .attachRing).errorClass == "WrongState")
        try user.client.call(.detachRing)
        #expect(ring.enqcmd(Descriptor(), to: user.portal) == .detached)
        #expect(!ring.post(Descriptor(), to: user.portal))
        #expect(try user.client.refusal(of: .detachRing).errorClass == "WrongState")
        let second = try RingClient(user.client)
        #expect(second.enqcmd(Descriptor(), to: user.portal) == .accepted)
    }

    @Test func `An observer has no ring`() throws {
        #expect(try daemon.client().refusal(of: .attachRing).errorClass == "PermissionDenied")
    }

    @Test func `Who may not see a connection does not see its ring`() throws {
        #expect(try admin.call(.queryRings, returning: WireQueryRingsReturn.self).items.count == 1)
        try user.client.call(.detach)
        #expect(try admin.call(.queryRings, returning: WireQueryRingsReturn.self).items.isEmpty)
    }

    @Test func `The ring ends with its processor`() throws {
        try user.client.call(.detach)
        #expect(ring.enqcmd(Descriptor(), to: user.portal) == .detached)
    }

    @Test func `The ring ends with the daemon, killed or stopped`() throws {
        let other = try DaemonProcess.start()
        let second = try Submitter.hostUser(try other.client())
        let secondRing = try RingClient(second.client)
        #expect(secondRing.enqcmd(Descriptor(), to: second.portal) == .accepted)
        try other.kill()
        #expect(secondRing.enqcmd(Descriptor(), to: second.portal) == .detached)
        try daemon.terminate()
        try daemon.waitForEnd()
        #expect(ring.enqcmd(Descriptor(), to: user.portal) == .detached)
    }
}
