import DSA
import DSASpec
import IOMMU
import PCIe
import TestKit
import Testing
import Virtualization

@testable import Machine

@Suite("PASID translation")
struct PASIDTranslationTests {
    @Test(arguments: UInt64(0)..<8)
    func `V-01: a DMWr of a guest carries only what a valid table entry of its VM says`(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let fixture = try MachineFixture()
        let guests = [try fixture.makeGuest(quota: 64), try fixture.makeGuest(quota: 64)]
        let numbers = (0..<12).map { _ in UInt32.random(in: 0...0xF_FFFF, using: &generator) }
        var bound: [[UInt32: HostPASID]] = [[:], [:]]
        for _ in 0..<300 {
            let which = Int.random(in: 0..<2, using: &generator)
            let guest = guests[which]
            let number = numbers.randomElement(using: &generator)!
            if generator.oneIn(5) {
                if bound[which][number] == nil {
                    bound[which][number] = try fixture.bind(.guest(number), of: guest)
                } else {
                    try fixture.unbind(.guest(number), of: guest)
                    bound[which][number] = nil
                }
                continue
            }
            fixture.holdEngines()
            let isSupervisor = generator.oneIn(2)
            var source = fixture.noOp(record: 0)
            if isSupervisor { source.firstDword = number } else { try fixture.setPASID(.guest(number), on: guest) }
            let outcome = fixture.submit(isSupervisor ? .enqcmds : .enqcmd, source, on: guest.processor)
            if let ioasid = bound[which][number] {
                #expect(outcome == .accepted, "seed \(seed)")
                let isTranslated = fixture.queue().contains { $0.descriptor == source.command(ioasid) }
                #expect(isTranslated, "seed \(seed)")
            } else {
                guard case .skipped(let exit, let skipped) = outcome, skipped.rawValue == number else {
                    Issue.record("\(outcome), seed \(seed)")
                    continue
                }
                #expect(exit.reason == (isSupervisor ? .enqcmds : .enqcmd), "seed \(seed)")
                #expect(fixture.queue().occupancy == 0, "seed \(seed)")
            }
            fixture.holdEngines(false)
            fixture.run()
        }
        #expect(!fixture.softwareError.isValid, "every accepted descriptor had an address space; seed \(seed)")
    }

    @Test func `V-02: no descriptor has a guest PASID as its PASID`() throws {
        let fixture = try MachineFixture()
        // Host PASIDs are allocated from 1 on; guest PASIDs here from 80000H on.
        let guest = try fixture.makeGuest()
        let guestPASIDs = (0..<8).map { GuestPASID.guest(0x80000 + $0) }
        let ioasids = try guestPASIDs.map { try fixture.bind($0, of: guest) }
        #expect(ioasids.allSatisfy { $0.rawValue < 0x80000 })
        fixture.holdEngines()
        for (slot, guestPASID) in guestPASIDs.enumerated() {
            try fixture.setPASID(guestPASID, on: guest)
            #expect(fixture.enqcmd(fixture.noOp(record: slot), on: guest) == .accepted)
        }
        let hasGuestPASID = fixture.queue().contains { $0.descriptor.pasid.rawValue >= 0x80000 }
        #expect(!hasGuestPASID)
        for (slot, ioasid) in ioasids.enumerated() {
            let expected = fixture.noOp(record: slot).command(ioasid)
            let isThere = fixture.queue().contains { $0.descriptor == expected }
            #expect(isThere)
        }
        fixture.holdEngines(false)
        fixture.run()
        #expect((0..<8).allSatisfy { guest.ram.status($0) == .success })

        // What the device reports of an error is the host's number too.
        var bad = fixture.noOp(record: nil)
        bad.opcode = Opcode(rawValue: 0x3F)
        #expect(fixture.enqcmd(bad, on: guest) == .accepted)
        fixture.run()
        #expect(fixture.softwareError.pasid == ioasids[7])
    }

    /// What is written over an entry of the structures of §4.2.
    enum Damage: CaseIterable {
        case directoryEntryAbsent
        case directoryEntryReserved
        case directoryEntryBeyondWidth
        case directoryEntryToNoMemory
        case tableEntryInvalid
        case tableEntryReservedLow
        case tableEntryReservedHigh
    }

    @Test(arguments: Damage.allCases, [GuestPASID.guest(0x7_1234), .guest(0x9_1234)])
    func `V-03: a structure that is not present, invalid or has a reserved bit gives exit 72 or 73`(
        damage: Damage, guestPASID: GuestPASID
    ) throws {
        let fixture = try MachineFixture()
        let (guest, _) = try fixture.makeBoundGuest(guestPASID)
        let vmcs = fixture.machine.processors[guest.processor].vmcs
        let index = PASIDTranslationIndex(guestPASID)
        let directoryEntry = (index.isHigh ? vmcs.highPASIDDirectory : vmcs.lowPASIDDirectory)
            .advanced(by: index.directoryOffset)
        let directoryWord = try #require(fixture.memory.load64(directoryEntry))
        let tableEntry = PASIDTranslationDirectoryEntry(rawValue: directoryWord).table
            .advanced(by: index.tableOffset)
        let tableWord = try #require(fixture.memory.load32(tableEntry))
        switch damage {
        case .directoryEntryAbsent: fixture.memory.store64(directoryWord & ~1, at: directoryEntry)
        case .directoryEntryReserved: fixture.memory.store64(directoryWord | 1 << 5, at: directoryEntry)
        case .directoryEntryBeyondWidth: fixture.memory.store64(directoryWord | 1 << 60, at: directoryEntry)
        case .directoryEntryToNoMemory: fixture.memory.store64(0x000F_F000_0000_0001, at: directoryEntry)
        case .tableEntryInvalid: fixture.memory.store32(tableWord & ~(1 << 31), at: tableEntry)
        case .tableEntryReservedLow: fixture.memory.store32(tableWord | 1 << 20, at: tableEntry)
        case .tableEntryReservedHigh: fixture.memory.store32(tableWord | 1 << 30, at: tableEntry)
        }
        let ram = guest.ram.words
        let enqcmd = VMExit(reason: .enqcmd, instructionLength: 5)
        #expect(fixture.enqcmd(fixture.noOp(record: 0), on: guest) == .skipped(enqcmd, guestPASID))
        var source = fixture.noOp(record: 0)
        source.firstDword = guestPASID.rawValue
        let enqcmds = VMExit(reason: .enqcmds, instructionLength: 5)
        #expect(fixture.submit(.enqcmds, source, on: guest.processor) == .skipped(enqcmds, guestPASID))
        #expect(fixture.lastExit(guest.processor) == enqcmds)
        #expect(fixture.core(guest.processor).counters.exits[.enqcmd] == 1)
        #expect(fixture.core(guest.processor).counters.exits[.enqcmds] == 1)
        #expect(fixture.arrivals == 0)
        #expect(guest.ram.words == ram)

        fixture.memory.store64(directoryWord, at: directoryEntry)
        fixture.memory.store32(tableWord, at: tableEntry)
        #expect(fixture.enqcmd(fixture.noOp(record: 0), on: guest) == .accepted)
    }

    @Test func `V-04: each of the 20 bits of a guest PASID tells it from the others`() throws {
        let fixture = try MachineFixture()
        let guest = try fixture.makeGuest(quota: 32)
        let numbers = [UInt32(0), 0x7_FFFF, 0x8_0000, 0xF_FFFF] + (0..<20).map { 1 << $0 }
        var ioasids: [UInt32: HostPASID] = [:]
        for number in Set(numbers) { ioasids[number] = try fixture.bind(.guest(number), of: guest) }
        #expect(Set(ioasids.values).count == 23)
        for number in numbers {
            try fixture.setPASID(.guest(number), on: guest)
            #expect(fixture.enqcmd(fixture.noOp(record: 0), on: guest) == .accepted)
            let isOwn = fixture.queue().contains { $0.descriptor.pasid == ioasids[number] }
            #expect(isOwn)
            fixture.run()
        }
        let vmcs = fixture.machine.processors[guest.processor].vmcs
        #expect(vmcs.lowPASIDDirectory != vmcs.highPASIDDirectory)
        // The last entry of the low directory and the first of the high one.
        let low = try #require(fixture.memory.load64(vmcs.lowPASIDDirectory.advanced(by: 511 * 8)))
        let high = try #require(fixture.memory.load64(vmcs.highPASIDDirectory))
        #expect(low & 1 == 1 && high & 1 == 1 && low != high)
        for number in [UInt32(3), 0x7_FFFE, 0x8_0001] {
            try fixture.setPASID(.guest(number), on: guest)
            guard case .skipped = fixture.enqcmd(fixture.noOp(record: 0), on: guest) else {
                Issue.record("\(number) translates")
                continue
            }
        }
    }

    @Test func `V-05: at exit 48 RIP, RFLAGS, memory and devices are unchanged`() throws {
        let fixture = try MachineFixture()
        let (guest, _) = try fixture.makeBoundGuest()
        fixture.machine.processors[guest.processor].core.statusFlags = [.carry, .overflow]
        var before = fixture.core(guest.processor)
        let ram = guest.ram.words
        fixture.machine.setPageTables(nil, on: guest.processor)
        before.hasPageTables = false
        before.pageTableRoot = GuestPhysicalAddress(rawValue: 0)
        let outcome = fixture.machine.submit(
            .enqcmd, destination: LinearAddress(rawValue: Client.portalGPA),
            source: .address(LinearAddress(rawValue: 0x2000_0000)), on: guest.processor)
        guard case .unmappedGuestAddress = outcome else {
            Issue.record("\(outcome)")
            return
        }
        before.counters.exits.record(.eptViolation)
        before.counters.vmEntries += 1
        #expect(fixture.core(guest.processor) == before)
        #expect(guest.ram.words == ram)
        #expect(fixture.arrivals == 0)
    }

    @Test func `V-05, V-06: exit 72 sends nothing, and the guest resumes behind it with ZF 1 and no other flag`() throws
    {
        let fixture = try MachineFixture()
        let (guest, _) = try fixture.makeBoundGuest(.guest(7))
        let ram = guest.ram.words
        let all: StatusFlags = [.carry, .parity, .auxiliaryCarry, .zero, .sign, .overflow]
        for (kind, reason) in [(EnqueueInstruction.Kind.enqcmd, ExitReason.enqcmd), (.enqcmds, .enqcmds)] {
            try fixture.setPASID(.guest(8), on: guest)
            fixture.machine.processors[guest.processor].core.statusFlags = all
            let before = fixture.core(guest.processor)
            var source = fixture.noOp(record: 0)
            if kind == .enqcmds { source.firstDword = 8 }
            // The destination would fault: translation of the PASID comes first (§2.5).
            let outcome = fixture.machine.submit(
                kind, destination: LinearAddress(rawValue: 0x1000_0000_0000), source: .bytes(source),
                on: guest.processor)
            let exit = VMExit(reason: reason, instructionLength: 5)
            #expect(outcome == .skipped(exit, .guest(8)))
            #expect(fixture.lastExit(guest.processor) == exit)
            let after = fixture.core(guest.processor)
            #expect(after.statusFlags == .zero)
            #expect(after.instructionPointer == before.instructionPointer.advanced(by: 5))
            #expect(after.ia32PASID == before.ia32PASID)
        }
        #expect(guest.ram.words == ram)
        #expect(fixture.arrivals == 0)
        #expect(fixture.machine.boundCount == 1, "policy A makes no mapping")
    }

    @Test func `All vCPUs of a VM translate by one table, and no other VM's`() throws {
        let fixture = try MachineFixture()
        let (guest, ioasid) = try fixture.makeBoundGuest(.guest(7))
        let other = try fixture.makeGuest()
        try fixture.setPASID(.guest(7), on: other)
        let second = fixture.machine.addVCPU(toVM: guest.vm)
        fixture.machine.setPageTables((guest.guestTables, .four), on: second)
        try fixture.setPASID(.guest(7), onProcessor: second)
        fixture.holdEngines()
        #expect(fixture.submit(.enqcmd, fixture.noOp(record: 1), on: second) == .accepted)
        let isThere = fixture.queue().contains { $0.descriptor.pasid == ioasid }
        #expect(isThere)
        guard case .skipped = fixture.enqcmd(fixture.noOp(record: 2), on: other) else {
            Issue.record("another VM's mapping was used")
            return
        }
        #expect(fixture.queue().occupancy == 1)
    }
}
