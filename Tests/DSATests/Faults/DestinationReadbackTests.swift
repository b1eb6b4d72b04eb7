import DSA
import DSASpec
import PCIe
import Testing

@Suite("Destination Readback")
struct DestinationReadbackTests {
    /// A descriptor of each operation that may read back, with destinations that end in pages 31 and, if there are two,
    /// 41. Its last window is too long for the loop's thread.
    private static let operations: [(Opcode, @Sendable (inout Descriptor, DeviceFixture) -> Void)] = [
        (.memoryMove, { _, _ in }),
        (.fill, { descriptor, _ in descriptor.sourceAddress = LinearAddress(rawValue: 0x55) }),
        (.dualcast, { $0.destination2Address = LinearAddress(rawValue: $1.page(90)) }),
        (.copyWithCRC, { _, _ in }),
        (.cacheFlush, { descriptor, _ in descriptor.sourceAddress = LinearAddress(rawValue: 0) }),
    ]

    private static let byteCount = 20 * 4096

    private func device() throws -> DeviceFixture {
        try DeviceFixture.sharedQueue(pageCount: 120)
    }

    private func descriptor(_ number: Int, _ fixture: DeviceFixture) -> Descriptor {
        let (opcode, complete) = Self.operations[number]
        return fixture.descriptor(
            opcode, record: 0, flags: .destinationReadback, source: fixture.page(20), destination: fixture.page(60),
            size: Self.byteCount
        ).with { complete(&$0, fixture) }
    }

    @Test(arguments: operations.indices)
    func `It reads what was written, and the operation ends with 0x01`(number: Int) throws {
        let fixture = try device()
        try fixture.enqueue(descriptor(number, fixture))
        fixture.run()
        #expect(fixture.status(0) == .success)
    }

    @Test(arguments: operations.indices)
    func `A destination that cannot be read any more ends with 0x21, whatever BOF says`(number: Int) async throws {
        for last in Self.operations[number].0 == .dualcast ? [79, 109] : [79] {
            let fixture = try device()
            fixture.fill(pages: 20..<40)
            try fixture.enqueue(descriptor(number, fixture))
            fixture.stepWithThreads()
            let engine = try await fixture.runReadyWindow()
            // The window has written all of it, and the page goes before the readback.
            try fixture.unmap(page: last)
            fixture.finishWindow(engine: engine)
            #expect(fixture.status(0) == .hardwareErrorOnWrite)
            #expect(fixture.record(0).bytesCompleted == 0)
        }
    }

    @Test func `What ended without success is not read back`() async throws {
        let fixture = try device()
        try fixture.unmap(page: 70)
        try fixture.enqueue(descriptor(0, fixture))
        fixture.run()
        #expect(fixture.status(0) == .pageFault)
        #expect(fixture.record(0).bytesCompleted == 10 * 4096)
    }

    @Test func `The last byte of a delta record, or of the last entry's block, is read`() throws {
        let fixture = try device()
        // Differences in blocks 0 and 1000: a record of 20 bytes at the end of page 60.
        fixture.write([1], at: fixture.page(30))
        fixture.write([2], at: fixture.page(30) + 8000)
        let create = fixture.descriptor(
            .createDeltaRecord, record: 0, flags: .destinationReadback, source: fixture.page(20),
            destination: fixture.page(30), size: 8192
        ).with {
            $0.deltaRecordAddress = LinearAddress(rawValue: fixture.page(60) + 4096 - 20)
            $0.maximumDeltaRecordSize = 80
        }
        try fixture.unmap(page: 61)
        try fixture.enqueue(create)
        fixture.run()
        #expect(fixture.status(0) == .success)
        #expect(fixture.record(0).deltaRecordSize == 20)

        let apply = fixture.descriptor(
            .applyDeltaRecord, record: 1, flags: .destinationReadback, source: fixture.page(60) + 4096 - 20,
            destination: fixture.page(40), size: 8192 + 4096
        ).with { $0.deltaRecordSize = 20 }
        // The last block is never written, so it is not read either.
        try fixture.unmap(page: 42)
        try fixture.enqueue(apply)
        fixture.run()
        #expect(fixture.status(1) == .success)
        #expect(fixture.read(1, at: fixture.page(40) + 8000) == [2])
    }

    @Test func `An operation that wrote nothing reads nothing`() throws {
        let fixture = try device()
        try fixture.unmap(page: 60)
        let create = fixture.descriptor(
            .createDeltaRecord, record: 0, flags: .destinationReadback, source: fixture.page(20),
            destination: fixture.page(30), size: 64
        ).with {
            $0.deltaRecordAddress = LinearAddress(rawValue: fixture.page(60))
            $0.maximumDeltaRecordSize = 80
        }
        try fixture.enqueue(create)
        fixture.run()
        #expect(fixture.status(0) == .success)
        #expect(fixture.record(0).result == 0)
    }
}
