import DSA
import DSASpec
import PCIe
import Testing

@Suite("Disable and reset")
struct DisableTests {
    @Test func `Disable WQ refuses new descriptors at once, drains the others and then says so`() throws {
        let fixture = try DeviceFixture.sharedQueue()
        fixture.holdEngines()
        for slot in 0..<3 { try fixture.enqueue(fixture.noOp(record: slot)) }
        #expect(fixture.device.execute(.disableWorkQueues(1)) == .active)
        #expect(fixture.device.workQueues[0].state == .disabling)
        #expect(fixture.device.enqueue(fixture.noOp(record: 3), to: .of(0)) == .requestRetryStatus)
        fixture.run()
        #expect(fixture.device.commandEnds.isEmpty)
        fixture.holdEngines(false)
        fixture.run()
        #expect((0...3).map { fixture.status($0) } == [.success, .success, .success, .none])
        #expect(fixture.device.workQueues[0].state == .disabled)
        #expect(fixture.device.commandEnds == [.none])
        #expect(fixture.device.state == .enabled)
    }

    @Test func `Disable WQ leaves other WQs enabled`() throws {
        let fixture = try DeviceFixture()
        try fixture.enable([.shared(), .shared(), .shared()])
        fixture.holdEngines()
        try fixture.enqueue(fixture.noOp(record: 0), to: 1)
        #expect(fixture.device.execute(.disableWorkQueues(0b101)) == .completed(.none))
        #expect(fixture.device.workQueues[0..<3].map(\.state) == [.disabled, .enabled, .disabled])
        #expect(fixture.device.enqueue(fixture.noOp(record: nil), to: .of(1)) == .successfulCompletion)
    }

    @Test func `Disable Device drains all WQs, disables them and keeps their configuration`() throws {
        let fixture = try DeviceFixture()
        try fixture.enable([.shared(), .dedicated()])
        let configurations = fixture.device.workQueues.map(\.configuration)
        let groups = fixture.device.groups
        fixture.holdEngines()
        try fixture.enqueue(fixture.noOp(record: 0), to: 0)
        fixture.device.post(fixture.noOp(record: 1), to: .of(1))
        #expect(fixture.device.execute(.disableDevice) == .active)
        #expect(fixture.device.state == .disabling)
        #expect(fixture.device.enqueue(fixture.noOp(record: nil), to: .of(0)) == .requestRetryStatus)
        fixture.device.post(fixture.noOp(record: 2), to: .of(1))
        fixture.holdEngines(false)
        fixture.run()
        #expect((0...2).map { fixture.status($0) } == [.success, .success, .none])
        #expect(fixture.device.commandEnds == [.none])
        #expect(fixture.device.state == .disabled)
        #expect(fixture.device.workQueues.allSatisfy { $0.state == .disabled })
        #expect(fixture.device.workQueues.map(\.configuration) == configurations)
        #expect(fixture.device.groups == groups)
        #expect((0..<4).allSatisfy { fixture.device.engineStatus($0).group == nil })

        #expect(fixture.device.execute(.enableDevice) == .completed(.none))
        #expect(fixture.device.execute(.enableWorkQueue(0)) == .completed(.none))
        try fixture.enqueue(fixture.noOp(record: 3))
        fixture.run()
        #expect(fixture.status(3) == .success)
    }

    @Test func `Disable Device of a disabled device fails with 0x31`() throws {
        let fixture = try DeviceFixture()
        #expect(fixture.device.execute(.disableDevice) == .completed(.disableOfDisabledDevice))
    }

    @Test(arguments: [DeviceCommand.disableWorkQueues(0b11), .drainWorkQueues(0b11), .abortWorkQueues(0b11)])
    func `Disable, Drain and Abort WQ of one that is not enabled fail with 0x32 and change nothing`(
        command: DeviceCommand
    ) throws {
        let fixture = try DeviceFixture.sharedQueue()
        fixture.holdEngines()
        try fixture.enqueue(fixture.noOp(record: 0))
        #expect(fixture.device.execute(command) == .completed(.workQueueNotEnabled))
        #expect(fixture.device.workQueues[0].state == .enabled)
        #expect(fixture.device.workQueues[0].occupancy == 1)
    }

    @Test(arguments: [
        DeviceCommand.disableWorkQueues(1 << 8 | 1), .drainWorkQueues(1 << 8 | 1), .abortWorkQueues(1 << 63),
        .resetWorkQueues(1 << 8 | 1),
    ])
    func `A bitmap that names a WQ which does not exist fails with 0x02 and changes nothing`(
        command: DeviceCommand
    ) throws {
        let fixture = try DeviceFixture.sharedQueue()
        fixture.holdEngines()
        try fixture.enqueue(fixture.noOp(record: 0))
        #expect(fixture.device.execute(command) == .completed(.invalidWorkQueueIndex))
        #expect(fixture.device.workQueues[0].state == .enabled)
        #expect(fixture.device.workQueues[0].occupancy == 1)
    }

    @Test(arguments: [
        DeviceCommand.drainAll, .abortAll, .resetDevice, .resetWorkQueues(0xFF), .drainPASID(DeviceFixture.pasid),
        .abortPASID(DeviceFixture.pasid),
    ])
    func `Commands without errors of their own succeed on a disabled device`(command: DeviceCommand) throws {
        let fixture = try DeviceFixture()
        #expect(fixture.device.execute(command) == .completed(.none))
    }

    @Test func `Reset WQ abandons its descriptors and keeps nothing of its configuration but the size`() throws {
        let fixture = try DeviceFixture()
        try fixture.enable([.shared(size: 24), .shared()])
        fixture.holdEngines()
        for slot in 0..<3 { try fixture.enqueue(fixture.noOp(record: slot), to: 0) }
        try fixture.enqueue(fixture.noOp(record: 3), to: 1)
        #expect(fixture.device.execute(.resetWorkQueues(0b01)) == .completed(.none))
        fixture.holdEngines(false)
        fixture.run()
        #expect((0...3).map { fixture.status($0) } == [.none, .none, .none, .success])
        var powerOn = WorkQueueConfiguration()
        powerOn.size = 24
        #expect(fixture.device.workQueues[0].configuration == powerOn)
        #expect(fixture.device.workQueues[0].state == .disabled)
        #expect(fixture.device.workQueues[0].counts.abandoned == 3)
        #expect(fixture.device.workQueues[1].configuration == .shared())

        // It can be configured and enabled again with the size it kept.
        let isTaken = fixture.device.configure(workQueue: 0, as: .shared(size: 24))
        #expect(isTaken)
        #expect(fixture.device.execute(.enableWorkQueue(0)) == .completed(.none))
    }

    @Test func `Reset Device abandons everything and returns every configuration to power-on, SWERROR stays`() throws {
        let fixture = try DeviceFixture()
        try fixture.enable([.shared(), .dedicated(size: 1)])
        fixture.holdEngines()
        try fixture.enqueue(fixture.noOp(record: 0), to: 0)
        for _ in 0..<2 { fixture.device.post(fixture.noOp(record: 1), to: .of(1)) }
        #expect(fixture.device.execute(.resetDevice) == .completed(.none))
        #expect(fixture.device.state == .disabled)
        #expect(fixture.device.workQueues.allSatisfy { $0.configuration == WorkQueueConfiguration() })
        #expect(fixture.device.workQueues.allSatisfy { $0.state == .disabled && $0.occupancy == 0 })
        #expect(fixture.device.groups.allSatisfy { $0 == GroupConfiguration() })
        #expect(fixture.device.softwareError.code == .postedToFullQueue)
        fixture.holdEngines(false)
        fixture.run()
        #expect(fixture.status(0) == .none && fixture.status(1) == .none)
        #expect(!fixture.hasWork)
    }

    @Test func `Reset Device waits for the window that is out`() async throws {
        let fixture = try DeviceFixture.sharedQueue(pageCount: 80)
        try fixture.enqueue(
            fixture.descriptor(
                .memoryMove, record: 0, source: fixture.page(16), destination: fixture.page(48), size: 100 << 10))
        fixture.stepWithThreads()
        #expect(fixture.device.execute(.resetDevice) == .active)
        #expect(fixture.device.state == .disabling)
        #expect(fixture.device.enqueue(fixture.noOp(record: 1), to: .of(0)) == .requestRetryStatus)
        fixture.finishWindow(engine: try await fixture.runReadyWindow())
        #expect(fixture.device.commandEnds == [.none])
        #expect(fixture.device.state == .disabled)
        #expect(fixture.device.workQueues[0].configuration == WorkQueueConfiguration())
    }

    @Test func `Vector 30: a command while one is active is lost with SWERROR 0x52, and the first goes on`() throws {
        let fixture = try DeviceFixture.sharedQueue()
        fixture.holdEngines()
        try fixture.enqueue(fixture.noOp(record: 0))
        #expect(fixture.device.execute(.disableWorkQueues(1)) == .active)
        #expect(fixture.device.execute(.abortAll) == .lost)
        #expect(fixture.device.softwareError.code == .commandWhileActive)
        #expect(!fixture.device.softwareError.isDescriptorValid)
        #expect(fixture.device.softwareError.workQueue == nil)
        fixture.holdEngines(false)
        fixture.run()
        #expect(fixture.status(0) == .success, "the lost command aborted nothing")
        #expect(fixture.device.commandEnds == [.none])
        #expect(fixture.device.workQueues[0].state == .disabled)
    }
}
