import DSA
import DSASpec
import IOMMU
import PCIe
import Testing
import Virtualization

@testable import Machine

/// The error that `body` throws.
func machineError(_ body: () throws(MachineError) -> Void) -> MachineError? {
    do throws(MachineError) {
        try body()
        return nil
    } catch {
        return error
    }
}

@Suite("Bind")
struct BindTests {
    @Test func `I-03: PASID 0 is never allocated`() throws {
        let fixture = try MachineFixture(hostQuota: 40)
        var ioasids: Set<UInt32> = []
        for _ in 0..<40 { ioasids.insert(try fixture.makeBoundProcess().1.rawValue) }
        #expect(ioasids.count == 40)
        #expect(!ioasids.contains(0))
        let next = try fixture.makeProcess()
        #expect(
            machineError { () throws(MachineError) in
                _ = try fixture.machine.prepareBinding(ofProcess: next.process, device: 0)
            } == .ioasid(.noSpace), "I-02: the quota")
    }

    @Test func `I-04: no IOASID is in two sets, and none is allocated again while a binding holds it`() throws {
        let fixture = try MachineFixture()
        let (guest, held) = try fixture.makeBoundGuest(.guest(7))
        let (_, host) = try fixture.makeBoundProcess()
        fixture.holdEngines()
        #expect(fixture.enqcmd(fixture.noOp(record: 0), on: guest) == .accepted)
        let start = try fixture.machine.beginUnbind(ofGuest: .guest(7), inVM: guest.vm, device: nil)
        guard case .unbinding(let token, held) = start else {
            Issue.record("\(start)")
            return
        }
        var others: Set<HostPASID> = [host]
        let other = try fixture.makeGuest(quota: 500)
        for _ in 0..<500 {
            let ioasid = try fixture.machine.allocateIOASID(forVM: other.vm)
            #expect(others.insert(ioasid).inserted)
        }
        #expect(!others.contains(held))
        #expect(fixture.machine.ioasids.description(of: held)?.set == fixture.machine.ioasidSet(ofVM: guest.vm))
        fixture.holdEngines(false)
        fixture.run()
        #expect(fixture.takeDrainedTokens() == [token])
        #expect(fixture.machine.ioasids.state(of: held) != .free, "not before the record of the unbind is durable")
        fixture.machine.completeUnbind(token)
        #expect(fixture.machine.ioasids.state(of: held) == .free)
        #expect(fixture.machine.ioasids.violatedInvariant() == nil)
    }

    @Test func `I-07: a guest PASID is unique in its VM, and the same one in two VMs has two host PASIDs`() throws {
        let fixture = try MachineFixture()
        let (first, firstIOASID) = try fixture.makeBoundGuest(.guest(101))
        let (second, secondIOASID) = try fixture.makeBoundGuest(.guest(101))
        #expect(firstIOASID != secondIOASID)
        #expect(
            machineError { () throws(MachineError) in _ = try fixture.prepare(.guest(101), of: first) }
                == .alreadyBound)
        let spare = try fixture.machine.allocateIOASID(forVM: first.vm)
        #expect(
            machineError { () throws(MachineError) in _ = try fixture.prepare(.guest(101), of: first, ioasid: spare) }
                == .guestPASIDInUse(.guest(101)))
        #expect(fixture.machine.ioasids.state(of: spare) == .idle)
        #expect(fixture.machine.boundCount == 2)
        for (slot, client) in [first, second].enumerated() {
            #expect(fixture.enqcmd(fixture.noOp(record: slot), on: client) == .accepted)
        }
        fixture.run()
        #expect(first.ram.status(0) == .success && first.ram.status(1) == .none)
        #expect(second.ram.status(1) == .success && second.ram.status(0) == .none)
    }

    @Test func `Before it is published a binding lets nothing be submitted or translated`() throws {
        let fixture = try MachineFixture()
        let guest = try fixture.makeGuest()
        try fixture.setPASID(.guest(7), on: guest)
        guard case .prepared(let guestToken, let guestIOASID) = try fixture.prepare(.guest(7), of: guest) else {
            Issue.record("a first binding is prepared")
            return
        }
        guard case .skipped = fixture.enqcmd(fixture.noOp(record: 0), on: guest) else {
            Issue.record("a guest PASID translates before it is published")
            return
        }
        #expect(!fixture.hasEntry(guestIOASID))

        let process = try fixture.makeProcess()
        guard
            case .prepared(let token, let ioasid) = try fixture.machine.prepareBinding(
                ofProcess: process.process, device: 0)
        else {
            Issue.record("a first binding is prepared")
            return
        }
        #expect(fixture.enqcmd(fixture.noOp(record: 0), on: process) == .generalProtection(.invalidPASIDRegister))
        #expect(!fixture.hasEntry(ioasid))
        #expect(fixture.machine.hasBinding(process.space) == true)

        try fixture.machine.publishBinding(guestToken)
        try fixture.machine.publishBinding(token)
        #expect(fixture.hasEntry(guestIOASID) == true && fixture.hasEntry(ioasid) == true)
        #expect(fixture.enqcmd(fixture.noOp(record: 0), on: guest) == .accepted)
        #expect(fixture.enqcmd(fixture.noOp(record: 0), on: process) == .accepted)
        fixture.run()
        #expect(guest.ram.status(0) == .success && process.ram.status(0) == .success)
    }

    @Test func `While a binding is prepared, drains or has drained, another of the same name is refused`() throws {
        let fixture = try MachineFixture()
        let guest = try fixture.makeGuest()
        let process = try fixture.makeProcess()
        func attempts() -> [MachineError?] {
            [
                machineError { () throws(MachineError) in _ = try fixture.prepare(.guest(7), of: guest) },
                machineError { () throws(MachineError) in
                    _ = try fixture.machine.prepareBinding(ofProcess: process.process, device: 0)
                },
                machineError { () throws(MachineError) in
                    _ = try fixture.machine.beginUnbind(ofGuest: .guest(7), inVM: guest.vm, device: nil)
                },
                machineError { () throws(MachineError) in
                    _ = try fixture.machine.beginUnbind(ofProcess: process.process, device: nil)
                },
            ]
        }
        let refused = Array(repeating: MachineError.bindingInProgress, count: 4)
        guard case .prepared(let guestToken, _) = try fixture.prepare(.guest(7), of: guest),
            case .prepared(let token, _) = try fixture.machine.prepareBinding(ofProcess: process.process, device: 0)
        else {
            Issue.record("first bindings are prepared")
            return
        }
        #expect(attempts() == refused)
        try fixture.machine.publishBinding(guestToken)
        try fixture.machine.publishBinding(token)
        _ = try fixture.machine.beginUnbind(ofGuest: .guest(7), inVM: guest.vm, device: nil)
        _ = try fixture.machine.beginUnbind(ofProcess: process.process, device: nil)
        #expect(Set(fixture.takeDrainedTokens()) == [guestToken, token])
        #expect(attempts() == refused)
        fixture.machine.completeUnbind(guestToken)
        fixture.machine.completeUnbind(token)
        #expect(fixture.machine.boundCount == 0)
        try fixture.bind(.guest(7), of: guest)
        try fixture.bind(process)
    }

    @Test func `At its quota a VM is told that a guest PASID is on its way, not that the quota is used`() throws {
        let fixture = try MachineFixture()
        let guest = try fixture.makeGuest(quota: 1)
        guard case .prepared(let token, _) = try fixture.prepare(.guest(7), of: guest) else {
            Issue.record("a first binding is prepared")
            return
        }
        #expect(
            machineError { () throws(MachineError) in _ = try fixture.prepare(.guest(7), of: guest) }
                == .bindingInProgress)
        #expect(
            machineError { () throws(MachineError) in _ = try fixture.prepare(.guest(8), of: guest) }
                == .ioasid(.noSpace))
        fixture.machine.abandonBinding(token)
    }

    @Test func `Abandoning a prepared binding leaves nothing behind`() throws {
        let fixture = try MachineFixture()
        let guest = try fixture.makeGuest()
        let process = try fixture.makeProcess()
        let (frames, allocated) = (fixture.memory.frameCountInUse, fixture.machine.ioasids.allocatedCount)
        for _ in 0..<3 {
            guard case .prepared(let guestToken, _) = try fixture.prepare(.guest(7), of: guest),
                case .prepared(let token, _) = try fixture.machine.prepareBinding(
                    ofProcess: process.process, device: 0)
            else {
                Issue.record("first bindings are prepared")
                return
            }
            #expect(fixture.machine.ioasids.allocatedCount == allocated + 2)
            fixture.machine.abandonBinding(token)
            fixture.machine.abandonBinding(guestToken)
        }
        #expect(fixture.memory.frameCountInUse == frames)
        #expect(fixture.machine.ioasids.allocatedCount == allocated)
        #expect(fixture.machine.boundCount == 0)
        #expect(fixture.machine.hasBinding(guest.space) == false)
        #expect(fixture.machine.hasBinding(process.space) == false)
        try fixture.bind(.guest(7), of: guest)
        try fixture.bind(process)
    }

    @Test func `A second-stage binding gives a guest's DMA its guest physical addresses`() throws {
        let fixture = try MachineFixture()
        let guest = try fixture.makeGuest()
        guard
            case .prepared(let token, _) = try fixture.machine.prepareBinding(
                ofGuest: .guest(9), inVM: guest.vm, device: 0, ioasid: nil, stage: .secondStageOnly)
        else {
            Issue.record("a first binding is prepared")
            return
        }
        try fixture.machine.publishBinding(token)
        try fixture.setPASID(.guest(9), on: guest)
        var noOp = fixture.noOp(record: 0)
        noOp.completionRecordAddress = LinearAddress(rawValue: 3 * 32)
        #expect(fixture.enqcmd(noOp, on: guest) == .accepted)
        fixture.run()
        #expect(guest.ram.status(3) == .success)
    }

    @Test func `An unknown device, a misaligned table and what is not bound are refused, and change nothing`() throws {
        let fixture = try MachineFixture()
        let guest = try fixture.makeGuest()
        let process = try fixture.makeProcess()
        let allocated = fixture.machine.ioasids.allocatedCount
        let errors: [MachineError?] = [
            machineError { () throws(MachineError) in _ = try fixture.prepare(.guest(7), of: guest, device: 1) },
            machineError { () throws(MachineError) in
                _ = try fixture.machine.prepareBinding(ofProcess: process.process, device: -1)
            },
            machineError { () throws(MachineError) in
                _ = try fixture.machine.prepareBinding(
                    ofGuest: .guest(7), inVM: guest.vm, device: 0, ioasid: nil,
                    stage: .nested(firstLevel: GuestPhysicalAddress(rawValue: 0x1008), .four))
            },
            machineError { () throws(MachineError) in
                _ = try fixture.machine.beginUnbind(ofGuest: .guest(7), inVM: guest.vm, device: nil)
            },
            machineError { () throws(MachineError) in
                _ = try fixture.machine.beginUnbind(ofProcess: process.process, device: 0)
            },
        ]
        #expect(errors == [.unknownDevice(1), .unknownDevice(-1), .misalignedTable, .notBound, .notBound])
        #expect(fixture.machine.ioasids.allocatedCount == allocated)
        #expect(fixture.machine.boundCount == 0)
    }
}

@Suite("IOASIDs that a client allocated")
struct AllocatedIOASIDTests {
    @Test func `One is bound, unbound and bound again, and ends only when it is freed`() throws {
        let fixture = try MachineFixture()
        let guest = try fixture.makeGuest()
        let ioasid = try fixture.machine.allocateIOASID(forVM: guest.vm)
        for guestPASID in [GuestPASID.guest(7), .guest(8)] {
            guard
                case .prepared(let token, ioasid) = try fixture.prepare(guestPASID, of: guest, ioasid: ioasid)
            else {
                Issue.record("the IOASID is idle")
                return
            }
            try fixture.machine.publishBinding(token)
            #expect(fixture.machine.describeBinding(of: ioasid)?.guestPASID == guestPASID)
            #expect(fixture.machine.describeBinding(of: ioasid)?.isIOASIDOwned == false)
            #expect(
                machineError { () throws(MachineError) in
                    _ = try fixture.prepare(.guest(9), of: guest, ioasid: ioasid)
                } == .ioasidInUse(ioasid))
            try fixture.unbind(guestPASID, of: guest)
            #expect(fixture.machine.ioasids.state(of: ioasid) == .idle)
        }
        guard case .prepared(let token, _) = try fixture.prepare(.guest(7), of: guest, ioasid: ioasid) else {
            Issue.record("the IOASID is idle")
            return
        }
        fixture.machine.abandonBinding(token)
        #expect(fixture.machine.ioasids.state(of: ioasid) == .idle)
        #expect(try fixture.machine.freeIOASID(ioasid, ofVM: guest.vm) == .reclaimed)
        #expect(fixture.machine.ioasids.state(of: ioasid) == .free)
    }

    @Test func `I-04: one of another VM or the host is out of reach, and an unknown one unknown`() throws {
        let fixture = try MachineFixture()
        let guest = try fixture.makeGuest()
        let other = try fixture.makeGuest()
        let foreign = try fixture.machine.allocateIOASID(forVM: other.vm)
        let host = try fixture.machine.allocateIOASID(forVM: nil)
        let unknown = HostPASID(truncating: 0xF_0000)
        for (ioasid, error) in [
            (foreign, MachineError.ioasid(.accessDenied)), (host, .ioasid(.accessDenied)),
            (unknown, .ioasid(.noEntry)),
        ] {
            #expect(
                machineError { () throws(MachineError) in
                    _ = try fixture.prepare(.guest(7), of: guest, ioasid: ioasid)
                } == error)
            #expect(
                machineError { () throws(MachineError) in
                    _ = try fixture.machine.freeIOASID(ioasid, ofVM: guest.vm)
                } == error)
        }
        #expect(fixture.machine.ioasids.state(of: foreign) == .idle)
        #expect(fixture.machine.ioasids.state(of: host) == .idle)
    }

    @Test func `I-02: a VM has at most its quota, bound or not`() throws {
        let fixture = try MachineFixture()
        let guest = try fixture.makeGuest(quota: 3)
        _ = try fixture.machine.allocateIOASID(forVM: guest.vm)
        try fixture.bind(.guest(1), of: guest)
        try fixture.bind(.guest(2), of: guest)
        #expect(
            machineError { () throws(MachineError) in _ = try fixture.prepare(.guest(3), of: guest) }
                == .ioasid(.noSpace))
        #expect(
            machineError { () throws(MachineError) in
                _ = try fixture.machine.allocateIOASID(forVM: guest.vm)
            } == .ioasid(.noSpace))
        try fixture.unbind(.guest(1), of: guest)
        try fixture.bind(.guest(3), of: guest)
    }

    @Test func `I-01: a VM's quota comes from what is available and returns with its end`() throws {
        let fixture = try MachineFixture()
        let available = fixture.machine.ioasids.available
        let guest = try fixture.makeGuest(quota: 1000)
        #expect(fixture.machine.ioasids.available == available - 1000)
        #expect(
            machineError { () throws(MachineError) in
                _ = try fixture.machine.makeVM(quota: available)
            } == .ioasid(.noSpace))
        for mapping in fixture.machine.mappings(of: guest.space) {
            _ = try fixture.machine.unmap(startingAt: mapping.start, from: guest.space)
        }
        let isLast = fixture.machine.removeProcessor(guest.processor)
        #expect(isLast)
        fixture.machine.removeVM(guest.vm)
        #expect(fixture.machine.ioasids.available == available)
        #expect(fixture.machine.ioasids.violatedInvariant() == nil)
    }
}
