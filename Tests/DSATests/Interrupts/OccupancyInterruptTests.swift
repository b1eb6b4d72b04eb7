import DSA
import DSASpec
import PCIe
import Testing

@Suite("Occupancy interrupt")
struct OccupancyInterruptTests {
    private static let vector = InterruptVector(.msix, 2)

    /// A device with one SWQ whose occupancy interrupt fires at `limit`, its engines held.
    private func fixture(limit: UInt16, isEnabled: Bool = true, handleCount: Int = 0) throws -> DeviceFixture {
        var queue = WorkQueueConfiguration.shared()
        queue.occupancyInterrupt = OccupancyInterrupt(isEnabled: isEnabled, limit: limit, handle: 2)
        let fixture = try DeviceFixture.interrupting(queue: queue)
        fixture.program(Self.vector, pasid: nil)
        // Enabled empty, it has fired; the entry was masked then.
        fixture.device.effects.removeAll()
        fixture.holdEngines()
        return fixture
    }

    private func fill(_ fixture: DeviceFixture, to occupancy: Int) throws {
        while fixture.device.workQueues[0].occupancy < occupancy { try fixture.enqueue(fixture.noOp(record: nil)) }
    }

    /// Lets the engine take one descriptor.
    private func takeOne(_ fixture: DeviceFixture) {
        let before = fixture.device.workQueues[0].occupancy
        fixture.holdEngines(false)
        while fixture.device.workQueues[0].occupancy == before, fixture.stepOnce() {}
        fixture.holdEngines()
    }

    @Test func `It fires when the occupancy falls to the limit, and once until Generated is cleared`() throws {
        let fixture = try fixture(limit: 4)
        try fill(fixture, to: 8)
        fixture.device.clearOccupancyInterrupt(of: 0)
        for occupancy in stride(from: 7, through: 5, by: -1) {
            takeOne(fixture)
            #expect(fixture.device.workQueues[0].occupancy == occupancy)
            #expect(fixture.device.vectorsSent.isEmpty)
            #expect(!fixture.device.workQueues[0].isOccupancyInterruptGenerated)
        }
        takeOne(fixture)
        #expect(fixture.device.vectorsSent == [Self.vector])
        #expect(fixture.device.workQueues[0].isOccupancyInterruptGenerated)
        takeOne(fixture)
        try fill(fixture, to: 8)
        for _ in 0..<6 { takeOne(fixture) }
        #expect(fixture.device.vectorsSent == [Self.vector])
        fixture.device.clearOccupancyInterrupt(of: 0)
        #expect(fixture.device.vectorsSent == [Self.vector, Self.vector])
    }

    @Test func `It fires at once when it is enabled or its limit raised over a low occupancy`() throws {
        let fixture = try fixture(limit: 1, isEnabled: false)
        try fill(fixture, to: 3)
        var configuration = fixture.device.workQueues[0].configuration
        configuration.occupancyInterrupt.isEnabled = true
        #expect(fixture.device.configure(workQueue: 0, as: configuration) == true)
        #expect(fixture.device.vectorsSent.isEmpty)
        configuration.occupancyInterrupt.limit = 3
        #expect(fixture.device.configure(workQueue: 0, as: configuration) == true)
        #expect(fixture.device.vectorsSent == [Self.vector])
    }

    @Test func `It fires when an abort empties the WQ`() throws {
        let fixture = try fixture(limit: 0)
        try fill(fixture, to: 8)
        fixture.device.clearOccupancyInterrupt(of: 0)
        #expect(fixture.device.vectorsSent.isEmpty)
        #expect(fixture.device.execute(.abortAll) == .completed(.none))
        #expect(fixture.device.vectorsSent == [Self.vector])
    }

    @Test func `A WQ that is not enabled does not fire, and Reset WQ clears Generated`() throws {
        let fixture = try fixture(limit: 4)
        #expect(fixture.device.workQueues[0].isOccupancyInterruptGenerated)
        #expect(fixture.device.execute(.resetWorkQueues(1)) == .completed(.none))
        #expect(!fixture.device.workQueues[0].isOccupancyInterruptGenerated)
        var configuration = fixture.device.workQueues[0].configuration
        configuration.occupancyInterrupt = OccupancyInterrupt(isEnabled: true, limit: 4, handle: 2)
        #expect(fixture.device.configure(workQueue: 0, as: configuration) == true)
        fixture.device.clearOccupancyInterrupt(of: 0)
        #expect(fixture.device.vectorsSent.isEmpty)
    }

    @Test func `A handle that became invalid after Enable WQ leaves Generated set and sends nothing`() throws {
        let fixture = try fixture(limit: 4)
        var configuration = fixture.device.workQueues[0].configuration
        configuration.occupancyInterrupt.handle = 0xFFFF
        #expect(fixture.device.configure(workQueue: 0, as: configuration) == true)
        fixture.device.clearOccupancyInterrupt(of: 0)
        #expect(fixture.device.workQueues[0].isOccupancyInterruptGenerated)
        #expect(fixture.device.vectorsSent.isEmpty)
    }

    @Test func `Enable WQ refuses an occupancy interrupt whose handle is invalid with 0x2B`() throws {
        for (interrupt, error) in [
            (OccupancyInterrupt(isEnabled: true, handle: 9), CommandError.invalidOccupancyInterrupt),
            (OccupancyInterrupt(isEnabled: true, handle: 2048, table: .ims), .invalidOccupancyInterrupt),
            (OccupancyInterrupt(isEnabled: true, handle: 2047, table: .ims), .none),
            (OccupancyInterrupt(isEnabled: false, handle: 9), .none),
        ] {
            let fixture = try DeviceFixture.interrupting()
            #expect(fixture.device.execute(.disableWorkQueues(1)) == .completed(.none))
            var configuration = fixture.device.workQueues[0].configuration
            configuration.occupancyInterrupt = interrupt
            #expect(fixture.device.configure(workQueue: 0, as: configuration) == true)
            #expect(fixture.device.execute(.enableWorkQueue(0)) == .completed(error))
        }
        #expect(CommandError.invalidOccupancyInterrupt.rawValue == 0x2B)
    }

    @Test func `With CMDCAP its handle must have been given out`() throws {
        let fixture = try DeviceFixture.interrupting(handleCount: 4)
        #expect(fixture.device.execute(.disableWorkQueues(1)) == .completed(.none))
        var configuration = fixture.device.workQueues[0].configuration
        configuration.occupancyInterrupt = OccupancyInterrupt(isEnabled: true, handle: 0, table: .ims)
        #expect(fixture.device.configure(workQueue: 0, as: configuration) == true)
        #expect(fixture.device.execute(.enableWorkQueue(0)) == .completed(.invalidOccupancyInterrupt))
        let granted = fixture.device.execute(.requestInterruptHandle(InterruptVector(.ims, 7)))
        #expect(granted == .completed(.none, result: 0))
        #expect(fixture.device.execute(.enableWorkQueue(0)) == .completed(.none))
    }
}
