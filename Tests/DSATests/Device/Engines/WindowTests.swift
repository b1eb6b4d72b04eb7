import DSA
import DSASpec
import PCIe
import Testing

private let windowByteCount = Int(TransferWindow.byteCountMax)
/// Three windows.
private let longByteCount = 2 * windowByteCount + 100_000
private let sourcePage = 16
private let targetPage = 200

/// A device with memory for long moves, filled with a pattern at the source.
private func device(engineCount: Int = 1, openPoints: OpenPoints = OpenPoints()) throws -> DeviceFixture {
    let fixture = try DeviceFixture.sharedQueue(engineCount: engineCount, pageCount: 400, openPoints: openPoints)
    var generator = OperationsGenerator(seed: 1)
    fixture.write(generator.bytes(longByteCount), at: fixture.page(sourcePage))
    return fixture
}

extension DeviceFixture {
    fileprivate func long(record slot: Int, size: Int = longByteCount) -> Descriptor {
        descriptor(.memoryMove, record: slot, source: page(sourcePage), destination: page(targetPage), size: size)
    }

    fileprivate func isCopied(_ range: Range<Int>) -> Bool {
        read(range.count, at: page(sourcePage) + UInt64(range.lowerBound))
            == read(range.count, at: page(targetPage) + UInt64(range.lowerBound))
    }

    fileprivate func isUntouched(_ range: Range<Int>) -> Bool {
        read(range.count, at: page(targetPage) + UInt64(range.lowerBound)).allSatisfy { $0 == 0 }
    }
}

@Suite("Windows on threads")
struct WindowTests {
    @Test func `A long move runs window by window on a thread and then has its record`() async throws {
        let fixture = try device()
        try fixture.enqueue(fixture.long(record: 0))
        for window in 0..<3 {
            fixture.stepWithThreads()
            #expect(fixture.device.enginesWithWindowOut == [0])
            #expect(fixture.status(0) == .none)
            #expect(fixture.isUntouched(window * windowByteCount..<min((window + 1) * windowByteCount, longByteCount)))
            fixture.finishWindow(engine: try await fixture.runReadyWindow())
        }
        #expect(fixture.device.enginesWithWindowOut.isEmpty)
        #expect(fixture.status(0) == .success)
        #expect(fixture.record(0).bytesCompleted == 0)
        #expect(fixture.isCopied(0..<longByteCount))
        let isThereMore = unsafe fixture.device.takeReadyWindow() != nil
        #expect(!isThereMore)
    }

    @Test func `A window short enough for the loop is not handed out`() throws {
        let fixture = try device()
        try fixture.enqueue(fixture.long(record: 0, size: Device.inlineWindowByteCountMax))
        try fixture.enqueue(fixture.long(record: 1, size: Device.inlineWindowByteCountMax + 1))
        fixture.stepWithThreads()
        #expect(fixture.status(0) == .success)
        #expect(fixture.status(1) == .none)
        #expect(fixture.device.enginesWithWindowOut == [0])
    }

    @Test func `Windows of two engines may come back in any order`() async throws {
        let fixture = try device(engineCount: 2)
        try fixture.enqueue(fixture.long(record: 0, size: windowByteCount))
        try fixture.enqueue(
            fixture.descriptor(
                .fill, record: 1, source: 0x0101_0101_0101_0101, destination: fixture.page(300), size: windowByteCount))
        fixture.stepWithThreads()
        let first = try await fixture.runReadyWindow()
        let second = try await fixture.runReadyWindow()
        #expect(Set([first, second]) == [0, 1])
        fixture.finishWindow(engine: second)
        fixture.finishWindow(engine: first)
        #expect(fixture.status(0) == .success && fixture.status(1) == .success)
        #expect(fixture.isCopied(0..<windowByteCount))
        #expect(fixture.read(windowByteCount, at: fixture.page(300)).allSatisfy { $0 == 1 })
    }

    @Test func `A page taken away between two windows ends the move at the boundary`() async throws {
        let fixture = try device()
        try fixture.enqueue(fixture.long(record: 0))
        fixture.stepWithThreads()
        try fixture.unmap(page: targetPage + 64)
        fixture.finishWindow(engine: try await fixture.runReadyWindow())
        fixture.stepWithThreads()
        #expect(fixture.status(0) == .pageFault)
        #expect(fixture.record(0).bytesCompleted == UInt32(windowByteCount))
        #expect(fixture.record(0).faultAddress.rawValue == fixture.page(targetPage + 64))
    }

    @Test func `A batch goes on after the window of a member`() async throws {
        let fixture = try device()
        fixture.writeList(
            [fixture.noOp(record: 1), fixture.long(record: 2, size: windowByteCount), fixture.noOp(record: 3)],
            at: fixture.page(190))
        try fixture.enqueue(fixture.batch(list: fixture.page(190), count: 3, record: 0))
        fixture.stepWithThreads()
        #expect((0...3).map { fixture.status($0) } == [.none, .success, .none, .none])
        fixture.finishWindow(engine: try await fixture.runReadyWindow())
        #expect((0...3).map { fixture.status($0) } == [.none, .success, .success, .none])
        fixture.stepWithThreads()
        #expect((0...3).allSatisfy { fixture.status($0) == .success })
        #expect(fixture.record(0).bytesCompleted == 3)
    }

    @Test func `An abort lets what has begun complete, and abandons the rest`() async throws {
        let fixture = try device()
        try fixture.enqueue(fixture.long(record: 0))
        fixture.stepWithThreads()
        try fixture.enqueue(fixture.noOp(record: 1))
        #expect(fixture.device.execute(.abortAll) == .active)
        for _ in 0..<3 {
            #expect(fixture.device.commandEnds.isEmpty)
            fixture.finishWindow(engine: try await fixture.runReadyWindow())
            fixture.stepWithThreads()
        }
        #expect(fixture.device.commandEnds == [.none])
        #expect((0...1).map { fixture.status($0) } == [.success, .none])
        #expect(fixture.isCopied(0..<longByteCount))
        #expect(fixture.device.workQueues[0].counts.abandoned == 1)
        #expect(fixture.device.workQueues[0].counts.completed == 1)
    }

    @Test func `An abort lets a batch's member that has begun complete, and abandons the others and the batch`()
        async throws
    {
        let fixture = try device()
        fixture.writeList(
            [fixture.noOp(record: 1), fixture.long(record: 2, size: windowByteCount), fixture.noOp(record: 3)],
            at: fixture.page(190))
        try fixture.enqueue(fixture.batch(list: fixture.page(190), count: 3, record: 0))
        fixture.stepWithThreads()
        #expect(fixture.device.execute(.abortAll) == .active)
        fixture.finishWindow(engine: try await fixture.runReadyWindow())
        fixture.stepWithThreads()
        #expect(fixture.device.commandEnds == [.none])
        #expect((0...3).map { fixture.status($0) } == [.none, .success, .success, .none])
        #expect(fixture.device.workQueues[0].counts.abandoned == 1)
    }

    @Test func `By configuration an abort lets the window that is out complete, and abandons the rest`() async throws {
        var openPoints = OpenPoints()
        openPoints.abortedTransfer = .abandoned
        let fixture = try device(openPoints: openPoints)
        try fixture.enqueue(fixture.long(record: 0))
        fixture.stepWithThreads()
        let engine = try await fixture.runReadyWindow()
        #expect(fixture.device.execute(.abortAll) == .active)
        fixture.stepWithThreads()
        #expect(fixture.device.commandEnds.isEmpty, "the window could still write")
        fixture.finishWindow(engine: engine)
        #expect(fixture.device.commandEnds.isEmpty)
        fixture.stepWithThreads()
        #expect(fixture.device.commandEnds == [.none])
        #expect(fixture.status(0) == .none)
        #expect(fixture.isCopied(0..<windowByteCount))
        #expect(fixture.isUntouched(windowByteCount..<longByteCount))
        #expect(fixture.device.workQueues[0].counts.abandoned == 1)
        #expect(fixture.device.workQueues[0].counts.completed == 0)
    }

    @Test func `A descriptor whose last window is out when it is aborted completes`() async throws {
        let fixture = try device()
        try fixture.enqueue(fixture.long(record: 0, size: windowByteCount))
        fixture.stepWithThreads()
        #expect(fixture.device.execute(.abortAll) == .active)
        fixture.finishWindow(engine: try await fixture.runReadyWindow())
        #expect(fixture.device.commandEnds == [.none])
        #expect(fixture.status(0) == .success)
        #expect(fixture.device.workQueues[0].counts.completed == 1)
        #expect(fixture.device.workQueues[0].counts.abandoned == 0)
    }

    @Test func `The abort of one descriptor does not reach the next in its engine`() async throws {
        let fixture = try device()
        try fixture.enqueue(fixture.long(record: 0, size: windowByteCount))
        fixture.stepWithThreads()
        fixture.device.abort(.all)
        try fixture.enqueue(fixture.noOp(record: 1))
        fixture.finishWindow(engine: try await fixture.runReadyWindow())
        fixture.run()
        #expect(fixture.status(1) == .success)
        #expect(fixture.device.workQueues[0].counts.abandoned == 0)
    }

    @Test func `A drain waits for the window that is out`() async throws {
        let fixture = try device()
        try fixture.enqueue(fixture.long(record: 0, size: windowByteCount))
        fixture.stepWithThreads()
        fixture.device.drain(.pasid(DeviceFixture.pasid), token: 9)
        fixture.stepWithThreads()
        #expect(fixture.device.drainEnds.isEmpty)
        fixture.finishWindow(engine: try await fixture.runReadyWindow())
        #expect(fixture.device.drainEnds == [9])
    }
}

@Suite("Budget of a step")
struct BudgetTests {
    @Test(arguments: [1, 2, 3, 7])
    func `A step ends after its actions and says so; the next one goes on`(actions: Int) throws {
        let fixture = try DeviceFixture.sharedQueue(size: 40, threshold: 40)
        for slot in 0..<40 { try fixture.enqueue(fixture.noOp(record: slot)) }
        var done = 0
        while fixture.device.step(
            iommu: &fixture.iommu, memory: fixture.memory, budget: Device.Budget(actions: actions))
        {
            done += actions
            #expect(fixture.device.workQueues[0].counts.completed == UInt64(done))
        }
        #expect(fixture.device.workQueues[0].counts.completed == 40)
    }

    @Test func `A byte budget below one window still moves one window a step`() throws {
        let fixture = try device()
        try fixture.enqueue(fixture.long(record: 0))
        var steps = 0
        while fixture.status(0) == .none {
            let isUnfinished = fixture.device.step(
                iommu: &fixture.iommu, memory: fixture.memory, budget: Device.Budget(bytes: 1))
            #expect(isUnfinished)
            steps += 1
        }
        #expect(steps == 3)
        #expect(fixture.isCopied(0..<longByteCount))
    }

    @Test func `A drain that ends with the budget is reported by that step`() throws {
        let fixture = try DeviceFixture.sharedQueue()
        try fixture.enqueue(fixture.noOp(record: 0))
        try fixture.enqueue(fixture.noOp(record: 1))
        fixture.device.drain(.all, token: 5)
        #expect(fixture.stepOnce())
        #expect(fixture.device.drainEnds.isEmpty)
        #expect(fixture.stepOnce())
        #expect(fixture.device.drainEnds == [5])
    }

    @Test func `A device without work does nothing, and a held engine finishes what it has`() throws {
        let fixture = try DeviceFixture.sharedQueue()
        #expect(!fixture.stepOnce())
        fixture.writeList((0..<2).map { fixture.noOp(record: $0 + 1) }, at: fixture.page(20))
        try fixture.enqueue(fixture.batch(list: fixture.page(20), count: 2, record: 0))
        try fixture.enqueue(fixture.noOp(record: 3))
        fixture.stepOnce()
        fixture.holdEngines()
        fixture.run()
        #expect((0...3).map { fixture.status($0) } == [.success, .success, .success, .none])
        #expect(fixture.device.workQueues[0].occupancy == 1)
    }
}
