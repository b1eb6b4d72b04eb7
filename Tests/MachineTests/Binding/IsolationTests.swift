import DSA
import DSASpec
import IOMMU
import PCIe
import Testing
import Virtualization

@testable import Machine

@Suite("Isolation")
struct IsolationTests {
    @Test func `M-01: DMA reaches the pages of the process that the PASID is bound to, and no others`() throws {
        let fixture = try MachineFixture(engineCount: 4)
        // The same linear addresses and the same guest PASID in all of them.
        let clients = [
            try fixture.makeBoundGuest(.guest(7)).0, try fixture.makeBoundGuest(.guest(7)).0,
            try fixture.makeBoundProcess().0, try fixture.makeBoundProcess().0,
        ]
        var expected = clients.map(\.ram.words)
        for (number, client) in clients.enumerated() {
            let tag = UInt64(number + 1) * 0x1111_1111_1111_1111
            let fill = fixture.fill(tag, at: client.page(1) + 64, size: 4096 + 128, record: number)
            #expect(fixture.enqcmd(fill, on: client) == .accepted)
            for word in 0..<(4096 + 128) / 8 { expected[number][(4096 + 64) / 8 + word] = tag }
            expected[number][number * 4] = 1
        }
        fixture.run()
        for (number, client) in clients.enumerated() {
            #expect(client.ram.words == expected[number], "client \(number)")
        }
        #expect(fixture.machine.iommu.faults.totalCount == 0)
    }

    @Test func `M-01: an address that only another process has mapped faults`() throws {
        let fixture = try MachineFixture()
        let (guest, _) = try fixture.makeBoundGuest(.guest(7))
        let big = try fixture.makeProcess(pageCount: 64)
        try fixture.bind(big)
        let before = big.ram.words
        // Pages 40 on exist in the process, and not in the guest.
        #expect(
            fixture.enqcmd(fixture.fill(.max, at: guest.page(40), size: 64, record: 0), on: guest) == .accepted)
        fixture.run()
        #expect(guest.ram.status(0) == .pageFault)
        #expect(guest.ram.record(0).faultAddress.rawValue == guest.page(40))
        #expect(big.ram.words == before)
    }

    @Test func `A guest whose tables point outside its VM's memory faults`() throws {
        let fixture = try MachineFixture()
        let (guest, _) = try fixture.makeBoundGuest(.guest(7))
        let (victim, _) = try fixture.makeBoundGuest(.guest(7))
        let before = victim.ram.words
        // A guest physical address that, read as a host's, is the victim's memory.
        guest.ram[guest.guestTables.rawValue + 12288 + 100 * 8] = victim.ram.start.rawValue + 4096 | 0x67
        #expect(
            fixture.enqcmd(fixture.fill(.max, at: guest.page(100), size: 64, record: 0), on: guest) == .accepted)
        fixture.run()
        #expect(guest.ram.status(0) == .pageFault || guest.ram.status(0) == .translationError)
        #expect(victim.ram.words == before)
    }

    @Test func `A device that reads or writes a portal page finds no memory`() throws {
        let fixture = try MachineFixture()
        let (process, _) = try fixture.makeBoundProcess()
        let portal = PortalPage.shared().linear.rawValue
        #expect(fixture.enqcmd(fixture.fill(0, at: portal, size: 64, record: 0), on: process) == .accepted)
        #expect(
            fixture.enqcmd(fixture.move(from: portal, to: process.page(1), size: 64, record: 1), on: process)
                == .accepted)
        fixture.run()
        #expect(process.ram.status(0) == .hardwareErrorOnWrite)
        #expect(process.ram.status(1) == .hardwareError)
        #expect(fixture.queue().counts.accepted == 2, "nothing was submitted by the device")
    }
}
