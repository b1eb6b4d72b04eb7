import DSA
import DSASpec
import PCIe
import Testing

@Suite("Acceptance")
struct AcceptanceTests {
    @Test(arguments: [UInt16(1), 4, 16], [UInt16(0), 1, 3, 4, 16, 40])
    func `D-01: a limited portal accepts below min(threshold, size), an unlimited one below the size`(
        size: UInt16, threshold: UInt16
    ) throws {
        for occupancy in 0...Int(size) {
            for limit in [Portal.Limit.limited, .unlimited] {
                let fixture = try DeviceFixture.sharedQueue(size: size, threshold: threshold)
                fixture.holdEngines()
                for _ in 0..<occupancy { try fixture.enqueue(fixture.noOp(record: nil)) }
                let bound = limit == .limited ? min(threshold, size) : size
                let isAccepted = occupancy < Int(bound)
                let completion = fixture.device.enqueue(fixture.noOp(record: 7), to: .of(0, limit))
                #expect(completion == (isAccepted ? .successfulCompletion : .requestRetryStatus))
                #expect(fixture.device.workQueues[0].occupancy == occupancy + (isAccepted ? 1 : 0))
                #expect(fixture.device.workQueues[0].counts.retried == (isAccepted ? 0 : 1))
            }
        }
    }

    @Test(arguments: [Portal.Limit.limited, .unlimited], [Portal.InterruptTable.msix, .ims])
    func `D-01: a DWQ accepts posted writes below its size through all of its portals`(
        limit: Portal.Limit, table: Portal.InterruptTable
    ) throws {
        let fixture = try DeviceFixture.dedicatedQueue(size: 4)
        fixture.holdEngines()
        let portal = Portal(workQueue: 0, limit: limit, interruptTable: table)
        for posted in 1...5 {
            fixture.device.post(fixture.noOp(record: nil), to: portal)
            #expect(fixture.device.workQueues[0].occupancy == min(posted, 4))
        }
        #expect(fixture.device.workQueues[0].counts.dropped == 1)
    }

    @Test(arguments: UInt64(0)..<16)
    func `D-02: occupancy never exceeds the size, and a Retry leaves the queue as it was`(seed: UInt64) throws {
        var generator = OperationsGenerator(seed: seed)
        let size = UInt16.random(in: 1...20, using: &generator)
        let threshold = UInt16.random(in: 0...24, using: &generator)
        let fixture = try DeviceFixture.sharedQueue(size: size, threshold: threshold)
        var stored: [UInt32] = []
        for serial in UInt32(1)...400 {
            if UInt8.random(in: 0..<4, using: &generator) == 0, !stored.isEmpty {
                fixture.stepOnce()
                stored.removeFirst()
            } else {
                let limit: Portal.Limit = Bool.random(using: &generator) ? .limited : .unlimited
                // A No-op that says which it is in its reserved transfer size.
                let tagged = fixture.descriptor(.noOp, record: nil, size: Int(serial))
                let bound = Int(limit == .limited ? min(threshold, size) : size)
                let isAccepted = fixture.device.enqueue(tagged, to: .of(0, limit)) == .successfulCompletion
                #expect(isAccepted == (stored.count < bound), "seed \(seed)")
                if isAccepted { stored.append(serial) }
            }
            let queue = fixture.device.workQueues[0]
            #expect(queue.occupancy == stored.count && queue.occupancy <= Int(size), "seed \(seed)")
            let isUnchanged = stored.allSatisfy { serial in queue.contains { $0.descriptor.transferSize == serial } }
            #expect(isUnchanged, "seed \(seed)")
        }
    }

    @Test func `D-04: a posted write to a full DWQ is dropped with SWERROR 0x53, and the second sets Overflow`() throws
    {
        let fixture = try DeviceFixture.dedicatedQueue(size: 4)
        fixture.holdEngines()
        for _ in 0..<4 { fixture.device.post(fixture.noOp(record: nil), to: .of(0)) }
        #expect(!fixture.device.softwareError.isValid)

        fixture.device.post(fixture.noOp(record: nil), to: .of(0))
        #expect(fixture.device.softwareError.isValid)
        #expect(fixture.device.softwareError.code == .postedToFullQueue)
        #expect(fixture.device.softwareError.workQueue == 0)
        #expect(!fixture.device.softwareError.isDescriptorValid)
        #expect(!fixture.device.softwareError.overflow)

        fixture.device.post(fixture.noOp(record: nil), to: .of(0))
        #expect(fixture.device.softwareError.overflow)
        #expect(fixture.device.softwareError.code == .postedToFullQueue)
        #expect(fixture.device.workQueues[0].counts.dropped == 2)
        #expect(fixture.device.workQueues[0].counts.accepted == 4)
    }

    @Test func `Vector 23: of 9 ENQCMDs a threshold of 8 takes 8, and the unlimited portal 8 more`() throws {
        let fixture = try DeviceFixture.sharedQueue(size: 16, threshold: 8)
        fixture.holdEngines()
        let limited = (0..<9).map { _ in fixture.device.enqueue(fixture.noOp(record: nil), to: .of(0, .limited)) }
        #expect(limited == Array(repeating: .successfulCompletion, count: 8) + [.requestRetryStatus])
        let unlimited = (0..<9).map { _ in fixture.device.enqueue(fixture.noOp(record: nil), to: .of(0)) }
        #expect(unlimited == Array(repeating: .successfulCompletion, count: 8) + [.requestRetryStatus])
    }

    @Test func `Vector 24: 5 posted writes to a DWQ of 4 leave SWERROR 0x53 with a valid WQ index`() throws {
        var profile = DeviceProfile.dsa1
        profile.engineCount = 1
        let fixture = try DeviceFixture(profile: profile)
        try fixture.enable([.shared(), .dedicated(size: 4)])
        fixture.holdEngines()
        for _ in 0..<5 { fixture.device.post(fixture.noOp(record: nil), to: .of(1)) }
        #expect(fixture.device.softwareError.code == .postedToFullQueue)
        #expect(fixture.device.softwareError.workQueue == 1)
    }

    @Test func `Vector 25, D-03: MOVDIR64B to an SWQ does nothing at all`() throws {
        let fixture = try DeviceFixture.sharedQueue()
        fixture.device.post(fixture.noOp(record: 0), to: .of(0))
        fixture.device.post(fixture.noOp(record: 0), to: .of(0, .limited))
        fixture.run()
        #expect(fixture.device.workQueues[0].counts.accepted == 0)
        #expect(fixture.status(0) == .none)
        #expect(!fixture.device.softwareError.isValid)
        #expect(fixture.device.effects.isEmpty)
    }

    @Test func `A threshold written while the WQ is enabled counts for the next submission`() throws {
        let fixture = try DeviceFixture.sharedQueue(size: 8, threshold: 2)
        fixture.holdEngines()
        func submit() -> DMWrCompletion { fixture.device.enqueue(fixture.noOp(record: nil), to: .of(0, .limited)) }
        #expect([submit(), submit(), submit()] == [.successfulCompletion, .successfulCompletion, .requestRetryStatus])

        var configuration = fixture.device.workQueues[0].configuration
        configuration.threshold = 3
        let isTaken = fixture.device.configure(workQueue: 0, as: configuration)
        #expect(isTaken)
        #expect([submit(), submit()] == [.successfulCompletion, .requestRetryStatus])

        configuration.threshold = 0
        let isLowered = fixture.device.configure(workQueue: 0, as: configuration)
        #expect(isLowered)
        #expect(submit() == .requestRetryStatus)
        fixture.holdEngines(false)
        fixture.run()
        #expect(fixture.device.workQueues[0].occupancy == 0)
        #expect(submit() == .requestRetryStatus, "threshold 0 means always Retry")
        #expect(fixture.device.workQueues[0].counts.completed == 3)
    }

    @Test func `Occupancy falls when an engine takes a descriptor, not when that completes`() throws {
        let fixture = try DeviceFixture.sharedQueue(size: 1, engineCount: 3, pageCount: 80)
        let long = fixture.descriptor(
            .memoryMove, record: 0, source: fixture.page(16), destination: fixture.page(48), size: 100 << 10)
        for incomplete in 1...3 {
            try fixture.enqueue(long)
            #expect(fixture.device.workQueues[0].occupancy == 1)
            fixture.stepWithThreads()
            #expect(fixture.device.workQueues[0].occupancy == 0)
            #expect(fixture.device.workQueues[0].inProgress == incomplete)
            #expect(fixture.device.workQueues[0].counts.completed == 0)
        }
        // The three engines are busy: the fourth stays in the queue.
        try fixture.enqueue(long)
        fixture.stepWithThreads()
        #expect(fixture.device.workQueues[0].occupancy == 1)
        #expect(fixture.device.enqueue(long, to: .of(0)) == .requestRetryStatus)
    }

    @Test func `A Batch descriptor occupies one entry, its members none`() throws {
        let fixture = try DeviceFixture.sharedQueue(size: 2)
        fixture.holdEngines()
        fixture.writeList((0..<8).map { fixture.noOp(record: $0 + 1) }, at: fixture.page(20))
        try fixture.enqueue(fixture.batch(list: fixture.page(20), count: 8, record: 0))
        #expect(fixture.device.workQueues[0].occupancy == 1)
        fixture.holdEngines(false)
        fixture.run()
        #expect((0...8).allSatisfy { fixture.status($0) == .success })
        #expect(fixture.device.workQueues[0].counts.accepted == 1)
        #expect(fixture.device.workQueues[0].counts.completed == 1)
    }
}
