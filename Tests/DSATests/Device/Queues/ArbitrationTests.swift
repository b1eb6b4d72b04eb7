import DSA
import DSASpec
import PCIe
import Testing

/// One engine with these WQs, all SWQs of size 8.
private func device(priorities: [UInt8]) throws -> DeviceFixture {
    var profile = DeviceProfile.dsa1
    profile.engineCount = 1
    let fixture = try DeviceFixture(profile: profile)
    try fixture.enable(priorities.map { .shared(size: 8, priority: $0) })
    return fixture
}

extension DeviceFixture {
    /// Lets the one engine execute one No-op. Returns the WQ it came from.
    fileprivate func dispatchOne() -> Int? {
        let before = device.workQueues.map(\.counts.dispatched)
        stepOnce()
        return device.workQueues.indices.first { device.workQueues[$0].counts.dispatched != before[$0] }
    }

    /// Dispatches `count` No-ops while every WQ is kept full.
    fileprivate func dispatchFull(_ count: Int, of queueCount: Int) throws -> [Int] {
        var order: [Int] = []
        for _ in 0..<count {
            for queue in 0..<queueCount {
                while device.enqueue(noOp(record: nil), to: .of(queue)) == .successfulCompletion {}
            }
            order.append(try #require(dispatchOne()))
        }
        return order
    }
}

@Suite("Arbitration")
struct ArbitrationTests {
    @Test func `Vector 26: priorities 6 and 2 give A B A B A A A A, repeating, until A has no more`() throws {
        let fixture = try device(priorities: [6, 2])
        var left = [100, 100]
        var order: [Int] = []
        while left != [0, 0] || fixture.hasWork {
            for queue in 0..<2 {
                while left[queue] > 0,
                    fixture.device.enqueue(fixture.noOp(record: nil), to: .of(queue)) == .successfulCompletion
                {
                    left[queue] -= 1
                }
            }
            order.append(try #require(fixture.dispatchOne()))
        }
        let pattern = [0, 1, 0, 1, 0, 0, 0, 0]
        // 16 rounds take 96 of A and 32 of B; the 17th has 4 of A.
        let full = (0..<16).flatMap { _ in pattern }
        #expect(order == full + [0, 1, 0, 1, 0, 0] + Array(repeating: 1, count: 66))
    }

    @Test func `Priorities 6 and 2 share 10,000 descriptors exactly 3 to 1`() throws {
        let fixture = try device(priorities: [6, 2])
        let order = try fixture.dispatchFull(10_000, of: 2)
        #expect(order.count { $0 == 0 } == 7500)
        #expect(order.count { $0 == 1 } == 2500)
    }

    @Test(arguments: UInt64(0)..<12)
    func `While all WQs are busy each gets its priority in every round, so none starves`(seed: UInt64) throws {
        var generator = OperationsGenerator(seed: seed)
        let count = Int.random(in: 2...8, using: &generator)
        let priorities = (0..<count).map { _ in UInt8.random(in: 1...15, using: &generator) }
        let fixture = try device(priorities: priorities)
        let round = priorities.reduce(0) { $0 + Int($1) }
        let order = try fixture.dispatchFull(round * 10, of: count)
        for start in stride(from: 0, to: order.count, by: round) {
            let slice = order[start..<start + round]
            #expect(
                priorities.indices.allSatisfy { queue in slice.count { $0 == queue } == Int(priorities[queue]) },
                "seed \(seed), priorities \(priorities)")
        }
    }

    @Test(arguments: UInt64(0)..<12)
    func `With WQs that come and go, one with work never waits for more than the others' priorities`(
        seed: UInt64
    ) throws {
        var generator = OperationsGenerator(seed: seed)
        let priorities = (0..<4).map { _ in UInt8.random(in: 1...15, using: &generator) }
        let fixture = try device(priorities: priorities)
        let total = priorities.reduce(0) { $0 + Int($1) }
        var waited = [0, 0, 0, 0]
        for _ in 0..<2000 {
            for queue in 0..<4 where UInt8.random(in: 0..<3, using: &generator) > 0 {
                _ = fixture.device.enqueue(fixture.noOp(record: nil), to: .of(queue))
            }
            guard let chosen = fixture.dispatchOne() else { continue }
            for queue in 0..<4 {
                let hasWaited = queue != chosen && fixture.device.workQueues[queue].occupancy > 0
                waited[queue] = hasWaited ? waited[queue] + 1 : 0
                // What is left of a round, and its turn in the next.
                #expect(waited[queue] <= total + 3, "seed \(seed), priorities \(priorities)")
            }
        }
    }

    @Test func `A WQ that gets work takes its turn in the same round`() throws {
        let fixture = try device(priorities: [6, 2])
        for _ in 0..<8 { try fixture.enqueue(fixture.noOp(record: nil), to: 0) }
        #expect(fixture.dispatchOne() == 0)
        #expect(fixture.dispatchOne() == 0)
        for _ in 0..<3 { try fixture.enqueue(fixture.noOp(record: nil), to: 1) }
        #expect((0..<4).map { _ in fixture.dispatchOne() } == [1, 0, 1, 0])
        // B has no credit left, A has two; then the counters reload.
        #expect((0..<5).map { _ in fixture.dispatchOne() } == [0, 0, 0, 1, 0])
    }

    @Test func `Enabling a WQ leaves the credits of other groups alone`() throws {
        var profile = DeviceProfile.dsa1
        profile.engineCount = 2
        let fixture = try DeviceFixture(profile: profile)
        try fixture.enable(
            [.shared(size: 8, priority: 6), .shared(size: 8, priority: 2), .shared(size: 8)],
            groups: [
                GroupConfiguration(workQueues: 0b011, engines: 0b01),
                GroupConfiguration(workQueues: 0b100, engines: 0b10),
            ])
        #expect(try fixture.dispatchFull(3, of: 2) == [0, 1, 0])
        try #require(fixture.device.execute(.disableWorkQueues(0b100)) == .completed(.none))
        try #require(fixture.device.execute(.enableWorkQueue(2)) == .completed(.none))
        #expect(try fixture.dispatchFull(5, of: 2) == [1, 0, 0, 0, 0])
    }

    @Test func `Shares stay exact while another WQ of the group is disabled and enabled again`() throws {
        let fixture = try device(priorities: [6, 2, 5])
        var order: [Int] = []
        while order.count < 8000 {
            order += try fixture.dispatchFull(order.count % 7 + 1, of: 2)
            try #require(fixture.device.execute(.disableWorkQueues(0b100)) == .completed(.none))
            try #require(fixture.device.execute(.enableWorkQueue(2)) == .completed(.none))
        }
        let pattern = [0, 1, 0, 1, 0, 0, 0, 0]
        #expect(order == order.indices.map { pattern[$0 % 8] })
    }

    @Test func `A WQ that is enabled in the middle of a round has its whole share of it`() throws {
        let fixture = try device(priorities: [2, 3, 1])
        try #require(fixture.device.execute(.disableWorkQueues(0b010)) == .completed(.none))
        #expect(try fixture.dispatchFull(2, of: 1) == [0, 0])
        try #require(fixture.device.execute(.enableWorkQueue(1)) == .completed(.none))
        #expect(try fixture.dispatchFull(4, of: 3) == [1, 2, 1, 1])
        #expect(try fixture.dispatchFull(6, of: 3) == [0, 1, 2, 0, 1, 1])
    }

    @Test func `A WQ enabled again with another priority has that share`() throws {
        let fixture = try device(priorities: [6, 2])
        try #require(fixture.device.execute(.disableWorkQueues(0b01)) == .completed(.none))
        var configuration = fixture.device.workQueues[0].configuration
        configuration.priority = 1
        let isTaken = fixture.device.configure(workQueue: 0, as: configuration)
        #expect(isTaken)
        try #require(fixture.device.execute(.enableWorkQueue(0)) == .completed(.none))
        let order = try fixture.dispatchFull(300, of: 2)
        #expect(order.count { $0 == 0 } == 100)
    }

    @Test func `An engine serves the WQs of its group and no others`() throws {
        var profile = DeviceProfile.dsa1
        profile.engineCount = 2
        let fixture = try DeviceFixture(profile: profile)
        try fixture.enable(
            [.shared(), .shared()],
            groups: [
                GroupConfiguration(workQueues: 0b01, engines: 0b01),
                GroupConfiguration(workQueues: 0b10, engines: 0b10),
            ])
        fixture.device.setHold(true, engine: 0)
        try fixture.enqueue(fixture.noOp(record: 0), to: 0)
        try fixture.enqueue(fixture.noOp(record: 1), to: 1)
        fixture.run()
        #expect(fixture.status(0) == .none)
        #expect(fixture.status(1) == .success)
        fixture.device.setHold(false, engine: 0)
        fixture.run()
        #expect(fixture.status(0) == .success)
        #expect(fixture.device.engineStatus(0).dispatched == 1)
        #expect(fixture.device.engineStatus(1).dispatched == 1)
    }

    @Test func `Engines take turns however small the budget is`() throws {
        var profile = DeviceProfile.dsa1
        profile.engineCount = 3
        let fixture = try DeviceFixture(profile: profile)
        try fixture.enable(
            [.shared(), .shared(), .shared()],
            groups: (0..<3).map { GroupConfiguration(workQueues: 1 << $0, engines: 1 << $0) })
        for queue in 0..<3 {
            for _ in 0..<16 { try fixture.enqueue(fixture.noOp(record: nil), to: queue) }
        }
        for _ in 0..<30 { fixture.stepOnce() }
        #expect((0..<3).map { fixture.device.engineStatus($0).dispatched } == [10, 10, 10])
    }
}
