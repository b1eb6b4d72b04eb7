import DSA
import DSASpec
import PCIe
import Testing

@Suite("Drain and abort")
struct DrainAndAbortTests {
    /// Two SWQs with descriptors of two PASIDs each, engines held: records 0 to 3.
    private func loaded(engineCount: Int = 1) throws -> DeviceFixture {
        var profile = DeviceProfile.dsa1
        profile.engineCount = engineCount
        let fixture = try DeviceFixture(profile: profile)
        try fixture.enable([.shared(), .shared()])
        fixture.holdEngines()
        for slot in 0..<4 {
            try fixture.enqueue(fixture.noOp(pasid: DeviceFixture.pasids[slot & 1], record: slot), to: slot / 2)
        }
        return fixture
    }

    @Test(arguments: [DeviceCommand.drainAll, .drainWorkQueues(0b11)])
    func `Drain waits for what is there at its start, and not for what comes later`(command: DeviceCommand) throws {
        let fixture = try loaded()
        #expect(fixture.device.execute(command) == .active)
        // Still accepted.
        for slot in 4..<8 { try fixture.enqueue(fixture.noOp(record: slot), to: 0) }
        fixture.holdEngines(false)
        var steps = 0
        while fixture.device.commandEnds.isEmpty, steps < 100 {
            fixture.stepOnce()
            steps += 1
        }
        #expect((0...3).allSatisfy { fixture.status($0) == .success })
        #expect((4...7).contains { fixture.status($0) == .none }, "the command did not wait for the later ones")
        fixture.run()
        #expect(fixture.device.commandEnds == [.none])
        #expect((4...7).allSatisfy { fixture.status($0) == .success })
        #expect(fixture.device.workQueues[0].state == .enabled)
    }

    @Test func `Drain WQ does not wait for other WQs`() throws {
        var profile = DeviceProfile.dsa1
        profile.engineCount = 2
        let fixture = try DeviceFixture(profile: profile)
        try fixture.enable(
            [.shared(), .shared()],
            groups: [
                GroupConfiguration(workQueues: 0b01, engines: 0b01),
                GroupConfiguration(workQueues: 0b10, engines: 0b10),
            ])
        fixture.holdEngines()
        try fixture.enqueue(fixture.noOp(record: 0), to: 0)
        try fixture.enqueue(fixture.noOp(record: 1), to: 1)
        #expect(fixture.device.execute(.drainWorkQueues(0b01)) == .active)
        fixture.device.setHold(false, engine: 0)
        fixture.run()
        #expect(fixture.device.commandEnds == [.none])
        #expect(fixture.status(1) == .none)
    }

    @Test func `Drain PASID waits for its own descriptors up to its start only`() throws {
        let fixture = try DeviceFixture.sharedQueue(size: 16, threshold: 16)
        fixture.holdEngines()
        let (mine, other) = (DeviceFixture.pasids[0], DeviceFixture.pasids[1])
        try fixture.enqueue(fixture.noOp(pasid: mine, record: 0))
        try fixture.enqueue(fixture.noOp(pasid: other, record: 1))
        #expect(fixture.device.execute(.drainPASID(mine)) == .active)
        try fixture.enqueue(fixture.noOp(pasid: mine, record: 2))
        fixture.holdEngines(false)
        fixture.stepOnce()
        #expect(fixture.device.commandEnds == [.none])
        #expect((0...2).map { fixture.status($0) } == [.success, .none, .none])
    }

    @Test func `Drain PASID counts the PASID of a DWQ's configuration`() throws {
        let fixture = try DeviceFixture.dedicatedQueue()
        fixture.holdEngines()
        fixture.device.post(fixture.noOp(pasid: DeviceFixture.pasids[1], record: 0), to: .of(0))
        #expect(fixture.device.execute(.drainPASID(DeviceFixture.pasids[1])) == .completed(.none))
        #expect(fixture.device.execute(.drainPASID(DeviceFixture.pasid)) == .active)
        fixture.holdEngines(false)
        fixture.run()
        #expect(fixture.device.commandEnds == [.none])
    }

    @Test(arguments: [DeviceCommand.drainAll, .drainWorkQueues(0b11), .drainPASID(DeviceFixture.pasids[2])])
    func `A drain with nothing to wait for completes at once`(command: DeviceCommand) throws {
        let fixture = try DeviceFixture()
        try fixture.enable([.shared(), .shared()])
        fixture.holdEngines()
        if case .drainPASID = command { try fixture.enqueue(fixture.noOp(record: 0)) }
        #expect(fixture.device.execute(command) == .completed(.none))
        #expect(fixture.device.effects.isEmpty)
    }

    @Test func `A drain does not wait for what came after its start`() throws {
        let fixture = try DeviceFixture.sharedQueue()
        fixture.holdEngines()
        try fixture.enqueue(fixture.noOp(record: 0))
        fixture.device.drain(.all, token: 1)
        fixture.device.drain(.pasid(DeviceFixture.pasid), token: 2)
        try fixture.enqueue(fixture.noOp(record: 1))
        fixture.holdEngines(false)
        fixture.stepOnce()
        #expect(fixture.device.drainEnds == [1, 2])
        #expect(fixture.status(1) == .none)
    }

    @Test func `Drains end each once, when the last of theirs has ended, whatever their order`() throws {
        let fixture = try loaded()
        fixture.device.drain(.all, token: 1)
        fixture.device.drain(.pasid(DeviceFixture.pasids[0]), token: 2)
        fixture.device.drain(.pasid(DeviceFixture.pasids[2]), token: 3)
        fixture.device.drain(.workQueues(0b10), token: 4)
        #expect(fixture.device.drainEnds == [3])
        fixture.holdEngines(false)
        fixture.run()
        #expect(fixture.device.drainEnds.sorted() == [1, 2, 3, 4])
        fixture.run()
        try fixture.enqueue(fixture.noOp(record: 9))
        fixture.run()
        #expect(fixture.device.drainEnds.count == 4)
    }

    @Test(arguments: [
        (DeviceCommand.abortAll, [0, 1, 2, 3]), (.abortWorkQueues(0b10), [2, 3]),
        (.abortPASID(DeviceFixture.pasids[1]), [1, 3]), (.abortPASID(DeviceFixture.pasids[2]), []),
    ])
    func `D-09: an abort abandons the descriptors it names, without a record, and no other`(
        command: DeviceCommand, abandoned: [Int]
    ) throws {
        let fixture = try loaded()
        #expect(fixture.device.execute(command) == .completed(.none))
        let total = fixture.device.workQueues.reduce(0) { $0 + $1.counts.abandoned }
        #expect(total == UInt64(abandoned.count))
        // Submissions are still accepted.
        try fixture.enqueue(fixture.noOp(record: 4), to: 1)
        fixture.holdEngines(false)
        fixture.run()
        for slot in 0..<4 {
            #expect(fixture.status(slot) == (abandoned.contains(slot) ? .none : .success))
        }
        #expect(fixture.status(4) == .success)
        #expect(!fixture.device.softwareError.isValid)
    }

    @Test(arguments: 1...15)
    func `The descriptors that an abort leaves keep their order, wherever the ring begins`(start: Int) throws {
        let fixture = try DeviceFixture.sharedQueue(size: 8, threshold: 8)
        // Turns the ring.
        for _ in 0..<start {
            try fixture.enqueue(fixture.noOp(record: nil))
            fixture.run()
        }
        fixture.holdEngines()
        for serial in 0..<8 {
            let pasid = DeviceFixture.pasids[serial % 3]
            try fixture.enqueue(
                fixture.descriptor(
                    .fill, pasid: pasid, record: nil, source: UInt64(serial + 1),
                    destination: fixture.page(20), size: 8))
        }
        fixture.device.abort(.pasid(DeviceFixture.pasids[1]))
        #expect(fixture.device.workQueues[0].occupancy == 5)
        // The room is there again.
        for serial in 8..<11 {
            try fixture.enqueue(
                fixture.descriptor(
                    .fill, record: nil, source: UInt64(serial + 1), destination: fixture.page(20), size: 8))
        }
        #expect(fixture.device.enqueue(fixture.noOp(record: nil), to: .of(0)) == .requestRetryStatus)
        fixture.holdEngines(false)
        var order: [Int] = []
        for _ in 0..<8 {
            fixture.stepOnce()
            order.append(Int(fixture.read(1, at: fixture.page(20))[0]) - 1)
        }
        #expect(order == [0, 2, 3, 5, 6, 8, 9, 10])
    }
}
