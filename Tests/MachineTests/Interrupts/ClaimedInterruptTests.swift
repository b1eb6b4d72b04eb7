import DSA
import DSASpec
import PCIe
import Testing
import Virtualization

@testable import Machine

@Suite("Claimed interrupts")
struct ClaimedInterruptTests {
    /// A machine whose devices let users request interrupts.
    private func makeFixture(deviceCount: Int = 1) throws -> MachineFixture {
        let fixture = try MachineFixture(deviceCount: deviceCount)
        for device in 0..<deviceCount { try reenable(device, of: fixture) }
        fixture.machine.effects.removeAll()
        return fixture
    }

    private func reenable(_ device: Int, of fixture: MachineFixture) throws {
        try #require(fixture.machine.execute(.disableDevice, device: device) == .completed(.none))
        try #require(fixture.machine.enableUserInterrupts(true, device: device) == true)
        for command in [DeviceCommand.enableDevice, .enableWorkQueue(0), .enableWorkQueue(1)] {
            try #require(fixture.machine.execute(command, device: device) == .completed(.none))
        }
    }

    private func interrupting(_ handle: UInt16, record slot: Int?, _ fixture: MachineFixture) -> Descriptor {
        var descriptor = fixture.noOp(record: slot)
        descriptor.flags.insert(.requestCompletionInterrupt)
        descriptor.completionInterruptHandle = handle
        return descriptor
    }

    private func sent(_ fixture: MachineFixture) -> [DeviceInterrupt] {
        fixture.machine.effects.compactMap { if case .interrupt(_, let interrupt) = $0 { interrupt } else { nil } }
    }

    private func revoked(_ fixture: MachineFixture) -> [ClaimedInterrupt] {
        fixture.machine.effects.compactMap { if case .interruptRevoked(let claim) = $0 { claim } else { nil } }
    }

    @Test func `A process interrupts through its entry, another process ends with 0x19 there`() throws {
        let fixture = try makeFixture()
        let (first, pasid) = try fixture.makeBoundProcess()
        let (second, _) = try fixture.makeBoundProcess()
        let claim = try fixture.machine.claimInterrupt(in: .msix, ofDevice: 0, forProcess: first.process)
        #expect(claim.ioasid == pasid)
        #expect(claim.vector == InterruptVector(.msix, 8))
        #expect(claim.handle == 8)
        for client in [first, second] {
            #expect(fixture.enqcmd(interrupting(claim.handle, record: 0, fixture), on: client) == .accepted)
            fixture.run()
        }
        #expect(first.ram.status(0) == .success)
        #expect(second.ram.status(0) == .invalidInterruptHandle)
        #expect(sent(fixture).map(\.vector) == [claim.vector])
        #expect(sent(fixture).map(\.pasid) == [pasid])
    }

    @Test func `A guest's entry admits the host PASID of its guest PASID only`() throws {
        let fixture = try makeFixture()
        let (guest, pasid) = try fixture.makeBoundGuest(.guest(5))
        try fixture.bind(.guest(6), of: guest)
        let claim = try fixture.machine.claimInterrupt(in: .msix, ofDevice: 0, forGuest: .guest(5), inVM: guest.vm)
        #expect(claim.ioasid == pasid)
        #expect(fixture.enqcmd(interrupting(claim.handle, record: 0, fixture), on: guest) == .accepted)
        fixture.run()
        try fixture.setPASID(.guest(6), on: guest)
        #expect(fixture.enqcmd(interrupting(claim.handle, record: 1, fixture), on: guest) == .accepted)
        fixture.run()
        #expect(guest.ram.status(0) == .success)
        #expect(guest.ram.status(1) == .invalidInterruptHandle)
        #expect(sent(fixture).map(\.pasid) == [pasid])
    }

    @Test func `Every entry but MSI-X vector 0 is given once, then none is left until one is released`() throws {
        let fixture = try makeFixture()
        let (client, _) = try fixture.makeBoundProcess()
        var claims: [ClaimedInterrupt] = []
        for _ in 1...8 {
            claims.append(try fixture.machine.claimInterrupt(in: .msix, ofDevice: 0, forProcess: client.process))
        }
        #expect(Set(claims.map(\.vector.index)) == Set(1...8))
        #expect(throws: MachineError.noInterrupt) {
            try fixture.machine.claimInterrupt(in: .msix, ofDevice: 0, forProcess: client.process)
        }
        let other = try fixture.machine.claimInterrupt(in: .ims, ofDevice: 0, forProcess: client.process)
        #expect(other.vector == InterruptVector(.ims, 2047))
        fixture.machine.releaseInterrupt(claims[3])
        let again = try fixture.machine.claimInterrupt(in: .msix, ofDevice: 0, forProcess: client.process)
        #expect(again.vector == claims[3].vector)
        #expect(revoked(fixture).isEmpty)
    }

    @Test func `An entry that a driver has set up is not given away`() throws {
        let fixture = try makeFixture()
        let (client, _) = try fixture.makeBoundProcess()
        fixture.machine.devices[0].writeInterruptRegister(.messages, dword: 8 * 4 + 3, value: 0)
        fixture.machine.devices[0].writeInterruptRegister(.permissions, dword: 7 * 2, value: 0x1000_0008)
        let claim = try fixture.machine.claimInterrupt(in: .msix, ofDevice: 0, forProcess: client.process)
        #expect(claim.vector.index == 6)
    }

    @Test func `Without a binding on the device there is no entry`() throws {
        let fixture = try makeFixture(deviceCount: 2)
        let client = try fixture.makeProcess()
        #expect(throws: MachineError.notBound) {
            try fixture.machine.claimInterrupt(in: .msix, ofDevice: 0, forProcess: client.process)
        }
        try fixture.bind(client, device: 0)
        #expect(throws: MachineError.notBound) {
            try fixture.machine.claimInterrupt(in: .msix, ofDevice: 1, forProcess: client.process)
        }
        #expect(throws: MachineError.unknownDevice(9)) {
            try fixture.machine.claimInterrupt(in: .msix, ofDevice: 9, forProcess: client.process)
        }
        let guest = try fixture.makeGuest()
        #expect(throws: MachineError.notBound) {
            try fixture.machine.claimInterrupt(in: .ims, ofDevice: 0, forGuest: .guest(1), inVM: guest.vm)
        }
    }

    @Test func `A released entry interrupts nobody, and its next owner sees nothing of the last`() throws {
        let fixture = try makeFixture()
        let (first, _) = try fixture.makeBoundProcess()
        let (second, pasid) = try fixture.makeBoundProcess()
        let claim = try fixture.machine.claimInterrupt(in: .msix, ofDevice: 0, forProcess: first.process)
        // One is accepted and not yet looked at, one waits behind the mask.
        fixture.machine.devices[0].writeInterruptRegister(.messages, dword: 8 * 4 + 3, value: 1)
        #expect(fixture.enqcmd(interrupting(claim.handle, record: 0, fixture), on: first) == .accepted)
        fixture.run()
        #expect(fixture.machine.devices[0].readInterruptRegister(.pendingBits, dword: 0) == 1 << 8)
        fixture.holdEngines()
        #expect(fixture.enqcmd(interrupting(claim.handle, record: 1, fixture), on: first) == .accepted)
        fixture.machine.releaseInterrupt(claim)
        let next = try fixture.machine.claimInterrupt(in: .msix, ofDevice: 0, forProcess: second.process)
        #expect(next.vector == claim.vector)
        fixture.holdEngines(false)
        fixture.run()
        #expect(sent(fixture).isEmpty)
        #expect(first.ram.status(1) == .invalidInterruptHandle)
        #expect(fixture.enqcmd(interrupting(next.handle, record: 0, fixture), on: second) == .accepted)
        fixture.run()
        #expect(sent(fixture).map(\.pasid) == [pasid])
        // The old claim is void: it takes nothing from the new owner.
        fixture.machine.releaseInterrupt(claim)
        #expect(fixture.enqcmd(interrupting(next.handle, record: 1, fixture), on: second) == .accepted)
        fixture.run()
        #expect(sent(fixture).count == 2)
    }

    @Test func `D-08: unbind takes the entries back after the last descriptor, whose interrupt still comes`() throws {
        let fixture = try makeFixture()
        let (client, _) = try fixture.makeBoundProcess()
        let claim = try fixture.machine.claimInterrupt(in: .msix, ofDevice: 0, forProcess: client.process)
        fixture.holdEngines()
        #expect(fixture.enqcmd(interrupting(claim.handle, record: 0, fixture), on: client) == .accepted)
        guard case .unbinding(let token, _) = try fixture.machine.beginUnbind(ofProcess: client.process, device: nil)
        else { throw NotUnbinding() }
        #expect(throws: MachineError.bindingInProgress) {
            try fixture.machine.claimInterrupt(in: .msix, ofDevice: 0, forProcess: client.process)
        }
        #expect(revoked(fixture).isEmpty)
        fixture.holdEngines(false)
        fixture.run()
        let order = fixture.machine.effects.map { effect in
            switch effect {
            case .interrupt: "interrupt"
            case .interruptRevoked(claim): "revoked"
            case .unbindDrained(token): "drained"
            default: "other"
            }
        }
        #expect(order == ["interrupt", "revoked", "drained"])
        #expect(fixture.machine.devices[0].interruptEntry(claim.vector) == .msixPowerOn)
        fixture.machine.completeUnbind(token)
        fixture.machine.releaseInterrupt(claim)
    }

    private struct NotUnbinding: Error {}

    @Test func `The departure of one device takes its entries only`() throws {
        let fixture = try makeFixture(deviceCount: 2)
        let (client, _) = try fixture.makeBoundProcess()
        try fixture.bind(client, device: 1)
        let gone = try fixture.machine.claimInterrupt(in: .ims, ofDevice: 0, forProcess: client.process)
        let kept = try fixture.machine.claimInterrupt(in: .ims, ofDevice: 1, forProcess: client.process)
        try fixture.unbind(client, device: 0)
        #expect(revoked(fixture) == [gone])
        #expect(fixture.machine.devices[0].interruptEntry(gone.vector) == .imsPowerOn)
        #expect(fixture.machine.devices[1].interruptEntry(kept.vector)?.permission.pasid == kept.ioasid)
    }

    @Test func `Reset Device takes the entries of everybody back`() throws {
        let fixture = try makeFixture()
        let (first, _) = try fixture.makeBoundProcess()
        let (second, _) = try fixture.makeBoundProcess()
        let claims = [
            try fixture.machine.claimInterrupt(in: .msix, ofDevice: 0, forProcess: first.process),
            try fixture.machine.claimInterrupt(in: .ims, ofDevice: 0, forProcess: second.process),
        ]
        #expect(fixture.machine.execute(.resetDevice, device: 0) == .completed(.none))
        #expect(Set(revoked(fixture)) == Set(claims))
        for claim in claims {
            let powerOn: InterruptEntry = claim.vector.table == .msix ? .msixPowerOn : .imsPowerOn
            #expect(fixture.machine.devices[0].interruptEntry(claim.vector) == powerOn)
        }
        let again = try fixture.machine.claimInterrupt(in: .msix, ofDevice: 0, forProcess: second.process)
        #expect(again.vector == claims[0].vector)
        // The claim that the reset ended takes nothing from the new one.
        fixture.machine.releaseInterrupt(claims[0])
        #expect(fixture.machine.devices[0].interruptEntry(again.vector)?.permission.pasid == again.ioasid)
    }

    @Test func `With CMDCAP a claim has a handle of its own, which revoking takes away`() throws {
        let fixture = try MachineFixture(deviceCount: 0)
        var profile = DeviceProfile.dsa1
        profile.general = GeneralCapabilities(rawValue: profile.general.rawValue | 1 << 4)
        profile.interruptHandleCount = 1
        let requester = try #require(RequesterID(bus: 0x6A, device: 1, function: 0))
        guard let device = fixture.machine.addDevice(profile: profile, requester: requester) else { throw NoDevice() }
        let (client, _) = try fixture.makeBoundProcess()
        let claim = try fixture.machine.claimInterrupt(in: .msix, ofDevice: device, forProcess: client.process)
        #expect(claim.vector.index == 8)
        #expect(claim.handle == 0)
        #expect(throws: MachineError.noInterrupt) {
            try fixture.machine.claimInterrupt(in: .msix, ofDevice: device, forProcess: client.process)
        }
        fixture.machine.devices[device].revokeInterruptHandles()
        _ = fixture.machine.step()
        _ = fixture.machine.execute(.drainAll, device: device)
        #expect(revoked(fixture) == [claim])
        let again = try fixture.machine.claimInterrupt(in: .msix, ofDevice: device, forProcess: client.process)
        fixture.machine.releaseInterrupt(again)
        #expect(throws: Never.self) {
            try fixture.machine.claimInterrupt(in: .msix, ofDevice: device, forProcess: client.process)
        }
    }

    private struct NoDevice: Error {}
}
