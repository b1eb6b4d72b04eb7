import DSA
import DSASpec
import IOMMU
import PCIe
import Testing
import Virtualization

@testable import Machine

/// What a machine does that no correct one does, found by whoever leaves a step out.
private enum Violation: Hashable {
    /// A PASID that is nobody's reached memory.
    case strayWrite
    /// A PASID reached what its earlier owner had, and not what its owner has.
    case earlierOwner
    /// A page that was taken away was reached.
    case lostPage
    /// An unbind waits for an answer that nobody gives any more.
    case endlessUnbind
}

extension MachineFixture {
    /// Lets an IOASID pass from one guest PASID to another, with a descriptor of each, and one between them.
    fileprivate func violationsOfReuse() throws -> Set<Violation> {
        var violations: Set<Violation> = []
        let guest = try makeGuest(pageCount: 24)
        // A second set of tables, by which page 5 is guest physical page 6.
        let first = guest.guestTables.rawValue
        let second: UInt64 = 12 * 4096
        for level in UInt64(0)..<4 {
            for word in UInt64(0)..<512 {
                guest.ram[second + level << 12 + word * 8] = guest.ram[first + level << 12 + word * 8]
            }
        }
        for (level, word) in [(UInt64(0), UInt64(0)), (1, 0), (2, Client.base >> 21)] {
            guest.ram[second + level << 12 + word * 8] = second + (level + 1) << 12 | 0x67
        }
        guest.ram[second + 3 << 12 + 5 * 8] = 6 << 12 | 0x67

        let ioasid = try machine.allocateIOASID(forVM: guest.vm)
        func bind(_ guestPASID: GuestPASID, _ root: UInt64) throws {
            let stage = GuestStage.nested(firstLevel: GuestPhysicalAddress(rawValue: root), .four)
            guard
                case .prepared(let token, _) = try machine.prepareBinding(
                    ofGuest: guestPASID, inVM: guest.vm, device: 0, ioasid: ioasid, stage: stage)
            else {
                Issue.record("the guest PASID is new")
                return
            }
            try machine.publishBinding(token)
            try setPASID(guestPASID, on: guest)
        }
        func fill(_ byte: UInt64, record slot: Int) -> Descriptor {
            self.fill(byte &* 0x0101_0101_0101_0101, at: guest.page(5), size: 64, record: slot)
        }
        func word(_ page: UInt64) -> UInt64 { guest.ram[page << 12] & 0xFF }

        try bind(.guest(1), first)
        #expect(enqcmd(fill(0x11, record: 0), on: guest) == .accepted)
        run()
        #expect(word(5) == 0x11 && guest.ram.status(0) == .success)
        try unbind(.guest(1), of: guest)

        // A device that goes on sending.
        #expect(
            machine.devices[0].enqueue(
                fill(0x22, record: 1).command(ioasid), to: PortalPage.shared().portal.1)
                == .successfulCompletion)
        run()
        if word(5) != 0x11 || guest.ram.status(1) != .none { violations.insert(.strayWrite) }

        try bind(.guest(2), second)
        #expect(enqcmd(fill(0x33, record: 2), on: guest) == .accepted)
        run()
        if word(5) == 0x33 || word(6) != 0x33 { violations.insert(.earlierOwner) }
        return violations
    }

    /// Takes a page away that a device has just used.
    fileprivate func violationsOfUnmapping() throws -> Set<Violation> {
        let (client, _) = try makeBoundProcess()
        #expect(enqcmd(fill(1, at: client.page(5), size: 64, record: 0), on: client) == .accepted)
        run()
        try machine.protect(client.page(5), byteCount: 4096, access: .readOnly, in: client.space)
        #expect(enqcmd(fill(2, at: client.page(5), size: 64, record: 1), on: client) == .accepted)
        run()
        return client.ram[5 << 12] == 1 && client.ram.status(1) == .pageFault ? [] : [.lostPage]
    }

    /// Unbinds while a descriptor waits for a page.
    fileprivate func violationsOfWaiting() throws -> Set<Violation> {
        let (client, _) = try makeBoundProcess()
        machine.setServesPageRequests(true, space: client.space)
        try machine.protect(client.page(5), byteCount: 4096, access: .none, in: client.space)
        var descriptor = fill(1, at: client.page(5), size: 64, record: 0)
        descriptor.flags.insert(.blockOnFault)
        #expect(enqcmd(descriptor, on: client) == .accepted)
        run()
        #expect(machine.pageRequests.count == 1)
        _ = try machine.beginUnbind(ofProcess: client.process, device: nil)
        run()
        return takeDrainedTokens().isEmpty ? [.endlessUnbind] : []
    }
}

@Suite("Invalidation steps")
struct InvalidationStepTests {
    private static let expected: [(InvalidationSteps, Set<Violation>)] = [
        ([], []),
        (.pasidCache, [.strayWrite, .earlierOwner]),
        (.translations, [.earlierOwner, .lostPage]),
        (.deviceTLB, [.strayWrite, .earlierOwner, .lostPage]),
        (.pageRequests, [.endlessUnbind]),
    ]

    @Test(arguments: expected.indices)
    func
        `M-05: with each step of an invalidation skipped something goes wrong, with none skipped nothing`(
            index: Int
        ) throws
    {
        let (skipped, expected) = Self.expected[index]
        var violations: Set<Violation> = []
        for scenario in [
            { try $0.violationsOfReuse() }, { try $0.violationsOfUnmapping() },
            { try $0.violationsOfWaiting() },
        ] as [(MachineFixture) throws -> Set<Violation>] {
            let fixture = try MachineFixture(blocksOnFault: true)
            fixture.machine.invalidationSteps.subtract(skipped)
            violations.formUnion(try scenario(fixture))
        }
        #expect(violations == expected)
    }

    @Test
    func `M-04: after an unbind a device that goes on sending reaches nothing it was ever given`()
        throws
    {
        let fixture = try MachineFixture()
        let (client, ioasid) = try fixture.makeBoundProcess()
        for page in 1..<16 {
            #expect(
                fixture.enqcmd(fixture.fill(7, at: client.page(page), size: 4096, record: page), on: client)
                    == .accepted)
            fixture.run()
        }
        try fixture.unbind(client)
        let before = client.ram.words
        for page in 0..<16 {
            let fill = fixture.fill(9, at: client.page(page), size: 4096, record: page).command(ioasid)
            #expect(
                fixture.machine.devices[0].enqueue(fill, to: PortalPage.shared().portal.1)
                    == .successfulCompletion)
            fixture.run()
        }
        #expect(client.ram.words == before)
        #expect(fixture.machine.inFlight == 0)
        // Nobody's: recorded, and no process's fault.
        let faults = fixture.machine.faults(of: nil)
        #expect(faults.last?.record.pasid == ioasid && faults.last?.owner == nil)
        #expect(fixture.machine.faults(of: client.space).isEmpty)
    }

    @Test
    func
        `A guest's invalidation reaches the device's translations of its guest PASID, and no other's`()
        throws
    {
        let fixture = try MachineFixture()
        let (guest, _) = try fixture.makeBoundGuest(.guest(7))
        let (other, _) = try fixture.makeBoundGuest(.guest(7))
        func fill(_ value: UInt64, on client: Client) {
            #expect(
                fixture.enqcmd(fixture.fill(value, at: client.page(5), size: 64, record: 0), on: client)
                    == .accepted)
            fixture.run()
        }
        for client in [guest, other] {
            fill(1, on: client)
            client.ram[client.guestTables.rawValue + 3 * 4096 + 5 * 8] = 6 << 12 | 0x67
        }
        try fixture.machine.invalidate(.guestPASID(.guest(7)), ofVM: guest.vm)
        for client in [guest, other] { fill(2, on: client) }
        #expect(guest.ram[5 << 12] == 1 && guest.ram[6 << 12] == 2)
        #expect(other.ram[5 << 12] == 2 && other.ram[6 << 12] == 0)
        try fixture.machine.invalidate(.all, ofVM: other.vm)
        fill(3, on: other)
        #expect(other.ram[6 << 12] == 3)
        #expect(throws: MachineError.notBound) {
            try fixture.machine.invalidate(.guestPASID(.guest(8)), ofVM: guest.vm)
        }
    }
}
