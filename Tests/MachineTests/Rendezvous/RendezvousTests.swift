import DSASpec
import IOMMU
import PCIe
import Testing
import Virtualization

@testable import Machine

@Suite("Rendezvous of a VM")
struct RendezvousTests {
    /// A guest with `count` vCPUs in non-root mode.
    private static func guest(in fixture: MachineFixture, vcpus count: Int) throws -> (Client, [Int]) {
        let guest = try fixture.makeGuest()
        let further = (1..<count).map { _ in fixture.machine.addVCPU(toVM: guest.vm) }
        for vcpu in further { fixture.machine.setPageTables((guest.guestTables, .four), on: vcpu) }
        return (guest, [guest.processor] + further)
    }

    @Test func `V-07: after UNBIND no vCPU of the VM submits with the old translation`() throws {
        let fixture = try MachineFixture()
        let (guest, vcpus) = try Self.guest(in: fixture, vcpus: 4)
        let ioasid = try fixture.bind(.guest(7), of: guest)
        for vcpu in vcpus {
            try fixture.setPASID(.guest(7), onProcessor: vcpu)
            #expect(fixture.submit(.enqcmd, fixture.noOp(record: 0), on: vcpu) == .accepted)
        }
        _ = try fixture.machine.beginUnbind(ofGuest: .guest(7), inVM: guest.vm, device: nil)
        let arrivals = fixture.arrivals
        for vcpu in vcpus {
            guard case .skipped(let exit, .guest(7)) = fixture.submit(.enqcmd, fixture.noOp(record: 0), on: vcpu)
            else {
                Issue.record("vCPU \(vcpu) still translates to \(ioasid)")
                continue
            }
            #expect(exit.reason == .enqcmd)
        }
        #expect(fixture.arrivals == arrivals)
    }

    @Test func `Every vCPU in non-root mode is kicked once for each change and enters again`() throws {
        let fixture = try MachineFixture()
        let (guest, vcpus) = try Self.guest(in: fixture, vcpus: 3)
        try fixture.bind(.guest(7), of: guest)
        try fixture.unbind(.guest(7), of: guest)
        for vcpu in vcpus {
            #expect(fixture.core(vcpu).counters.exits[.externalInterrupt] == 2)
            #expect(fixture.core(vcpu).counters.exits.total == 2)
            #expect(fixture.core(vcpu).counters.vmEntries == 3)
            #expect(fixture.machine.activity(ofVCPU: vcpu) == .nonRoot)
        }
        let counters = fixture.machine.rendezvousCounters(ofVM: guest.vm)
        #expect(counters.rendezvous == 2)
        #expect(counters.edits == 2)
        #expect(counters.kicks == 6)
        #expect(counters.modelledNanoseconds == 2 * RendezvousCost().nanoseconds(kicks: 3, edits: 1))
    }

    @Test func `V-10: a halted vCPU is neither kicked nor woken by a change of its VM's table`() throws {
        let fixture = try MachineFixture()
        let (guest, vcpus) = try Self.guest(in: fixture, vcpus: 2)
        #expect(fixture.machine.halt(vcpus[1]) == nil)
        let before = fixture.core(vcpus[1])
        #expect(before.counters.exits[.hlt] == 1)
        try fixture.bind(.guest(7), of: guest)
        #expect(fixture.core(vcpus[1]) == before)
        #expect(fixture.machine.activity(ofVCPU: vcpus[1]) == .halted)
        #expect(fixture.machine.rendezvousCounters(ofVM: guest.vm).kicks == 1)
        // It wakes to the new table.
        #expect(fixture.machine.wake(vcpus[1]) == true)
        #expect(fixture.machine.wake(vcpus[1]) == false)
        try fixture.setPASID(.guest(7), onProcessor: vcpus[1])
        #expect(fixture.submit(.enqcmd, fixture.noOp(record: 0), on: vcpus[1]) == .accepted)
    }

    @Test func `HLT above CPL 0 raises #GP(0), and the vCPU stays where it is`() throws {
        let fixture = try MachineFixture()
        let (_, vcpus) = try Self.guest(in: fixture, vcpus: 1)
        fixture.machine.setPrivilegeLevel(.user, on: vcpus[0])
        #expect(fixture.machine.halt(vcpus[0]) == .generalProtection(.privilegeLevel))
        #expect(fixture.machine.activity(ofVCPU: vcpus[0]) == .nonRoot)
        #expect(fixture.core(vcpus[0]).counters.exits.total == 0)
    }

    @Test func `V-11: a change of one VM's table stops no vCPU of another`() throws {
        let fixture = try MachineFixture()
        let (first, _) = try Self.guest(in: fixture, vcpus: 2)
        let (_, others) = try Self.guest(in: fixture, vcpus: 2)
        let before = others.map { fixture.core($0) }
        try fixture.bind(.guest(7), of: first)
        try fixture.unbind(.guest(7), of: first)
        #expect(others.map { fixture.core($0) } == before)
    }

    @Test func `V-12: all vCPUs of a VM translate a guest PASID to the same host PASID`() throws {
        let fixture = try MachineFixture()
        let (guest, vcpus) = try Self.guest(in: fixture, vcpus: 4)
        for number: UInt32 in [7, 0x7_FFFF, 0x8_0000, 0xF_FFFF] {
            let ioasid = try fixture.bind(.guest(number), of: guest)
            for vcpu in vcpus {
                #expect(fixture.machine.translation(of: .guest(number), on: vcpu) == .translated(ioasid))
            }
        }
        try fixture.unbind(.guest(0x8_0000), of: guest)
        for vcpu in vcpus {
            #expect(
                fixture.machine.translation(of: .guest(0x8_0000), on: vcpu) == .failed(.directoryEntryNotPresent))
        }
    }

    @Test(arguments: [false, true])
    func `The end of a VM's bindings is one gate period, whether they are unbound or freed`(isFreed: Bool) throws {
        let fixture = try MachineFixture()
        let (guest, _) = try Self.guest(in: fixture, vcpus: 4)
        for number: UInt32 in 1...10 { try fixture.bind(.guest(number), of: guest) }
        let before = fixture.machine.rendezvousCounters(ofVM: guest.vm)
        let count: Int
        if isFreed {
            count = fixture.machine.freeAllIOASIDs(ofVM: guest.vm).count
        } else {
            count = fixture.machine.beginUnbindAll(ofVM: guest.vm).count
        }
        #expect(count == 10)
        let after = fixture.machine.rendezvousCounters(ofVM: guest.vm)
        #expect(after.rendezvous - before.rendezvous == 1)
        #expect(after.edits - before.edits == 10)
        #expect(after.kicks - before.kicks == 4)
        for token in fixture.takeDrainedTokens() { fixture.machine.completeUnbind(token) }
        #expect(fixture.machine.boundCount == 0)
        #expect(fixture.machine.ioasids.allocatedCount == 0)
    }

    @Test func `A submission in steps does what it does back to back`() throws {
        for guestPASID: UInt32 in [7, 8] {
            for source: UInt32 in [0, 1] {
                let fixture = try MachineFixture()
                let (guest, vcpus) = try Self.guest(in: fixture, vcpus: 2)
                try fixture.bind(.guest(7), of: guest)
                for vcpu in vcpus { try fixture.setPASID(.guest(guestPASID), onProcessor: vcpu) }
                var descriptor = fixture.noOp(record: 0)
                descriptor.firstDword = source
                let whole = fixture.submit(.enqcmd, descriptor, on: vcpus[0])
                var submission = StepwiseSubmission(
                    .enqcmd, destination: PortalPage.shared().linear, source: .bytes(descriptor))
                var outcome: SubmissionOutcome?
                while outcome == nil {
                    switch fixture.machine.advance(&submission, on: vcpus[1]) {
                    case .moved: break
                    case .ended(let ended): outcome = ended
                    case .exited(let exit, let failed):
                        outcome = fixture.machine.answer(exit, of: failed, on: vcpus[1])
                        fixture.machine.enterGuest(vcpus[1])
                    }
                }
                #expect(outcome == whole)
                #expect(fixture.core(vcpus[0]).statusFlags == fixture.core(vcpus[1]).statusFlags)
                #expect(fixture.core(vcpus[0]).counters == fixture.core(vcpus[1]).counters)
            }
        }
    }
}
