import DSA
import DSASpec
import IOMMU
import PCIe
import Testing

/// 2 GiB, the most that a descriptor can ask for.
private let byteCount: UInt64 = 1 << 31
/// What stands behind them, again and again.
private let pieceByteCount: UInt64 = 2 << 20
private let source: UInt64 = 0x10_0000_0000
private let target: UInt64 = 0x20_0000_0000

/// A device with two engines, and 2 GiB of addresses on each side of a move.
private func device() throws -> DeviceFixture {
    let fixture = try DeviceFixture.sharedQueue(engineCount: 2, pageCount: 3 * Int(pieceByteCount) / 4096)
    for piece in 0..<byteCount / pieceByteCount {
        try fixture.map(source + piece * pieceByteCount, toPage: 512, byteCount: pieceByteCount)
        try fixture.map(target + piece * pieceByteCount, toPage: 1024, byteCount: pieceByteCount)
    }
    var generator = OperationsGenerator(seed: 2)
    fixture.write(generator.bytes(Int(pieceByteCount)), at: fixture.page(512))
    return fixture
}

@Suite("Transfers of 2 GiB")
struct LongTransferTests {
    @Test func `A move of 2 GiB takes one window again and again, and stops no other descriptor`() throws {
        let fixture = try device()
        let frameCount = fixture.memory.frameCountInUse
        try fixture.enqueue(
            fixture.descriptor(.memoryMove, record: 0, source: source, destination: target, size: Int(byteCount)))
        var windows: Set<UInt> = []
        var windowCount: UInt64 = 0
        fixture.stepWithThreads()
        while let ready = unsafe fixture.device.takeReadyWindow() {
            windowCount += 1
            windows.insert(unsafe UInt(bitPattern: ready.window))
            let engine = unsafe ready.engine
            #expect(fixture.device.enginesWithWindowOut == [engine], "one window at a time")
            // While a thread has the window, one step takes in and ends what else there is.
            if windowCount % 512 == 1 {
                let slot = Int(windowCount / 512) + 1
                try fixture.enqueue(fixture.noOp(record: slot))
                fixture.stepWithThreads()
                #expect(fixture.status(slot) == .success)
            }
            #expect(fixture.status(0) == .none)
            unsafe Transfer.run(&ready.window.pointee)
            fixture.finishWindow(engine: engine)
            fixture.stepWithThreads()
        }
        #expect(fixture.status(0) == .success)
        #expect(windowCount == byteCount / TransferWindow.byteCountMax)
        #expect(windows.count == 1)
        #expect(fixture.memory.frameCountInUse == frameCount)
        let isCopied =
            fixture.read(Int(pieceByteCount), at: fixture.page(512))
            == fixture.read(Int(pieceByteCount), at: fixture.page(1024))
        #expect(isCopied)
    }

    @Test func `A fault in the last page of 2 GiB is reported at its byte`() throws {
        let fixture = try device()
        let end = target + byteCount
        try fixture.unmap(end - 4096)
        try fixture.enqueue(
            fixture.descriptor(.fill, record: 0, source: 0x0102, destination: target, size: Int(byteCount)))
        while fixture.device.step(iommu: &fixture.iommu, memory: fixture.memory) {}
        #expect(fixture.status(0) == .pageFault)
        #expect(fixture.record(0).bytesCompleted == UInt32(byteCount - 4096))
        #expect(fixture.record(0).faultAddress.rawValue == end - 4096)
    }
}
