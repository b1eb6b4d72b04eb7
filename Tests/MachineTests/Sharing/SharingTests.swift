import DSA
import DSASpec
import IOMMU
import PCIe
import Testing
import Virtualization

@testable import Machine

extension MachineFixture {
    /// Disables WQ 1, so that it can be given away.
    fileprivate func freeDedicatedQueue() {
        #expect(machine.execute(.disableWorkQueues(1 << 1), device: 0) == .completed(.none))
    }

    fileprivate func refusal(
        _ type: InterfaceType, for client: Client, _ guestPASID: GuestPASID = .guest(7)
    ) -> SharingRefusal? {
        do throws(SharingRefusal) {
            _ = try machine.composeInterface(type, onDevice: 0, forVM: client.vm, guestPASID: guestPASID)
            return nil
        } catch { return error }
    }
}

@Suite("Scalable IOV")
struct ScalableIOVTests {
    @Test func `A dedicated interface takes a WQ and works for its guest PASID alone, and there is one per WQ`() throws
    {
        let fixture = try MachineFixture()
        fixture.freeDedicatedQueue()
        let (guest, ioasid) = try fixture.makeBoundGuest(.guest(7))
        let (other, _) = try fixture.makeBoundGuest(.guest(7))
        #expect(fixture.refusal(.dedicatedQueue, for: guest, .guest(8)) == .notBound(.guest(8)))
        let id = try fixture.machine.composeInterface(
            .dedicatedQueue, onDevice: 0, forVM: guest.vm, guestPASID: .guest(7))
        #expect(fixture.queue(1).state == .enabled && fixture.queue(1).configuration.pasid == ioasid)
        #expect(fixture.refusal(.dedicatedQueue, for: other) == .noDedicatedQueue(count: 1))

        // The payload's PASID counts for nothing.
        let posted = fixture.fill(0x11, at: guest.page(5), size: 64, record: 0)
        fixture.machine.devices[0].post(posted, to: Portal(workQueue: 1, limit: .limited, interruptTable: .msix))
        fixture.run()
        #expect(guest.ram.status(0) == .success && guest.ram[5 << 12] == 0x11 && other.ram[5 << 12] == 0)

        // While the WQ works for it the PASID stays.
        #expect(
            machineError { () throws(MachineError) in
                _ = try fixture.machine.beginUnbind(ofGuest: .guest(7), inVM: guest.vm, device: nil)
            } == .ioasidInUse(ioasid))
        fixture.machine.releaseInterface(id)
        #expect(fixture.queue(1).state == .disabled)
        try fixture.unbind(.guest(7), of: guest)
        #expect(fixture.refusal(.dedicatedQueue, for: other) == nil)
        #expect(fixture.machine.interfaceCount(.dedicatedQueue, onDevice: 0) == 1)
    }

    @Test func `A released dedicated WQ abandons what it had and works for its next owner alone`() throws {
        let fixture = try MachineFixture()
        fixture.freeDedicatedQueue()
        let (first, _) = try fixture.makeBoundGuest(.guest(7))
        let (second, _) = try fixture.makeBoundGuest(.guest(7))
        let portal = Portal(workQueue: 1, limit: .limited, interruptTable: .msix)
        let id = try fixture.machine.composeInterface(
            .dedicatedQueue, onDevice: 0, forVM: first.vm, guestPASID: .guest(7))
        fixture.holdEngines()
        for slot in 0..<3 {
            fixture.machine.devices[0].post(
                fixture.fill(0x11, at: first.page(5), size: 64, record: slot), to: portal)
        }
        fixture.machine.releaseInterface(id)
        _ = try fixture.machine.composeInterface(
            .dedicatedQueue, onDevice: 0, forVM: second.vm, guestPASID: .guest(7))
        fixture.machine.devices[0].post(fixture.fill(0x22, at: second.page(5), size: 64, record: 0), to: portal)
        fixture.holdEngines(false)
        fixture.run()
        #expect(first.ram[5 << 12] == 0 && second.ram[5 << 12] == 0x22)
        #expect(fixture.queue(1).counts.abandoned == 3 && fixture.queue(1).counts.completed == 1)
    }

    @Test func `Shared interfaces spread over the shared WQs and are limited by PASIDs alone`() throws {
        let fixture = try MachineFixture(frameCount: 8000, deviceCount: 0)
        try fixture.addDevice(engineCount: 2)
        let count = 1000
        for number in 0..<count {
            let (vm, _) = try fixture.machine.makeVM(quota: 1)
            _ = fixture.machine.addVCPU(toVM: vm)
            let id = try fixture.machine.composeInterface(
                .sharedQueue, onDevice: 0, forVM: vm, guestPASID: .guest(1))
            #expect(fixture.machine.interface(id).workQueue == 0, "\(number)")
            #expect(fixture.machine.interface(id).pasid == nil)
        }
        #expect(fixture.machine.interfaceCount(.sharedQueue, onDevice: 0) == count)
    }

    @Test func `V-13: with PASID translation off in any vCPU no portal of the device is mapped`() throws {
        let fixture = try MachineFixture()
        let (vm, _) = try fixture.machine.makeVM(quota: 1)
        let first = fixture.machine.addVCPU(toVM: vm)
        let second = fixture.machine.addVCPU(toVM: vm)
        func refusal() -> SharingRefusal? {
            do throws(SharingRefusal) {
                _ = try fixture.machine.composeInterface(
                    .sharedQueue, onDevice: 0, forVM: vm, guestPASID: .guest(1))
                return nil
            } catch { return error }
        }
        for vcpu in [first, second] {
            fixture.machine.processors[vcpu].vmcs.secondaryControls = []
            #expect(refusal() == .pasidTranslationOff)
            #expect(fixture.machine.mappings(of: .virtualMachine(vm)).isEmpty)
            fixture.machine.processors[vcpu].vmcs.secondaryControls = .pasidTranslation
        }
        #expect(refusal() == nil)
        // The limited portal of the WQ, and no other page.
        let mappings = fixture.machine.mappings(of: .virtualMachine(vm))
        #expect(
            mappings.map(\.content)
                == [.portal(device: 0, Portal(workQueue: 0, limit: .limited, interruptTable: .msix))])
    }

    @Test func `Dedicated and shared interfaces work in one device at once, and one VM's end leaves the other's`()
        throws
    {
        let fixture = try MachineFixture(engineCount: 2)
        fixture.freeDedicatedQueue()
        let (dedicated, _) = try fixture.makeBoundGuest(.guest(7))
        let (shared, _) = try fixture.makeBoundGuest(.guest(7))
        let ids = [
            try fixture.machine.composeInterface(
                .dedicatedQueue, onDevice: 0, forVM: dedicated.vm, guestPASID: .guest(7)),
            try fixture.machine.composeInterface(.sharedQueue, onDevice: 0, forVM: shared.vm, guestPASID: .guest(7)),
        ]
        fixture.holdEngines()
        for slot in 0..<4 {
            fixture.machine.devices[0].post(
                fixture.fill(0x11, at: dedicated.page(5), size: 64, record: slot),
                to: Portal(workQueue: 1, limit: .limited, interruptTable: .msix))
            #expect(
                fixture.enqcmd(fixture.fill(0x22, at: shared.page(5), size: 64, record: slot), on: shared) == .accepted)
        }
        fixture.machine.releaseInterface(ids[0])
        fixture.holdEngines(false)
        fixture.run()
        #expect((0..<4).allSatisfy { shared.ram.status($0) == .success })
        #expect(shared.ram[5 << 12] == 0x22 && dedicated.ram[5 << 12] == 0)
    }
}

@Suite("SR-IOV")
struct SingleRootIOTests {
    /// A machine whose one function has `total` virtual ones, and is disabled.
    private func makeFixture(total: Int) throws -> (MachineFixture, Int) {
        let fixture = try MachineFixture(deviceCount: 0)
        var profile = DeviceProfile.dsa1
        profile.virtualFunctionCountMax = total
        let requester = try #require(RequesterID(bus: 0x6A, device: 1, function: 0))
        guard let device = fixture.machine.addDevice(profile: profile, requester: requester) else {
            preconditionFailure("the fixture has frames enough")
        }
        return (fixture, device)
    }

    private func refusal(_ count: Int, _ device: Int, _ fixture: MachineFixture) -> SharingRefusal? {
        do throws(SharingRefusal) {
            _ = try fixture.machine.enableVirtualFunctions(count, ofDevice: device)
            return nil
        } catch { return error }
    }

    @Test func `A function is divided hard, each part with a requester ID of its own, and once`() throws {
        let (fixture, device) = try makeFixture(total: 4)
        #expect(refusal(5, device, fixture) == .virtualFunctionCount(wanted: 5, total: 4))
        #expect(refusal(0, device, fixture) == .virtualFunctionCount(wanted: 0, total: 4))
        let parts = try fixture.machine.enableVirtualFunctions(4, ofDevice: device)
        #expect(
            parts.map { fixture.machine.devices[$0].requester.text } == ["6a:01.1", "6a:01.2", "6a:01.3", "6a:01.4"])
        for part in parts {
            let profile = fixture.machine.devices[part].profile
            #expect(profile.workQueueCount == 2 && profile.totalWorkQueueSize == 32 && profile.engineCount == 1)
            #expect(profile.virtualFunctionCountMax == 0)
        }
        #expect(refusal(4, device, fixture) == .virtualFunctionsEnabled)
        #expect(refusal(1, parts[0], fixture) == .virtualFunctionCount(wanted: 1, total: 0))
        #expect(refusal(1, 63, fixture) == .unknownDevice)
        // TotalVFs, as software finds it.
        #expect(try fixture.machine.readConfiguration(of: .device(device), at: 0x190 + 0x0E, byteCount: 2) == 4)
    }

    @Test func `What does not fit leaves the machine as it was`() throws {
        let fixture = try MachineFixture(frameCount: 120, deviceCount: 0)
        var profile = DeviceProfile.dsa1
        profile.virtualFunctionCountMax = 4
        let requester = try #require(RequesterID(bus: 0x6A, device: 1, function: 0))
        guard let device = fixture.machine.addDevice(profile: profile, requester: requester) else {
            preconditionFailure("the fixture has frames enough")
        }
        let frames = fixture.memory.frameCountInUse
        #expect(refusal(4, device, fixture) == .noFunction)
        #expect(fixture.machine.devices.count == 1 && fixture.memory.frameCountInUse == frames)
        #expect(refusal(1, device, fixture) == nil)
    }

    @Test func `M-02: a PASID bound on one virtual function reaches nothing through another`() throws {
        let (fixture, device) = try makeFixture(total: 2)
        let parts = try fixture.machine.enableVirtualFunctions(2, ofDevice: device)
        for part in parts {
            var configuration = WorkQueueConfiguration()
            configuration.size = 8
            configuration.threshold = 8
            configuration.priority = 1
            configuration.pasidEnable = true
            configuration.maximumTransferShift = 31
            configuration.maximumBatchShift = 10
            try #require(fixture.machine.configure(workQueue: 0, as: configuration, device: part) == true)
            let group = GroupConfiguration(workQueues: 1, engines: 1)
            try #require(fixture.machine.configure(group: 0, as: group, device: part) == true)
            try #require(fixture.machine.execute(.enableDevice, device: part) == .completed(.none))
            try #require(fixture.machine.execute(.enableWorkQueue(0), device: part) == .completed(.none))
        }
        let client = try fixture.makeProcess()
        let pasid = try fixture.bind(client, device: parts[0])
        for (slot, part) in parts.enumerated() {
            let fill = fixture.fill(UInt64(slot + 1), at: client.page(5 + slot), size: 64, record: slot).command(pasid)
            let portal = Portal(workQueue: 0, limit: .limited, interruptTable: .msix)
            #expect(fixture.machine.devices[part].enqueue(fill, to: portal) == .successfulCompletion)
        }
        fixture.run()
        #expect(client.ram.status(0) == .success && client.ram[5 << 12] == 1)
        #expect(client.ram.status(1) == .none && client.ram[6 << 12] == 0)
    }
}
