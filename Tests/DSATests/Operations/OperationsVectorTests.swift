import DSA
import DSASpec
import IOMMU
import PCIe
import Testing

private let source: UInt64 = 0x40_0000
private let destination: UInt64 = 0x80_0000
private let destination2: UInt64 = 0xC0_0000

/// Three buffers of four pages, scattered over memory.
private func scattered() throws -> OperationsFixture {
    let fixture = try OperationsFixture(pageCount: 12)
    for page in 0..<4 {
        try fixture.map(source + UInt64(page) * 4096, toPage: 11 - page)
        try fixture.map(destination + UInt64(page) * 4096, toPage: [4, 6, 5, 7][page])
        try fixture.map(destination2 + UInt64(page) * 4096, toPage: [1, 0, 3, 2][page])
    }
    return fixture
}

@Suite("Vectors 9.3, operations")
struct OperationVectorTests {
    @Test func `Vector 8: Compare of 4096 bytes that differ at byte 1000 completes 1000 bytes with Result 1`() throws {
        let fixture = try scattered()
        fixture.write([1], at: destination + 100 + 1000)
        let record = fixture.run(
            descriptor(.compare, source: source + 3000, destination: destination + 100, size: 4096))
        #expect(record.status == .success)
        #expect(record.result == 1)
        #expect(record.bytesCompleted == 1000)
    }

    @Test(arguments: [
        (false, 0, CompletionStatus.success), (false, 1, .successFalsePredicate),
        (true, 0, .successFalsePredicate), (true, 1, .success), (true, 0xFE, .successFalsePredicate),
        (false, 0xFE, .success),
    ])
    func `Vector 9: Check Result compares bit 0 of Expected Result with Result`(
        differ: Bool, expected: UInt8, status: CompletionStatus
    ) throws {
        let fixture = try scattered()
        if differ { fixture.write([1], at: destination + 7) }
        for opcode in [Opcode.compare, .comparePattern] {
            let checked = descriptor(
                opcode, .checkResult, source: opcode == .compare ? source : destination, destination: destination,
                size: 4096
            ).with { $0.expectedResult = expected }
            let record = fixture.run(checked)
            #expect(record.status == status)
            #expect(record.result == (differ ? 1 : 0))
            #expect(record.bytesCompleted == (differ ? 7 : 0))
        }
    }

    @Test func `Vector 10: Fill of 11 bytes repeats the pattern from its start`() throws {
        let fixture = try scattered()
        let fill = descriptor(.fill, destination: destination + 4090, size: 11).with {
            $0.fillPattern = 0x0807_0605_0403_0201
        }
        #expect(fixture.run(fill) == CompletionRecord(status: .success))
        #expect(fixture.read(13, at: destination + 4089) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 0])
    }

    @Test func `Vector 11: Memory Move to source + 1 is as through a temporary`() throws {
        let fixture = try scattered()
        let data = (0..<4097).map { UInt8(truncatingIfNeeded: $0 &* 7 ^ $0 >> 8) }
        fixture.write(data, at: source + 50)
        let record = fixture.run(descriptor(.memoryMove, source: source + 50, destination: source + 51, size: 4096))
        #expect(record == CompletionRecord(status: .success))
        #expect(fixture.read(4097, at: source + 50) == [data[0]] + data[0..<4096])
    }

    @Test(arguments: [1, 63, 4095, 4096, 4097, 8191])
    func `Vector 29: Memory Move across an unmapped page completes the bytes before it`(start: UInt64) throws {
        let fixture = try scattered()
        try fixture.unmap(source + 8192)
        let data = [UInt8](repeating: 0x5A, count: 8192 - Int(start))
        fixture.write(data, at: source + start)
        let record = fixture.run(
            descriptor(.memoryMove, source: source + start, destination: destination, size: 12_000))
        #expect(record.status == .pageFault)
        #expect(!record.faultWasWrite)
        #expect(record.result == 0)
        #expect(record.bytesCompleted == 8192 - UInt32(start))
        #expect(record.faultAddress.rawValue == source + 8192)
        #expect(fixture.read(data.count + 1, at: destination) == data + [0])
    }

    @Test func `Vector 29: bit 7 of Status says that the write faulted`() throws {
        let fixture = try scattered()
        try fixture.protect(destination + 4096)
        fixture.write([UInt8](repeating: 0x5A, count: 8192), at: source)
        let record = fixture.run(
            descriptor(.memoryMove, source: source, destination: destination + 96, size: 8192))
        #expect(record.status == .pageFault)
        #expect(record.faultWasWrite)
        #expect(record.bytesCompleted == 4000)
        #expect(record.faultAddress.rawValue == destination + 4096)
    }

    @Test func `No-op touches nothing and completes with 0x01`() throws {
        let fixture = try OperationsFixture(pageCount: 1)
        #expect(fixture.run(descriptor(.noOp)) == CompletionRecord(status: .success))
    }

    @Test func `Cache Flush of mapped bytes completes with 0x01 and changes none`() throws {
        let fixture = try scattered()
        fixture.write([1, 2, 3], at: destination + 4095)
        try fixture.protect(destination)
        let record = fixture.run(descriptor(.cacheFlush, destination: destination + 1, size: 16_000))
        #expect(record == CompletionRecord(status: .success))
        #expect(fixture.read(3, at: destination + 4095) == [1, 2, 3])
    }

    @Test func `Cache Flush of an unmapped page faults as a read`() throws {
        let fixture = try scattered()
        try fixture.unmap(destination + 4096)
        let record = fixture.run(descriptor(.cacheFlush, destination: destination + 1, size: 16_000))
        #expect(record.status == .pageFault)
        #expect(!record.faultWasWrite)
        #expect(record.bytesCompleted == 4095)
        #expect(record.faultAddress.rawValue == destination + 4096)
    }

    @Test func `Compare Pattern reports the exact offset of the first difference`() throws {
        let fixture = try scattered()
        let pattern: UInt64 = 0x0123_4567_89AB_CDEF
        fixture.write(patternP(12_000), at: source + 3)
        for offset in [0, 1, 7, 8, 31, 32, 127, 128, 4092, 4093, 4094, 8000, 11_999] {
            let original = fixture.read(1, at: source + 3 + UInt64(offset))
            fixture.write([original[0] ^ 0x10], at: source + 3 + UInt64(offset))
            let record = fixture.run(
                descriptor(.comparePattern, source: source + 3, size: 12_000).with { $0.comparePattern = pattern })
            #expect(record.result == 1)
            #expect(record.bytesCompleted == offset)
            fixture.write(original, at: source + 3 + UInt64(offset))
        }
        let equal = fixture.run(
            descriptor(.comparePattern, source: source + 3, size: 12_000).with { $0.comparePattern = pattern })
        #expect(equal == CompletionRecord(status: .success))
    }

    @Test func `Dualcast writes both destinations alike and counts the same bytes for both on a fault`() throws {
        let fixture = try scattered()
        var generator = OperationsGenerator(seed: 3)
        let data = generator.bytes(10_000)
        fixture.write(data, at: source + 5)
        let whole = descriptor(
            .dualcast, source: source + 5, destination: destination + 9, destination2: destination2 + 9, size: 10_000)
        #expect(fixture.run(whole) == CompletionRecord(status: .success))
        #expect(fixture.read(10_001, at: destination + 9) == data + [0])
        #expect(fixture.read(10_001, at: destination2 + 9) == data + [0])

        try fixture.protect(destination2 + 8192)
        fixture.write([UInt8](repeating: 0, count: 16_384), at: destination)
        let record = fixture.run(whole)
        #expect(record.status == .pageFault)
        #expect(record.faultWasWrite)
        #expect(record.bytesCompleted == 8183)
        #expect(record.faultAddress.rawValue == destination2 + 8192)
        #expect(fixture.read(8184, at: destination + 9) == data[..<8183] + [0])
    }
}

@Suite("Faults 5.1")
struct OperationFaultTests {
    /// Where a move of 12,000 bytes from 100 to 1100 stops, by the page that is unmapped or read-only.
    struct BackwardCase: Sendable {
        let page: UInt64
        let isReadOnly: Bool
        let done: UInt32
        /// From the start of the source's first page.
        let faultOffset: UInt64
    }

    @Test(arguments: [
        BackwardCase(page: 0, isReadOnly: false, done: 12_100 - 4096, faultOffset: 4095),
        BackwardCase(page: 1, isReadOnly: false, done: 12_100 - 8192, faultOffset: 8191),
        BackwardCase(page: 2, isReadOnly: false, done: 0, faultOffset: 12_099),
        BackwardCase(page: 0, isReadOnly: true, done: 13_100 - 4096, faultOffset: 4095),
        BackwardCase(page: 2, isReadOnly: true, done: 13_100 - 12_288, faultOffset: 12_287),
        BackwardCase(page: 3, isReadOnly: true, done: 0, faultOffset: 13_099),
    ])
    func `Memory Move backward counts the bytes it did at the end, with Result 1`(test: BackwardCase) throws {
        let fixture = try scattered()
        let data = (0..<12_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        fixture.write(data, at: source + 100)
        if test.isReadOnly {
            try fixture.protect(source + test.page * 4096)
        } else {
            try fixture.unmap(source + test.page * 4096)
        }
        let record = fixture.run(
            descriptor(.memoryMove, source: source + 100, destination: source + 1100, size: 12_000))
        #expect(record.status == .pageFault)
        #expect(record.result == 1)
        #expect(record.bytesCompleted == test.done)
        #expect(record.faultWasWrite == test.isReadOnly)
        #expect(record.faultAddress.rawValue == source + test.faultOffset)
        let end = Int(test.done)
        #expect(fixture.read(end, at: source + 13_100 - UInt64(end)) == Array(data.suffix(end)))
    }

    @Test func `Compare reports a difference that lies before a fault`() throws {
        let fixture = try scattered()
        fixture.write([1], at: source + 4000)
        try fixture.unmap(destination + 4096)
        let record = fixture.run(descriptor(.compare, source: source, destination: destination, size: 8192))
        #expect(record.status == .success)
        #expect(record.result == 1)
        #expect(record.bytesCompleted == 4000)
        fixture.write([0], at: source + 4000)
        let faulting = fixture.run(descriptor(.compare, source: source, destination: destination, size: 8192))
        #expect(faulting.status == .pageFault)
        #expect(faulting.result == 0)
        #expect(faulting.bytesCompleted == 4096)
    }

    @Test func `A CRC that faults holds the CRC Value of the bytes it completed`() throws {
        let fixture = try scattered()
        fixture.write(patternP(4096), at: source)
        try fixture.unmap(source + 4096)
        let record = fixture.run(
            descriptor(.crcGeneration, source: source, size: 5000).with { $0.crcSeed = 0x1234_5678 })
        #expect(record.status == .pageFault)
        #expect(record.bytesCompleted == 4096)
        #expect(record.crcValue == 0x1B6F_4410)
    }

    @Test func `An address whose translation is not memory ends with 0x20 on a read, 0x21 on a write`() throws {
        let fixture = try scattered()
        let device = HostPhysicalAddress(rawValue: 0xFF00 << 36)
        try fixture.unmap(source + 4096)
        try fixture.map(source + 4096, to: device, byteCount: 4096)
        let reading = fixture.run(descriptor(.memoryMove, source: source + 4000, destination: destination, size: 200))
        #expect(reading == CompletionRecord(status: .hardwareError))
        let writing = fixture.run(descriptor(.memoryMove, source: source, destination: source + 4096, size: 200))
        #expect(writing == CompletionRecord(status: .hardwareErrorOnWrite))
    }

    @Test func `A large page may reach past its memory, which is accessed up to its end`() throws {
        let fixture = try OperationsFixture(pageCount: 16)
        let large: UInt64 = 0x4000_0000
        try fixture.map(large, to: fixture.region, byteCount: 2 << 20)
        fixture.write([UInt8](repeating: 7, count: 16 * 4096), at: large)
        let compare = descriptor(.comparePattern, source: large + 11, size: 20 * 4096).with {
            $0.comparePattern = 0x0707_0707_0707_0707
        }
        #expect(fixture.run(compare) == CompletionRecord(status: .hardwareError))
        let within = compare.with { $0.transferSize = 16 * 4096 - 11 }
        #expect(fixture.run(within) == CompletionRecord(status: .success))
    }

    @Test func `An address that is not canonical ends with 0x22`() throws {
        let fixture = try scattered()
        let record = fixture.run(
            descriptor(.memoryMove, source: 0x1234_0000_0000_0000, destination: destination, size: 8))
        #expect(record == CompletionRecord(status: .translationError))
    }

    @Test func `A buffer that passes 2^64 ends there and does not come round to 0`() throws {
        let fixture = try scattered()
        try fixture.map(0, toPage: 0)
        for opcode in [Opcode.memoryMove, .fill, .compare] {
            let record = fixture.run(
                descriptor(opcode, source: source, destination: UInt64.max - 99, size: 200))
            #expect(record.status == .pageFault || record.status == .translationError, "\(opcode)")
            #expect(record.bytesCompleted == 0)
        }
    }

    @Test func `A move backward whose destination passes 2^64 writes no byte at 0`() throws {
        let fixture = try scattered()
        try fixture.map(0, toPage: 0)
        let before = fixture.bytes(ofPage: 0)
        let record = fixture.run(
            descriptor(.memoryMove, source: UInt64.max - 199, destination: UInt64.max - 99, size: 200))
        #expect(record.status == .pageFault)
        #expect(record.faultAddress.rawValue == .max)
        #expect(record.bytesCompleted == 0)
        #expect(fixture.bytes(ofPage: 0) == before)
    }

    @Test func `A page that vanishes between two windows faults where the second begins`() throws {
        let fixture = try OperationsFixture(pageCount: 160)
        for page in 0..<80 {
            try fixture.map(source + UInt64(page) * 4096, toPage: page)
            try fixture.map(destination + UInt64(page) * 4096, toPage: 80 + page)
        }
        var unmapped = false
        let record = try fixture.run(
            descriptor(.memoryMove, source: source, destination: destination, size: 80 * 4096)
        ) { windowCount in
            #expect(windowCount == 1)
            try fixture.unmap(destination + 64 * 4096)
            unmapped = true
        }
        #expect(unmapped)
        #expect(record.status == .pageFault)
        #expect(record.faultWasWrite)
        #expect(record.bytesCompleted == 64 * 4096)
    }
}

@Suite("Transfer")
struct TransferTests {
    @Test func `Batch and Drain are no transfers, the other emulated operations are`() {
        for raw in UInt8.min...UInt8.max {
            let opcode = Opcode(rawValue: raw)
            let isTransfer = OpcodeSet.emulated.contains(opcode) && opcode != .batch && opcode != .drain
            #expect(Transfer.carriesOut(opcode) == isTransfer, "opcode \(raw)")
        }
    }

    @Test func `A window covers at most 64 pages`() throws {
        let fixture = try OperationsFixture(pageCount: 200)
        try fixture.map(source, to: fixture.region, byteCount: 200 * 4096)
        var transfer = Transfer(descriptor(.fill, destination: source + 1, size: 199 * 4096))
        #expect(fixture.resolve(&transfer) == .ready(byteCount: 64 * 4096))
        #expect(TransferWindow.byteCountMax == 64 * 4096)
    }

    @Test func `A transfer that has ended stays ended`() throws {
        let fixture = try scattered()
        var transfer = Transfer(descriptor(.fill, destination: 0x10_0000, size: 64))
        guard case .fault(let address, isWrite: true, let fault) = fixture.resolve(&transfer) else {
            Issue.record("the destination is not mapped")
            return
        }
        #expect(address.rawValue == 0x10_0000)
        #expect(fault.isPageFault)
        try fixture.map(0x10_0000, toPage: 0)
        #expect(fixture.resolve(&transfer) == .finished)
        #expect(transfer.completionRecord().status == .pageFault)
    }

    @Test func `A transfer is small enough for a table of descriptors in flight`() {
        #expect(MemoryLayout<Transfer>.size <= 160)
    }
}

@Suite("Client memory")
struct ClientMemoryTests {
    @Test func `A descriptor is read from any address, all 64 bytes`() throws {
        let fixture = try OperationsFixture(pageCount: 2)
        fixture.setBytes(ofPage: 0, to: Array(0..<255) + [255])
        let loaded = try #require(fixture.memory.loadDescriptor(at: fixture.region.advanced(by: 33)))
        #expect((0..<64).allSatisfy { loaded.byte($0) == UInt8(33 + $0) })
    }

    @Test func `A descriptor that is not all memory is not read`() throws {
        let fixture = try OperationsFixture(pageCount: 1)
        #expect(fixture.memory.loadDescriptor(at: fixture.region.advanced(by: 4032)) != nil)
        #expect(fixture.memory.loadDescriptor(at: fixture.region.advanced(by: 4033)) == nil)
    }

    @Test func `A record is written at its 32 bytes and nowhere else`() throws {
        let fixture = try OperationsFixture(pageCount: 1)
        fixture.setBytes(ofPage: 0, to: [UInt8](repeating: 0xEE, count: 128))
        var record = CompletionRecord(status: .pageFault)
        record.faultWasWrite = true
        record.result = 1
        record.bytesCompleted = 0x0403_0201
        record.faultAddress = LinearAddress(rawValue: 0x1817_1615_1413_1211)
        record.crcValue = 0x2423_2221
        #expect(fixture.memory.publish(record, at: fixture.region.advanced(by: 32)))
        let written: [UInt8] = [
            0x83, 0x01, 0, 0, 1, 2, 3, 4, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x21, 0x22, 0x23, 0x24,
        ]
        let expected =
            [UInt8](repeating: 0xEE, count: 32) + written + [UInt8](repeating: 0, count: 12)
            + [UInt8](repeating: 0xEE, count: 64)
        #expect(Array(fixture.bytes(ofPage: 0)[..<128]) == expected)
        #expect(!fixture.memory.publish(record, at: HostPhysicalAddress(rawValue: 0xFF00 << 36)))
    }
}
