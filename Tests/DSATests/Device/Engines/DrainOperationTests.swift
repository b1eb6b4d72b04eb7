import DSA
import DSASpec
import PCIe
import Testing

extension DeviceFixture {
    /// A move too long for the loop's thread, so that it stays in its engine until its window comes back.
    fileprivate func long(pasid: HostPASID = DeviceFixture.pasid, record slot: Int?) -> Descriptor {
        descriptor(
            .memoryMove, pasid: pasid, record: slot, source: page(16), destination: page(48), size: 100 << 10)
    }

    fileprivate func drain(pasid: HostPASID = DeviceFixture.pasid, record slot: Int) -> Descriptor {
        descriptor(.drain, pasid: pasid, record: slot)
    }
}

@Suite("Drain operation")
struct DrainOperationTests {
    @Test func `On an SWQ it waits for an earlier descriptor of its PASID`() async throws {
        let fixture = try DeviceFixture.sharedQueue(engineCount: 2, pageCount: 80)
        try fixture.enqueue(fixture.long(record: 0))
        try fixture.enqueue(fixture.drain(record: 1))
        fixture.stepWithThreads()
        #expect(fixture.device.workQueues[0].inProgress == 2)
        let engine = try await fixture.runReadyWindow()
        fixture.stepWithThreads()
        #expect(fixture.status(1) == .none, "the window has run and is not back")
        fixture.finishWindow(engine: engine)
        #expect(fixture.status(0) == .success)
        #expect(fixture.status(1) == .none)
        fixture.stepWithThreads()
        #expect(fixture.status(1) == .success)
    }

    @Test func `On an SWQ it does not wait for another PASID`() throws {
        let fixture = try DeviceFixture.sharedQueue(engineCount: 2, pageCount: 80)
        try fixture.enqueue(fixture.long(pasid: DeviceFixture.pasids[1], record: 0))
        try fixture.enqueue(fixture.drain(record: 1))
        fixture.stepWithThreads()
        #expect(fixture.status(0) == .none)
        #expect(fixture.status(1) == .success)
    }

    @Test func `On a DWQ it waits for all earlier descriptors, whatever PASID they carry`() async throws {
        let fixture = try DeviceFixture.dedicatedQueue(engineCount: 3, pageCount: 80)
        fixture.device.post(fixture.long(pasid: DeviceFixture.pasids[1], record: 0), to: .of(0))
        fixture.device.post(fixture.long(pasid: DeviceFixture.pasids[2], record: 1), to: .of(0))
        fixture.device.post(fixture.drain(record: 2), to: .of(0))
        fixture.stepWithThreads()
        for _ in 0..<2 {
            #expect(fixture.status(2) == .none)
            fixture.finishWindow(engine: try await fixture.runReadyWindow())
            fixture.stepWithThreads()
        }
        #expect(fixture.status(2) == .success)
    }

    @Test func `It does not wait for other WQs, nor for later descriptors of its own`() throws {
        var profile = DeviceProfile.dsa1
        profile.engineCount = 4
        let fixture = try DeviceFixture(profile: profile, pageCount: 80)
        try fixture.enable([.shared(), .shared()])
        try fixture.enqueue(fixture.long(record: 0), to: 1)
        fixture.stepWithThreads()
        let others = fixture.device.enginesWithWindowOut
        try fixture.enqueue(fixture.long(record: 1), to: 0)
        fixture.stepWithThreads()
        let engine = try #require(fixture.device.enginesWithWindowOut.first { !others.contains($0) })
        try fixture.enqueue(fixture.drain(record: 2), to: 0)
        try fixture.enqueue(fixture.long(record: 3), to: 0)
        fixture.stepWithThreads()
        #expect(fixture.status(2) == .none, "it waits for record 1")
        while let ready = unsafe fixture.device.takeReadyWindow() {
            unsafe Transfer.run(&ready.window.pointee)
        }
        fixture.finishWindow(engine: engine)
        fixture.stepWithThreads()
        #expect(fixture.status(1) == .success)
        #expect(fixture.status(2) == .success)
        #expect(fixture.status(0) == .none)
        #expect(fixture.status(3) == .none)
    }

    @Test func `Two Drains in two engines end in their order`() async throws {
        let fixture = try DeviceFixture.sharedQueue(engineCount: 3, pageCount: 80)
        try fixture.enqueue(fixture.long(record: 0))
        try fixture.enqueue(fixture.drain(record: 1))
        try fixture.enqueue(fixture.drain(record: 2))
        fixture.stepWithThreads()
        #expect(fixture.device.workQueues[0].inProgress == 3)
        fixture.finishWindow(engine: try await fixture.runReadyWindow())
        fixture.run()
        #expect((0...2).map { fixture.status($0) } == [.success, .success, .success])
    }

    @Test func `With one engine everything earlier is done when it begins`() throws {
        let fixture = try DeviceFixture.sharedQueue()
        for slot in 0..<3 { try fixture.enqueue(fixture.noOp(record: slot)) }
        try fixture.enqueue(fixture.drain(record: 3))
        fixture.run()
        #expect((0...3).allSatisfy { fixture.status($0) == .success })
    }

    @Test func `Vector 19: without RCR and RCI it ends with 0x11, recorded because CRAV is set`() throws {
        let fixture = try DeviceFixture.sharedQueue()
        try fixture.enqueue(
            fixture.drain(record: 0).with { $0.flags.remove(.requestCompletionRecord) })
        fixture.run()
        #expect(fixture.status(0) == .invalidFlags)
        #expect(
            !fixture.record(0).invalidFlags.isDisjoint(with: [.requestCompletionRecord, .requestCompletionInterrupt]))
    }

    @Test func `Aborted while it waits it ends without a record, and the one it waited for runs on`() async throws {
        let fixture = try DeviceFixture.sharedQueue(engineCount: 2, pageCount: 80)
        try fixture.enqueue(fixture.long(record: 0))
        try fixture.enqueue(fixture.drain(record: 1))
        fixture.stepWithThreads()
        fixture.device.abort(.all)
        fixture.stepWithThreads()
        #expect(fixture.device.workQueues[0].counts.abandoned == 1)
        #expect(fixture.device.workQueues[0].inProgress == 1)
        fixture.finishWindow(engine: try await fixture.runReadyWindow())
        fixture.run()
        #expect(fixture.status(1) == .none)
        let account = fixture.account(of: 0)
        #expect(account.ended == account.accepted && !fixture.hasWork)
    }
}
