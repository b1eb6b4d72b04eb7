import DSA
import DSASpec
import IOMMU
import PCIe
import Testing
import Virtualization

@testable import Machine

/// What the second stage of a guest stops, and what its own tables stop.
@Suite("Faults of operands")
struct OperandFaultTests {
    /// The GPA of an EPT violation, `nil` for another outcome.
    private func violation(_ outcome: SubmissionOutcome) -> UInt64? {
        guard case .unmappedGuestAddress(let exit, _) = outcome, exit.reason == .eptViolation else { return nil }
        return exit.guestPhysicalAddress.rawValue
    }

    private func submit(
        _ fixture: MachineFixture, _ client: Client, destination: UInt64? = nil, source: UInt64? = nil,
        kind: EnqueueInstruction.Kind = .enqcmd
    ) -> SubmissionOutcome {
        fixture.machine.submit(
            kind, destination: destination.map { LinearAddress(rawValue: $0) } ?? PortalPage.shared().linear,
            source: source.map { .address(LinearAddress(rawValue: $0)) } ?? .bytes(fixture.noOp(record: 0)),
            on: client.processor)
    }

    /// Points linear page `page` of the guest at `guestPhysical` with `flags`.
    private func point(_ guest: Client, page: Int, at guestPhysical: UInt64, flags: UInt64 = 0x67) {
        guest.ram[guest.guestTables.rawValue + 12288 + UInt64(page) * 8] = guestPhysical | flags
    }

    @Test func `Exit 48 carries the GPA behind the linear address, for source and destination`() throws {
        let fixture = try MachineFixture()
        let (guest, _) = try fixture.makeBoundGuest()
        point(guest, page: 100, at: 0x7777_0000)
        #expect(violation(submit(fixture, guest, destination: guest.page(100) + 0x140)) == 0x7777_0140)
        #expect(violation(submit(fixture, guest, source: guest.page(100) + 0x148)) == 0x7777_0148)
        #expect(fixture.lastExit(guest.processor)?.guestPhysicalAddress.rawValue == 0x7777_0148)
        #expect(fixture.core(guest.processor).counters.exits[.eptViolation] == 2)
        #expect(fixture.arrivals == 0)
    }

    @Test func `A source across two pages faults at the first byte of the second`() throws {
        let fixture = try MachineFixture()
        let (guest, _) = try fixture.makeBoundGuest()
        point(guest, page: 6, at: 0x7777_0000)
        #expect(violation(submit(fixture, guest, source: guest.page(6) - 8)) == 0x7777_0000)
        point(guest, page: 6, at: 0, flags: 0)
        let expected = ProcessorException.pageFault(address: LinearAddress(rawValue: guest.page(6)), code: [])
        #expect(submit(fixture, guest, source: guest.page(6) - 8) == .exception(expected))
    }

    @Test func `A page table that the second stage does not map gives exit 48 with the address of the entry`() throws {
        let fixture = try MachineFixture()
        let (guest, _) = try fixture.makeBoundGuest()
        // The page directory's entry for the memory leads nowhere.
        guest.ram[guest.guestTables.rawValue + 8192 + Client.base >> 21 * 8] = 0x6000_0000 | 0x67
        let linear = PortalPage.shared().linear.rawValue
        #expect(violation(submit(fixture, guest)) == 0x6000_0000 + (linear >> 12 & 511) * 8)
        // CR3 leads nowhere.
        fixture.machine.setPageTables((GuestPhysicalAddress(rawValue: 0x5000_0000), .four), on: guest.processor)
        #expect(violation(submit(fixture, guest)) == 0x5000_0000)
    }

    @Test func `A page that the second stage makes read-only gives exit 48 for a write`() throws {
        let fixture = try MachineFixture()
        let (guest, _) = try fixture.makeBoundGuest()
        try fixture.machine.protect(8192, byteCount: 4096, access: .readOnly, in: guest.space)
        #expect(violation(submit(fixture, guest, destination: guest.page(2), kind: .movdir64b)) == 8192)
        #expect(submit(fixture, guest, source: guest.page(2)) == .accepted, "reading is allowed")
        try fixture.machine.protect(8192, byteCount: 4096, access: .none, in: guest.space)
        #expect(violation(submit(fixture, guest, source: guest.page(2) + 8)) == 8200)
    }

    @Test func `What the guest's own tables deny is its own #PF`() throws {
        let fixture = try MachineFixture()
        let (guest, _) = try fixture.makeBoundGuest()
        func fault(_ code: PageFaultErrorCode) -> SubmissionOutcome {
            .exception(.pageFault(address: LinearAddress(rawValue: guest.page(2)), code: code))
        }
        point(guest, page: 2, at: 8192, flags: 0x65)
        #expect(submit(fixture, guest, destination: guest.page(2), kind: .movdir64b) == fault([.present, .write]))
        point(guest, page: 2, at: 8192, flags: 0)
        #expect(submit(fixture, guest, destination: guest.page(2), kind: .movdir64b) == fault(.write))
        #expect(submit(fixture, guest, source: guest.page(2)) == fault([]))
        fixture.machine.setPrivilegeLevel(.user, on: guest.processor)
        #expect(submit(fixture, guest, source: guest.page(2)) == fault(.user))
        point(guest, page: 2, at: 8192, flags: 0x63)
        #expect(submit(fixture, guest, source: guest.page(2)) == fault([.present, .user]))
        #expect(fixture.lastExit(guest.processor) == nil)
    }

    @Test func `Both stages deny a write: the guest's own tables are asked first`() throws {
        let fixture = try MachineFixture()
        let (guest, _) = try fixture.makeBoundGuest()
        try fixture.machine.protect(8192, byteCount: 4096, access: .readOnly, in: guest.space)
        point(guest, page: 2, at: 8192, flags: 0x65)
        let expected = ProcessorException.pageFault(
            address: LinearAddress(rawValue: guest.page(2)), code: [.present, .write])
        #expect(submit(fixture, guest, destination: guest.page(2), kind: .movdir64b) == .exception(expected))
    }

    @Test func `Without paging a guest's addresses are guest physical`() throws {
        let fixture = try MachineFixture()
        let (guest, _) = try fixture.makeBoundGuest()
        fixture.machine.setPageTables(nil, on: guest.processor)
        #expect(submit(fixture, guest, destination: Client.portalGPA) == .accepted)
        #expect(violation(submit(fixture, guest, destination: Client.base)) == Client.base)
        #expect(violation(submit(fixture, guest, destination: 1 << 48)) == 1 << 48)
    }

    @Test func `A process gets #PF, and #GP(0) for an address that is not canonical`() throws {
        let fixture = try MachineFixture()
        let (process, _) = try fixture.makeBoundProcess()
        try fixture.machine.protect(process.page(3), byteCount: 4096, access: .readOnly, in: process.space)
        func fault(_ address: UInt64, _ code: PageFaultErrorCode) -> SubmissionOutcome {
            .exception(.pageFault(address: LinearAddress(rawValue: address), code: code))
        }
        #expect(
            submit(fixture, process, destination: process.page(3), kind: .movdir64b)
                == fault(process.page(3), [.present, .write, .user]))
        #expect(submit(fixture, process, destination: 0x5000_0000) == fault(0x5000_0000, [.write, .user]))
        #expect(submit(fixture, process, source: 0x5000_0010) == fault(0x5000_0010, .user))
        #expect(
            submit(fixture, process, destination: 1 << 47) == .generalProtection(.nonCanonicalAddress))
        #expect(submit(fixture, process, source: 1 << 62) == .generalProtection(.nonCanonicalAddress))
    }

    @Test func `A source in a portal page reads all ones, which no ENQCMD takes`() throws {
        let fixture = try MachineFixture()
        let (process, _) = try fixture.makeBoundProcess()
        let outcome = submit(fixture, process, source: PortalPage.shared().linear.rawValue)
        #expect(outcome == .generalProtection(.sourceDwordNotZero))
    }

    @Test func `A portal page names its device and WQ whatever the offset in it`() throws {
        for device in [0, 5, 63] {
            for queue in [0, 7, 200] {
                let portal = Portal(workQueue: queue, limit: .limited, interruptTable: .ims)
                let page = HostAddressLayout.portalPage(portal, ofDevice: device)
                guard case .portal(device, portal) = HostAddressLayout.target(of: page.advanced(by: 0xFC0)) else {
                    Issue.record("device \(device), WQ \(queue)")
                    continue
                }
            }
        }
        let bar = UInt64(PhysicalMemory.mmioRegionIndex) << 36
        guard case .nothing = HostAddressLayout.target(of: HostPhysicalAddress(rawValue: bar)) else {
            Issue.record("nothing is before BAR2")
            return
        }
        guard case .memory = HostAddressLayout.target(of: HostPhysicalAddress(rawValue: bar - 64)) else {
            Issue.record("below the BARs is memory")
            return
        }
    }
}
