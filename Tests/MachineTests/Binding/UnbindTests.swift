import DSA
import DSASpec
import IOMMU
import PCIe
import Testing
import Virtualization

@testable import Machine

@Suite("Unbind")
struct UnbindTests {
    @Test func `A guest's unbind takes the translation, then the descriptors, then the IOMMU entry, then the IOASID`()
        throws
    {
        let fixture = try MachineFixture()
        let (guest, ioasid) = try fixture.makeBoundGuest(.guest(7))
        fixture.holdEngines()
        for slot in 0..<2 { #expect(fixture.enqcmd(fixture.noOp(record: slot), on: guest) == .accepted) }

        let start = try fixture.machine.beginUnbind(ofGuest: .guest(7), inVM: guest.vm, device: nil)
        guard case .unbinding(let token, ioasid) = start else {
            Issue.record("\(start)")
            return
        }
        // The translation is gone; the descriptors and their entry are there.
        guard case .skipped = fixture.enqcmd(fixture.noOp(record: 5), on: guest) else {
            Issue.record("the guest PASID still translates")
            return
        }
        fixture.run()
        #expect(fixture.takeDrainedTokens().isEmpty)
        #expect(fixture.queue().occupancy == 2)
        #expect(fixture.hasEntry(ioasid) == true)

        // The descriptors end as if nothing had happened, and then the entry goes.
        fixture.holdEngines(false)
        fixture.run()
        #expect((0..<2).allSatisfy { guest.ram.status($0) == .success })
        #expect(fixture.takeDrainedTokens() == [token])
        #expect(!fixture.hasEntry(ioasid))
        #expect(fixture.machine.iommu.faults.totalCount == 0)

        // The IOASID and the guest PASID wait for the driver.
        #expect(fixture.machine.ioasids.state(of: ioasid) != .free)
        #expect(fixture.machine.describe(token).guestPASID == .guest(7))
        fixture.machine.completeUnbind(token)
        #expect(fixture.machine.ioasids.state(of: ioasid) == .free)
        #expect(fixture.machine.boundCount == 0)
    }

    @Test func `A process's unbind takes the PASID from its threads first`() throws {
        let fixture = try MachineFixture()
        let (process, ioasid) = try fixture.makeBoundProcess()
        fixture.holdEngines()
        #expect(fixture.enqcmd(fixture.noOp(record: 0), on: process) == .accepted)
        guard
            case .unbinding(let token, _) = try fixture.machine.beginUnbind(ofProcess: process.process, device: nil)
        else {
            Issue.record("the last device is unbound")
            return
        }
        #expect(fixture.machine.pasid(ofProcess: process.process) == nil)
        #expect(fixture.enqcmd(fixture.noOp(record: 1), on: process) == .generalProtection(.invalidPASIDRegister))
        #expect(fixture.hasEntry(ioasid) == true)
        #expect(fixture.takeDrainedTokens().isEmpty)
        fixture.holdEngines(false)
        fixture.run()
        #expect(process.ram.status(0) == .success)
        #expect(fixture.takeDrainedTokens() == [token])
        #expect(!fixture.hasEntry(ioasid))
        #expect(fixture.machine.hasBinding(process.space) == true)
        fixture.machine.completeUnbind(token)
        #expect(fixture.machine.hasBinding(process.space) == false)
    }

    @Test func `An unbind with nothing in flight has drained when the call returns`() throws {
        let fixture = try MachineFixture()
        let (process, ioasid) = try fixture.makeBoundProcess()
        _ = try fixture.machine.beginUnbind(ofProcess: process.process, device: 0)
        #expect(fixture.takeDrainedTokens().count == 1)
        #expect(!fixture.hasEntry(ioasid))
    }

    @Test func `D-09: an unbind does not wait for other PASIDs, and loses none of their descriptors`() throws {
        let fixture = try MachineFixture()
        let (first, _) = try fixture.makeBoundGuest(.guest(7))
        let (second, _) = try fixture.makeBoundGuest(.guest(7))
        fixture.holdEngines()
        for slot in 0..<3 { #expect(fixture.enqcmd(fixture.noOp(record: slot), on: second) == .accepted) }
        _ = try fixture.machine.beginUnbind(ofGuest: .guest(7), inVM: first.vm, device: nil)
        #expect(fixture.takeDrainedTokens().count == 1)
        fixture.holdEngines(false)
        fixture.run()
        #expect((0..<3).allSatisfy { second.ram.status($0) == .success })
    }

    @Test func `D-08: an unbind waits for the window that is on a thread`() throws {
        let fixture = try MachineFixture()
        let process = try fixture.makeProcess(pageCount: 100)
        try fixture.bind(process)
        let move = fixture.move(from: process.page(1), to: process.page(50), size: 100 << 10, record: 0)
        #expect(fixture.enqcmd(move, on: process) == .accepted)
        _ = fixture.machine.step(runsInline: false)
        _ = try fixture.machine.beginUnbind(ofProcess: process.process, device: nil)
        let window = try #require(fixture.takeWindow())
        window.run()
        _ = fixture.machine.step(runsInline: false)
        #expect(fixture.takeDrainedTokens().isEmpty)
        fixture.machine.finishWindow(device: window.device, engine: window.engine)
        #expect(fixture.takeDrainedTokens().count == 1)
        #expect(process.ram.status(0) == .success)
    }

    @Test func `M-02: a PASID that is bound on one device only reaches nothing through another`() throws {
        let fixture = try MachineFixture(deviceCount: 2)
        let (guest, ioasid) = try fixture.makeBoundGuest(.guest(7))
        let (other, _) = try fixture.makeBoundProcess()
        let before = (guest.ram.words, other.ram.words)
        let fill = fixture.fill(.max, at: guest.page(1), size: 64, record: 0)
        #expect(fixture.enqcmd(fill, on: guest, to: .shared(1)) == .accepted)
        fixture.run()
        #expect(guest.ram.words == before.0 && other.ram.words == before.1)
        #expect(fixture.machine.devices[1].softwareError.code == .completionRecordPageFault)
        #expect(fixture.machine.devices[1].softwareError.pasid == ioasid)
        let fault = try #require(fixture.machine.iommu.faults.last)
        #expect(fault.requester == fixture.machine.devices[1].requester)
        #expect(fault.pasid == ioasid)
        #expect([.pasidDirectoryEntryNotPresent, .pasidEntryNotPresent].contains(fault.reason))
        #expect(fixture.machine.devices[0].softwareError.isValid == false)

        // An entry of another PASID in the same table is none of this one.
        try fixture.bind(other, device: 1)
        #expect(fixture.enqcmd(fill, on: guest, to: .shared(1)) == .accepted)
        fixture.run()
        #expect(fixture.machine.iommu.faults.last?.reason == .pasidEntryNotPresent)
        #expect(guest.ram.words == before.0 && other.ram.words == before.1)
    }

    @Test func `A second device gets an entry for the PASID that is bound, without a new binding`() throws {
        let fixture = try MachineFixture(deviceCount: 2)
        let (guest, ioasid) = try fixture.makeBoundGuest(.guest(7))
        let (process, processIOASID) = try fixture.makeBoundProcess()
        try fixture.bind(.guest(7), of: guest, device: 1)
        try fixture.bind(process, device: 1)
        #expect(fixture.machine.boundCount == 2)
        for (client, bound) in [(guest, ioasid), (process, processIOASID)] {
            #expect(fixture.machine.describeBinding(of: bound)?.devices == 0b11)
            for device in 0..<2 {
                #expect(fixture.hasEntry(bound, device: device) == true)
                #expect(
                    fixture.enqcmd(fixture.noOp(record: device), on: client, to: .shared(device)) == .accepted)
            }
            fixture.run()
            #expect((0..<2).allSatisfy { client.ram.status($0) == .success })
        }
        #expect(
            machineError { () throws(MachineError) in _ = try fixture.prepare(.guest(7), of: guest, device: 1) }
                == .alreadyBound)
    }

    @Test func `A second device that is prepared is not there yet, and can be taken back`() throws {
        let fixture = try MachineFixture(deviceCount: 2)
        let (process, ioasid) = try fixture.makeBoundProcess()
        let start = try fixture.machine.prepareBinding(ofProcess: process.process, device: 1)
        guard case .extending(let token, ioasid) = start else {
            Issue.record("\(start)")
            return
        }
        #expect(!fixture.hasEntry(ioasid, device: 1))
        let during: [MachineError?] = [
            machineError { () throws(MachineError) in
                _ = try fixture.machine.prepareBinding(ofProcess: process.process, device: 1)
            },
            machineError { () throws(MachineError) in
                _ = try fixture.machine.beginUnbind(ofProcess: process.process, device: nil)
            },
        ]
        #expect(during == [.bindingInProgress, .bindingInProgress])
        fixture.machine.abandonBinding(token)
        #expect(fixture.machine.describeBinding(of: ioasid)?.devices == 0b01)
        #expect(fixture.enqcmd(fixture.noOp(record: 0), on: process) == .accepted, "the first device is untouched")
        try fixture.unbind(process)
    }

    @Test func `A guest PASID has one address space on all devices`() throws {
        let fixture = try MachineFixture(deviceCount: 2)
        let (guest, ioasid) = try fixture.makeBoundGuest(.guest(7))
        for stage in [
            GuestStage.secondStageOnly, .nested(firstLevel: guest.guestTables, .five),
            .nested(firstLevel: GuestPhysicalAddress(rawValue: 4096), .four),
        ] {
            #expect(
                machineError { () throws(MachineError) in
                    _ = try fixture.machine.prepareBinding(
                        ofGuest: .guest(7), inVM: guest.vm, device: 1, ioasid: nil, stage: stage)
                } == .differentStage(.guest(7)))
        }
        #expect(fixture.machine.describeBinding(of: ioasid)?.devices == 0b01)
    }

    @Test func `Unbinding one of two devices drains that device, clears its entry and keeps the PASID`() throws {
        let fixture = try MachineFixture(deviceCount: 2)
        let (process, ioasid) = try fixture.makeBoundProcess()
        try fixture.bind(process, device: 1)
        for device in 0..<2 {
            fixture.holdEngines(device: device)
            #expect(fixture.enqcmd(fixture.noOp(record: device), on: process, to: .shared(device)) == .accepted)
        }
        let start = try fixture.machine.beginUnbind(ofProcess: process.process, device: 0)
        guard case .departing(let token, ioasid) = start else {
            Issue.record("\(start)")
            return
        }
        #expect(fixture.hasEntry(ioasid, device: 0) == true)
        let during: [MachineError?] = [
            machineError { () throws(MachineError) in
                _ = try fixture.machine.beginUnbind(ofProcess: process.process, device: nil)
            },
            machineError { () throws(MachineError) in
                _ = try fixture.machine.prepareBinding(ofProcess: process.process, device: 0)
            },
        ]
        #expect(during == [.bindingInProgress, .bindingInProgress])

        fixture.holdEngines(false, device: 0)
        fixture.run()
        #expect(fixture.takeDrainedTokens() == [token], "the other device's descriptors stay")
        #expect(process.ram.status(0) == .success && process.ram.status(1) == .none)
        #expect(!fixture.hasEntry(ioasid, device: 0))
        #expect(fixture.hasEntry(ioasid, device: 1) == true)
        #expect(fixture.machine.pasid(ofProcess: process.process) == ioasid)
        fixture.machine.completeUnbind(token)
        #expect(fixture.machine.describeBinding(of: ioasid)?.devices == 0b10)
        #expect(
            machineError { () throws(MachineError) in
                _ = try fixture.machine.beginUnbind(ofProcess: process.process, device: 0)
            } == .notBound)

        fixture.holdEngines(false, device: 1)
        fixture.run()
        #expect(process.ram.status(1) == .success)
        #expect(try fixture.bind(process, device: 0) == ioasid)
        try fixture.unbind(process)
        #expect(!fixture.hasEntry(ioasid, device: 0) && !fixture.hasEntry(ioasid, device: 1))
        #expect(fixture.machine.ioasids.state(of: ioasid) == .free)
    }

    @Test func `Unbinding all devices waits for the descriptors of each`() throws {
        let fixture = try MachineFixture(deviceCount: 2)
        let (guest, ioasid) = try fixture.makeBoundGuest(.guest(7))
        try fixture.bind(.guest(7), of: guest, device: 1)
        for device in 0..<2 {
            fixture.holdEngines(device: device)
            #expect(fixture.enqcmd(fixture.noOp(record: device), on: guest, to: .shared(device)) == .accepted)
        }
        _ = try fixture.machine.beginUnbind(ofGuest: .guest(7), inVM: guest.vm, device: nil)
        for device in 0..<2 {
            #expect(fixture.takeDrainedTokens().isEmpty)
            #expect(fixture.hasEntry(ioasid, device: 0) == true && fixture.hasEntry(ioasid, device: 1) == true)
            fixture.holdEngines(false, device: device)
            fixture.run()
        }
        #expect(fixture.takeDrainedTokens().count == 1)
        #expect(!fixture.hasEntry(ioasid, device: 0) && !fixture.hasEntry(ioasid, device: 1))
    }

    @Test func `A drain of the driver ends once, when no device has such a descriptor`() throws {
        let fixture = try MachineFixture(deviceCount: 2)
        let (process, ioasid) = try fixture.makeBoundProcess()
        fixture.holdEngines()
        fixture.machine.drain(.all, token: 1)
        #expect(fixture.takeDriverDrains() == [1])
        #expect(fixture.enqcmd(fixture.noOp(record: 0), on: process) == .accepted)
        fixture.machine.drain(.pasid(ioasid), token: 2)
        fixture.machine.drain(.pasid(HostPASID(truncating: 99)), token: 3)
        fixture.machine.drain(.all, token: 4)
        #expect(fixture.takeDriverDrains() == [3])
        fixture.holdEngines(false)
        fixture.run()
        #expect(fixture.takeDriverDrains().sorted() == [2, 4])
        let none = try MachineFixture(deviceCount: 0)
        none.machine.drain(.all, token: 5)
        #expect(none.takeDriverDrains() == [5])
    }
}

extension MachineFixture {
    /// A window that waits for a thread.
    func takeWindow() -> Machine.ReadyWindow? { machine.takeReadyWindow() }

    /// The tokens of the driver's drains that have ended, taken out of the effects.
    fileprivate func takeDriverDrains() -> [UInt64] {
        defer { machine.effects.removeAll() }
        return machine.effects.compactMap { if case .drained(let token) = $0 { token } else { nil } }
    }
}
