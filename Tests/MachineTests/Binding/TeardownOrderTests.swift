import DSASpec
import IOMMU
import PCIe
import Testing
import Virtualization

@testable import Machine

@Suite("Orders of a teardown")
struct TeardownOrderTests {
    @Test(
        arguments: zip(
            NotifierOrder.allCases,
            [[EndingStage.processors, .devices, .iommu], [.processors, .iommu, .devices]]))
    func `I-10: UNBIND and FREE go to the processors first, then as the version of the notifiers says`(
        order: NotifierOrder, expected: [EndingStage]
    ) throws {
        let fixture = try MachineFixture(notifierOrder: order)
        let guest = try fixture.makeGuest()
        try fixture.bind(.guest(7), of: guest)
        try fixture.bind(.guest(8), of: guest)
        let unbound = try fixture.machine.announceUnbind(ofGuest: .guest(7), inVM: guest.vm)
        #expect(fixture.machine.stages(of: unbound.token) == expected)
        #expect(unbound.event.kind == .unbind && unbound.event.spid == .guest(7), "I-08: it carries the old SPID")
        let freed = try fixture.machine.announceFree(of: .guest(8), inVM: guest.vm)
        #expect(fixture.machine.stages(of: freed.token) == expected)
        #expect(freed.event.kind == .free && freed.event.spid == .guest(8))
    }

    @Test func `I-10: the IOMMU's entry stays until the device has drained, in version 3's order`() throws {
        let fixture = try MachineFixture()
        let (guest, ioasid) = try fixture.makeBoundGuest(.guest(7))
        fixture.holdEngines()
        #expect(fixture.enqcmd(fixture.noOp(record: 0), on: guest) == .accepted)
        _ = try fixture.machine.beginUnbind(ofGuest: .guest(7), inVM: guest.vm, device: nil)
        #expect(fixture.hasEntry(ioasid))
        fixture.holdEngines(false)
        fixture.run()
        #expect(guest.ram.status(0) == .success)
        #expect(!fixture.hasEntry(ioasid))
        #expect(fixture.machine.iommu.faults.totalCount == 0)
    }

    @Test func `I-10: the IOMMU's entry goes at once and what drains faults, in version 4's order`() throws {
        let fixture = try MachineFixture(notifierOrder: .iommuBeforeDevice)
        let (guest, ioasid) = try fixture.makeBoundGuest(.guest(7))
        fixture.holdEngines()
        #expect(fixture.enqcmd(fixture.noOp(record: 0), on: guest) == .accepted)
        let start = try fixture.machine.beginUnbind(ofGuest: .guest(7), inVM: guest.vm, device: nil)
        #expect(!fixture.hasEntry(ioasid))
        #expect(fixture.takeDrainedTokens().isEmpty)
        fixture.holdEngines(false)
        fixture.run()
        #expect(guest.ram.status(0) == .none, "the record could not be written")
        guard case .unbinding(let token, _) = start else {
            Issue.record("the last device is unbound")
            return
        }
        #expect(fixture.takeDrainedTokens() == [token])
        fixture.machine.completeUnbind(token)
        #expect(fixture.machine.ioasids.state(of: ioasid) == .free)
    }

    @Test(arguments: NotifierOrder.allCases)
    func `I-15: free before unbind cleans up by FREE, and the unbind that follows finds nothing`(
        order: NotifierOrder
    ) throws {
        let fixture = try MachineFixture(notifierOrder: order)
        let (guest, ioasid) = try fixture.makeBoundGuest(.guest(7))
        let kept = try fixture.bind(.guest(8), of: guest)
        let (other, foreign) = try fixture.makeBoundGuest(.guest(7))
        fixture.holdEngines()
        #expect(fixture.enqcmd(fixture.noOp(record: 0), on: guest) == .accepted)
        let frames = fixture.memory.frameCountInUse
        guard case .ending(let token) = try fixture.machine.freeIOASID(ioasid, ofVM: guest.vm) else {
            Issue.record("a bound IOASID ends")
            return
        }
        #expect(fixture.machine.ioasids.state(of: ioasid) == .freePending)
        #expect(fixture.machine.translation(of: .guest(7), inVM: guest.vm) == nil)
        #expect(try fixture.machine.freeIOASID(ioasid, ofVM: guest.vm) == .alreadyPending)
        #expect(
            machineError { () throws(MachineError) in
                _ = try fixture.machine.beginUnbind(ofGuest: .guest(7), inVM: guest.vm, device: nil)
            } == .notBound)
        fixture.holdEngines(false)
        fixture.run()
        #expect(fixture.takeDrainedTokens() == [token])
        #expect(fixture.machine.ioasids.state(of: ioasid) == .freePending, "its last user has not put it")
        fixture.machine.completeUnbind(token)
        #expect(fixture.machine.ioasids.state(of: ioasid) == .free)
        #expect(fixture.memory.frameCountInUse <= frames)
        // Nothing else of the VM or of others has changed.
        #expect(fixture.machine.translation(of: .guest(8), inVM: guest.vm) == kept)
        #expect(fixture.hasEntry(kept) && fixture.hasEntry(foreign))
        #expect(fixture.enqcmd(fixture.noOp(record: 1), on: other) == .accepted)
    }

    @Test func `I-14: a hypervisor that ends before its PASIDs are unbound or freed leaves no reference`() throws {
        for isFreed in [false, true] {
            let fixture = try MachineFixture()
            let (guest, ioasid) = try fixture.makeBoundGuest(.guest(7))
            try fixture.bind(.guest(8), of: guest)
            let references = try #require(fixture.machine.ioasids.description(of: ioasid)).referenceCount
            _ = fixture.machine.removeProcessor(guest.processor)
            fixture.machine.endHypervisor(ofVM: guest.vm)
            #expect(fixture.machine.ioasids.description(of: ioasid)?.referenceCount == references - 1)
            #expect(fixture.machine.translation(of: .guest(7), inVM: guest.vm) == nil)
            let rendezvous = fixture.machine.rendezvousCounters(ofVM: guest.vm).rendezvous
            if isFreed {
                #expect(fixture.machine.freeAllIOASIDs(ofVM: guest.vm).count == 2)
            } else {
                #expect(fixture.machine.beginUnbindAll(ofVM: guest.vm).count == 2)
            }
            #expect(fixture.machine.rendezvousCounters(ofVM: guest.vm).rendezvous == rendezvous)
            for token in fixture.takeDrainedTokens() { fixture.machine.completeUnbind(token) }
            #expect(fixture.machine.ioasids.allocatedCount == 0)
            #expect(fixture.machine.ioasids.violatedInvariant() == nil)
        }
    }

    @Test func `I-12: a VMM that is killed with work in flight gives every IOASID and its quota back`() throws {
        let fixture = try MachineFixture()
        let available = fixture.machine.ioasids.available
        let (guest, bound) = try fixture.makeBoundGuest(.guest(7))
        let idle = try fixture.machine.allocateIOASID(forVM: guest.vm)
        fixture.holdEngines()
        #expect(fixture.enqcmd(fixture.noOp(record: 0), on: guest) == .accepted)
        _ = fixture.machine.removeProcessor(guest.processor)
        let tokens = fixture.machine.freeAllIOASIDs(ofVM: guest.vm)
        #expect(tokens.count == 1)
        #expect(fixture.machine.ioasids.state(of: idle) == .free, "nobody used it")
        #expect(fixture.machine.ioasids.state(of: bound) == .freePending)
        fixture.holdEngines(false)
        fixture.run()
        #expect(fixture.takeDrainedTokens() == tokens)
        for token in tokens { fixture.machine.completeUnbind(token) }
        for mapping in fixture.machine.mappings(of: guest.space) {
            _ = try fixture.machine.unmap(startingAt: mapping.start, from: guest.space)
        }
        fixture.machine.removeVM(guest.vm)
        #expect(fixture.machine.ioasids.available == available)
        #expect(fixture.machine.ioasids.allocatedCount == 0)
    }

    @Test func `I-16: a hypervisor that cannot install a mapping makes the bind fail, and nothing of it is left`()
        throws
    {
        let fixture = try MachineFixture()
        let guest = try fixture.makeGuest()
        // The IOMMU has its PASID table; the VM's own translation table needs a frame for another.
        try fixture.bind(.guest(8), of: guest)
        var spare: [HostPhysicalAddress] = []
        while let frame = fixture.memory.allocateFrame() { spare.append(frame) }
        let start = try fixture.prepare(.guest(0x8_0000), of: guest)
        guard case .prepared(let token, let ioasid) = start else {
            Issue.record("\(start)")
            return
        }
        #expect(
            machineError { () throws(MachineError) in
                try fixture.machine.publishBinding(token)
            } == .outOfFrames)
        #expect(!fixture.hasEntry(ioasid))
        #expect(fixture.machine.translation(of: .guest(0x8_0000), inVM: guest.vm) == nil)
        #expect(
            fixture.machine.ioasids.find(spid: .guest(0x8_0000), in: fixture.machine.ioasidSet(ofVM: guest.vm)) == nil)
        fixture.machine.abandonBinding(token)
        #expect(fixture.machine.ioasids.state(of: ioasid) == .free)
        for frame in spare { fixture.memory.freeFrame(frame) }
        #expect(try fixture.bind(.guest(0x8_0000), of: guest) != ioasid)
    }

    @Test func `A free during a bind makes the bind fail`() throws {
        let fixture = try MachineFixture()
        let guest = try fixture.makeGuest()
        guard case .prepared(let token, let ioasid) = try fixture.prepare(.guest(7), of: guest) else {
            Issue.record("nothing is bound")
            return
        }
        #expect(fixture.machine.freeAllIOASIDs(ofVM: guest.vm).isEmpty)
        #expect(fixture.machine.ioasids.state(of: ioasid) == .freePending)
        #expect(
            machineError { () throws(MachineError) in
                try fixture.machine.publishBinding(token)
            } == .ioasid(.noEntry))
        fixture.machine.abandonBinding(token)
        #expect(fixture.machine.ioasids.state(of: ioasid) == .free)
        #expect(fixture.machine.ioasids.violatedInvariant() == nil)
    }
}
