import DSASpec
import PCIe
import Protocol
import ProtocolMessages
import SwiftProtobuf
import TestKit
import Testing

@Suite struct `A guest over the socket` {
    private let daemon: DaemonProcess
    private let admin: WireClient

    init() throws {
        daemon = try DaemonProcess.start()
        admin = try daemon.admin()
    }

    @Test func `V-03 V-05 V-06 ENQCMD under an unbound guest PASID exits with 72, nothing reaches the device`() throws {
        let guest = try Submitter.guest(try daemon.client(), guestPASID: 5)
        let before = try admin.status()
        try guest.client.setPASID(6)
        let refused = try guest.submit()
        #expect(refused.reply.exit.reason == 72)
        #expect(refused.reply.exit.guestPasid == 6)
        #expect(refused.reply.exit.handled == .zfSetAndSkipped)
        #expect(refused.reply.zf)
        #expect(refused.reply.rflags == "0x42")
        #expect(!refused.reply.hasException)
        let after = try admin.status()
        #expect(after.accepted == before.accepted)
        #expect(after.retried == before.retried)
        #expect(try guest.client.processor().exits72 == 1)
        // The guest goes on with the next instruction.
        try guest.client.setPASID(5)
        #expect(try guest.client.completion(at: try guest.submitAccepted()).status == .success)
    }

    @Test func `C-01 C-03 What the processor checks first raises #GP(0) and causes no exit`() throws {
        let guest = try Submitter.guest(try daemon.client(), guestPASID: 5)
        try guest.client.setPASID(5, isValid: false)
        #expect(try guest.submit().reply.exception.vector == "#GP")
        try guest.client.setPASID(5)
        try guest.client.call(.setCpl(.with { $0.cpl = 3 }))
        #expect(try guest.client.enqcmds(Descriptor(), to: guest.portal).exception.vector == "#GP")
        let processor = try guest.client.processor()
        #expect(processor.exits72 == 0)
        #expect(processor.exits73 == 0)
        #expect(try admin.status().accepted == 0)
    }

    @Test func `V-02 What the device reports about a guest's descriptor names the host PASID`() throws {
        // The host's PASIDs are below this one.
        let guestPASID: UInt32 = 0xF_0000
        let guest = try Submitter.guest(try daemon.client(), guestPASID: guestPASID)
        try admin.subscribe("SOFTWARE_ERROR")
        // A misaligned completion record address can be reported in SWERROR only.
        let descriptor = Descriptor.noOp(record: try guest.reserve(64) + 1)
        #expect(try !guest.client.enqcmd(descriptor, to: guest.portal).zf)
        let error = try admin.nextEvent("SOFTWARE_ERROR").decode(WireSoftwareErrorEvent.self).error
        #expect(error.code == UInt32(CompletionStatus.completionRecordMisaligned.rawValue))
        #expect(error.pasid == guest.pasid)
        #expect(error.pasid != guestPASID)
    }

    @Test func `I-07 M-01 One guest PASID in two VMs is two host PASIDs, each with its own memory`() throws {
        let guests = try (0..<2).map { _ in try Submitter.guest(try daemon.client(), guestPASID: 5) }
        #expect(guests[0].pasid != guests[1].pasid)
        let address = try guests.map { try $0.reserve(4096) }
        try #require(address[0] == address[1])
        for (number, guest) in guests.enumerated() {
            let record = try guest.submitAccepted {
                .fill(UInt64(number + 1) &* 0x0101_0101_0101_0101, to: address[0], count: 4096, record: $0)
            }
            #expect(try guest.client.completion(at: record).status == .success)
        }
        for (number, guest) in guests.enumerated() {
            #expect(try guest.client.read(4096, at: address[0]).allSatisfy { $0 == UInt8(number + 1) })
        }
    }

    @Test func `M-03 A nested binding goes through the guest's own page tables as well`() throws {
        let client = try daemon.client()
        let vm = try client.createVM()
        try client.attachVCPU(vm: vm)
        let base: UInt64 = 0x4000_0000
        let memory = try client.allocateMemory(16 * 4096, at: base)
        let page = { (number: UInt64) in memory + number * 4096 }
        var tables = GuestPageTables(at: memory, mapping: memory, pageCount: 16)
        tables.makeReadOnly(page(10))
        tables.unmap(page(11))
        try client.write(tables.bytes, at: tables.root)
        try client.bindGuestPASID(7, firstLevel: tables.root)
        try client.setPASID(7)
        let portal = try client.mapPortal()

        var generator = SeededGenerator(seed: 3)
        let bytes = generator.bytes(64)
        try client.write(bytes, at: page(8))
        func move(to target: UInt64, record: UInt64) throws -> CompletionRecord {
            let descriptor = Descriptor.memoryMove(from: page(8), to: target, count: 64, record: record)
            #expect(try !client.enqcmd(descriptor, to: portal).zf)
            return try client.completion(at: record)
        }
        #expect(try move(to: page(9), record: page(5)).status == .success)
        #expect(try client.read(64, at: page(9)) == bytes)

        let readOnly = try move(to: page(10), record: page(5) + 32)
        #expect(readOnly.status == .pageFault)
        #expect(readOnly.faultWasWrite)
        #expect(readOnly.faultAddress.rawValue == page(10))
        let unmapped = try move(to: page(11), record: page(5) + 64)
        #expect(unmapped.status == .pageFault)
        #expect(unmapped.faultAddress.rawValue == page(11))
        #expect(try client.read(8192, at: page(10)).allSatisfy { $0 == 0 })
    }

    @Test func `C-14 Two threads of one process submit under one PASID, two processes never do`() throws {
        let first = try Submitter.hostUser(try daemon.client())
        let other = try Submitter.hostUser(try daemon.client())
        let thread = try daemon.client()
        try thread.attachProcess(first.owner)
        _ = try first.submitAccepted()
        _ = try other.submitAccepted()
        #expect(try thread.enqcmd(.noOp(record: try first.reserve(32)), to: first.portal).gpFixups == 1)

        let loaded = try [first.client, thread, other.client].map { try $0.processor().ia32Pasid }
        #expect(loaded[0] == Hexadecimal.text(UInt64(first.pasid) | 1 << 31))
        #expect(loaded[1] == loaded[0])
        #expect(loaded[2] == Hexadecimal.text(UInt64(other.pasid) | 1 << 31))
        #expect(first.pasid != other.pasid)
    }
}
