import DSA
import DSASpec
import IOMMU
import PCIe
import TestKit
import Testing
import Virtualization

@testable import Machine

@Suite("ENQCMD, ENQCMDS and MOVDIR64B")
struct EnqueueTests {
    @Test func `C-01: ENQCMD with IA32_PASID invalid raises #GP(0) and sends nothing`() throws {
        let fixture = try MachineFixture()
        let process = try fixture.makeProcess()
        let guest = try fixture.makeGuest()
        try fixture.bind(.guest(5), of: guest)
        for client in [process, guest] {
            #expect(fixture.enqcmd(fixture.noOp(record: 0), on: client) == .generalProtection(.invalidPASIDRegister))
        }
        #expect(fixture.arrivals == 0)
        #expect(fixture.lastExit(guest.processor) == nil, "an invalid MSR is the guest's own affair")
    }

    @Test(arguments: 0..<32)
    func `C-02: ENQCMD with any of SRC[31:0] set raises #GP(0) and sends nothing`(bit: Int) throws {
        let fixture = try MachineFixture()
        let (process, _) = try fixture.makeBoundProcess()
        let (guest, _) = try fixture.makeBoundGuest()
        var source = fixture.noOp(record: 0)
        source.firstDword = 1 << bit
        for client in [process, guest] {
            #expect(fixture.enqcmd(source, on: client) == .generalProtection(.sourceDwordNotZero))
        }
        #expect(fixture.arrivals == 0)
    }

    @Test func `C-03: ENQCMDS at CPL 3 raises #GP(0) and never exits with 73`() throws {
        let fixture = try MachineFixture()
        let (process, ioasid) = try fixture.makeBoundProcess()
        let (guest, _) = try fixture.makeBoundGuest(.guest(7))
        for level in [PrivilegeLevel.ring1, .ring2, .user] {
            fixture.machine.setPrivilegeLevel(level, on: guest.processor)
            for pasid in [UInt32(7), 8] {
                var source = fixture.noOp(record: 0)
                source.firstDword = pasid
                #expect(
                    fixture.submit(.enqcmds, source, on: guest.processor) == .generalProtection(.privilegeLevel))
            }
        }
        var source = fixture.noOp(record: 0)
        source.firstDword = ioasid.rawValue
        #expect(fixture.submit(.enqcmds, source, on: process.processor) == .generalProtection(.privilegeLevel))
        #expect(fixture.arrivals == 0)
        #expect(fixture.lastExit(guest.processor) == nil)
        #expect(fixture.core(guest.processor).counters.exits[.enqcmds] == 0)
    }

    @Test(arguments: 20...30)
    func `C-04: ENQCMDS with any of SRC[30:20] set raises #GP(0)`(bit: Int) throws {
        let fixture = try MachineFixture()
        let (guest, _) = try fixture.makeBoundGuest(.guest(7))
        let process = try fixture.makeProcess()
        fixture.machine.setPrivilegeLevel(.supervisor, on: process.processor)
        var source = fixture.noOp(record: 0)
        source.firstDword = 7 | 1 << bit
        for client in [guest, process] {
            #expect(
                fixture.submit(.enqcmds, source, on: client.processor) == .generalProtection(.sourceReservedBits))
        }
        #expect(fixture.arrivals == 0)
    }

    @Test func `C-05: ENQCMDS works with IA32_PASID invalid, in a guest through the translation table`() throws {
        let fixture = try MachineFixture()
        let guest = try fixture.makeGuest()
        let guestPASID = GuestPASID.guest(0x80007)
        let ioasid = try fixture.bind(guestPASID, of: guest)
        var source = fixture.noOp(record: 0)
        source.firstDword = guestPASID.rawValue
        #expect(!fixture.core(guest.processor).ia32PASID.isValid)
        #expect(fixture.submit(.enqcmds, source, on: guest.processor) == .accepted)
        let hasHostPASID = fixture.queue().contains { $0.descriptor == source.command(ioasid) }
        #expect(hasHostPASID)
        fixture.run()
        #expect(guest.ram.status(0) == .success)

        // The host's kernel names the host PASID itself.
        let (process, own) = try fixture.makeBoundProcess()
        fixture.machine.setPrivilegeLevel(.supervisor, on: process.processor)
        source.firstDword = own.rawValue
        #expect(fixture.submit(.enqcmds, source, on: process.processor) == .accepted)
        #expect(!fixture.core(process.processor).ia32PASID.isValid)
        fixture.run()
        #expect(process.ram.status(0) == .success)
    }

    @Test(arguments: [EnqueueInstruction.Kind.enqcmd, .enqcmds, .movdir64b], [1, 2, 4, 8, 16, 32, 63])
    func `C-06: a destination that is not 64-byte aligned raises #GP(0)`(
        kind: EnqueueInstruction.Kind, offset: UInt64
    ) throws {
        let fixture = try MachineFixture()
        let (guest, _) = try fixture.makeBoundGuest(.guest(7))
        let (process, ioasid) = try fixture.makeBoundProcess()
        fixture.machine.setPrivilegeLevel(.supervisor, on: process.processor)
        for (client, pasid) in [(guest, UInt32(7)), (process, ioasid.rawValue)] {
            var source = fixture.noOp(record: 0)
            if kind == .enqcmds { source.firstDword = pasid }
            // A portal, and ordinary memory.
            for destination in [PortalPage.shared().linear, PortalPage.dedicated().linear, client.address(8192)] {
                let outcome = fixture.machine.submit(
                    kind, destination: destination.advanced(by: offset), source: .bytes(source), on: client.processor)
                #expect(outcome == .generalProtection(.misalignedDestination))
            }
            #expect((0..<16).allSatisfy { client.ram[8192 + UInt64($0) * 8] == 0 })
        }
        #expect(fixture.arrivals == 0)
    }

    @Test func `C-06: the source may lie at any address, across pages too`() throws {
        let fixture = try MachineFixture()
        let (process, ioasid) = try fixture.makeBoundProcess()
        let source = fixture.noOp(record: 0)
        let offsets: [UInt64] = [8192, 8200, 12288 - 8, 12288 - 56]
        for offset in offsets {
            process.ram.store(source, at: offset)
            let outcome = fixture.machine.submit(
                .enqcmd, destination: PortalPage.shared().linear, source: .address(process.address(offset)),
                on: process.processor)
            #expect(outcome == .accepted)
            let isQueued = fixture.queue().contains { $0.descriptor == source.command(ioasid) }
            #expect(isQueued)
            fixture.run()
        }
        #expect(fixture.queue().counts.completed == 4)
    }

    @Test func `C-07: a completed ENQCMD clears CF, PF, AF, SF and OF, and ZF says that it was not accepted`() throws {
        let fixture = try MachineFixture()
        let (process, ioasid) = try fixture.makeBoundProcess()
        fixture.holdEngines()
        let all: StatusFlags = [.carry, .parity, .auxiliaryCarry, .zero, .sign, .overflow]
        fixture.machine.setPrivilegeLevel(.supervisor, on: process.processor)
        for kind in [EnqueueInstruction.Kind.enqcmd, .enqcmds] {
            for before in [all, []] {
                var source = fixture.noOp(record: nil)
                if kind == .enqcmds { source.firstDword = ioasid.rawValue }
                fixture.machine.processors[process.processor].core.statusFlags = before
                #expect(fixture.submit(kind, source, on: process.processor) == .accepted)
                #expect(fixture.core(process.processor).statusFlags == [])

                fixture.machine.processors[process.processor].core.statusFlags = before
                // A DWQ answers Retry.
                #expect(fixture.submit(kind, source, on: process.processor, to: .dedicated()) == .retry)
                #expect(fixture.core(process.processor).statusFlags == .zero)
            }
        }
        // MOVDIR64B changes no flag.
        fixture.machine.processors[process.processor].core.statusFlags = all
        let posted = fixture.submit(.movdir64b, fixture.noOp(record: nil), on: process.processor, to: .dedicated())
        #expect(posted == .retired(all))
    }

    @Test func `C-08: ENQCMD and ENQCMDS to ordinary memory give ZF 1 and leave it unchanged`() throws {
        let fixture = try MachineFixture()
        let (process, _) = try fixture.makeBoundProcess()
        let (guest, _) = try fixture.makeBoundGuest(.guest(7))
        fixture.machine.setPrivilegeLevel(.supervisor, on: process.processor)
        for client in [process, guest] {
            let before = client.ram.words
            for kind in [EnqueueInstruction.Kind.enqcmd, .enqcmds] {
                var source = Descriptor(0, .max, .max, .max, .max, .max, .max, .max)
                if kind == .enqcmds { source.firstDword = 7 }
                let outcome = fixture.machine.submit(
                    kind, destination: client.address(8192), source: .bytes(source), on: client.processor)
                #expect(outcome == .retry)
                #expect(client.ram.words == before)
            }
        }
        #expect(fixture.arrivals == 0)
    }

    @Test func `The dummy portal of a device answers as the portal of a disabled WQ does`() throws {
        let fixture = try MachineFixture()
        let (process, _) = try fixture.makeBoundProcess()
        let address = try fixture.machine.mapMemory(
            HostAddressLayout.dummyPortalPage(ofDevice: 0), byteCount: 4096, isReadOnly: false, at: nil,
            in: process.space)
        fixture.machine.setPrivilegeLevel(.supervisor, on: process.processor)
        for offset: UInt64 in [0, 64, 4032] {
            let destination = LinearAddress(rawValue: address + offset)
            var source = fixture.noOp(record: nil)
            for kind in [EnqueueInstruction.Kind.enqcmd, .enqcmds] {
                let outcome = fixture.machine.submit(
                    kind, destination: destination, source: .bytes(source), on: process.processor)
                #expect(outcome == .retry)
            }
            source.firstDword = 7
            let outcome = fixture.machine.submit(
                .movdir64b, destination: destination, source: .bytes(source), on: process.processor)
            #expect(outcome == .retired(.zero))
        }
        #expect(fixture.arrivals == 0)
        #expect(fixture.machine.devices[0].softwareError.isValid == false)
    }

    @Test func `MOVDIR64B to ordinary memory stores its 64 bytes`() throws {
        let fixture = try MachineFixture()
        let guest = try fixture.makeGuest()
        let bytes = Descriptor(1, 2, 3, 4, 5, 6, 7, .max)
        let outcome = fixture.machine.submit(
            .movdir64b, destination: guest.address(8192 + 64), source: .bytes(bytes), on: guest.processor)
        #expect(outcome == .retired([]))
        #expect((0..<8).map { guest.ram[8192 + 64 + $0 * 8] } == [1, 2, 3, 4, 5, 6, 7, .max])
        #expect(guest.ram[8192 + 56] == 0 && guest.ram[8192 + 128] == 0)
    }

    @Test func `C-09: PRIV on the wire is 0 for ENQCMD at any CPL, and SRC[31] for ENQCMDS`() throws {
        let fixture = try MachineFixture()
        fixture.holdEngines()
        let guestPASID = GuestPASID.guest(0x80007)
        let (guest, ioasid) = try fixture.makeBoundGuest(guestPASID)
        for level in [PrivilegeLevel.supervisor, .user] {
            fixture.machine.setPrivilegeLevel(level, on: guest.processor)
            #expect(fixture.enqcmd(fixture.noOp(record: 0), on: guest) == .accepted)
        }
        let isAnyPrivileged = fixture.queue().contains { $0.descriptor.isPrivileged }
        #expect(!isAnyPrivileged)
        fixture.machine.setPrivilegeLevel(.supervisor, on: guest.processor)
        for isPrivileged in [false, true] {
            var source = fixture.noOp(record: isPrivileged ? 1 : 2)
            source.firstDword = guestPASID.rawValue | (isPrivileged ? 1 << 31 : 0)
            #expect(fixture.submit(.enqcmds, source, on: guest.processor) == .accepted)
            let expected = source.command(ioasid, isPrivileged: isPrivileged)
            let isThere = fixture.queue().contains { $0.descriptor == expected }
            #expect(isThere)
        }
    }

    @Test(arguments: UInt64(0)..<24)
    func `C-10: CMD[511:32] is SRC[511:32] bit for bit, with and without translation`(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let fixture = try MachineFixture()
        fixture.holdEngines()
        let guestPASID = GuestPASID.guest(UInt32.random(in: 1...0xF_FFFF, using: &generator))
        let (guest, guestIOASID) = try fixture.makeBoundGuest(guestPASID)
        let (process, processIOASID) = try fixture.makeBoundProcess()
        for (client, ioasid) in [(guest, guestIOASID), (process, processIOASID)] {
            for isLoaded in [false, true] {
                var source = Descriptor()
                for word in 0..<8 { source[word: word] = generator.next() }
                source.firstDword = 0
                client.ram.store(source, at: 8192 + 24)
                let outcome = fixture.machine.submit(
                    .enqcmd, destination: PortalPage.shared().linear,
                    source: isLoaded ? .address(client.address(8192 + 24)) : .bytes(source), on: client.processor)
                #expect(outcome == .accepted, "seed \(seed)")
                let isIdentical = fixture.queue().contains { $0.descriptor == source.command(ioasid) }
                #expect(isIdentical, "seed \(seed)")
            }
        }
        // MOVDIR64B passes all 512 bits.
        var posted = Descriptor()
        for word in 0..<8 { posted[word: word] = generator.next() }
        _ = fixture.submit(.movdir64b, posted, on: guest.processor, to: .dedicated())
        let isIdentical = fixture.queue(1).contains { $0.descriptor == posted }
        #expect(isIdentical, "seed \(seed)")
    }

    @Test(arguments: [EnqueueInstruction.Kind.enqcmd, .enqcmds, .movdir64b])
    func `C-11: an instruction that CPUID does not enumerate raises #UD before any memory access`(
        kind: EnqueueInstruction.Kind
    ) throws {
        let fixture = try MachineFixture()
        let (guest, _) = try fixture.makeBoundGuest()
        let (process, _) = try fixture.makeBoundProcess()
        for client in [guest, process] {
            let old = fixture.core(client.processor)
            let others: ProcessorFeatures = kind == .movdir64b ? .enqcmd : .movdir64b
            fixture.machine.processors[client.processor].core = LogicalProcessor(mode: old.mode, features: others)
            // Source and destination would fault, each in its own way.
            let outcome = fixture.machine.submit(
                kind, destination: LinearAddress(rawValue: 0x7000_0000_0001),
                source: .address(LinearAddress(rawValue: 0x7000_0000_0000)), on: client.processor)
            #expect(outcome == .exception(.invalidOpcode(.notEnumerated)))
            #expect(fixture.core(client.processor).counters.generalProtectionFixups == 0)
        }
        #expect(fixture.lastExit(guest.processor) == nil)
    }

    @Test func `D-06: any completion but success gives ZF 1, and nobody repeats the request`() throws {
        let fixture = try MachineFixture()
        let (process, _) = try fixture.makeBoundProcess()
        fixture.holdEngines()
        for slot in 0..<12 { #expect(fixture.enqcmd(fixture.noOp(record: slot), on: process) == .accepted) }
        // RRS: the threshold. UR: memory, and a BAR where nothing is.
        #expect(fixture.enqcmd(fixture.noOp(record: 20), on: process) == .retry)
        let memory = fixture.machine.submit(
            .enqcmd, destination: process.address(8192), source: .bytes(fixture.noOp(record: 21)),
            on: process.processor)
        #expect(memory == .retry)
        fixture.holdEngines(false)
        fixture.run()
        #expect((0..<12).allSatisfy { process.ram.status($0) == .success })
        #expect(process.ram.status(20) == .none && process.ram.status(21) == .none)
        #expect(fixture.core(process.processor).counters.accepted == 12)
        #expect(fixture.core(process.processor).counters.retried == 2)
    }

    @Test func `A retired instruction moves RIP, and an exception does not`() throws {
        let fixture = try MachineFixture()
        let (guest, _) = try fixture.makeBoundGuest(.guest(7))
        let start = fixture.core(guest.processor).instructionPointer
        _ = fixture.enqcmd(fixture.noOp(record: 0), on: guest)
        #expect(fixture.core(guest.processor).instructionPointer == start.advanced(by: 5))
        _ = fixture.submit(.movdir64b, fixture.noOp(record: 0), on: guest.processor, to: .dedicated())
        #expect(fixture.core(guest.processor).instructionPointer == start.advanced(by: 10))
        var wrong = fixture.noOp(record: 0)
        wrong.firstDword = 1
        _ = fixture.enqcmd(wrong, on: guest)
        #expect(fixture.core(guest.processor).instructionPointer == start.advanced(by: 10))
    }

    @Test func `SWERROR of a posted write is reported by the submission itself`() throws {
        let fixture = try MachineFixture()
        let guest = try fixture.makeGuest()
        fixture.holdEngines()
        for _ in 0..<9 {
            _ = fixture.submit(.movdir64b, fixture.noOp(record: nil), on: guest.processor, to: .dedicated())
        }
        let errors = fixture.machine.effects.compactMap { effect -> CompletionStatus? in
            if case .softwareError(0, let error) = effect { error.code } else { nil }
        }
        #expect(errors == [.postedToFullQueue])
    }
}
