import DSA
import DSASpec
import PCIe
import Testing

private let source1: UInt64 = 0x40_0000
private let source2: UInt64 = 0x80_0000
private let target: UInt64 = 0xC0_0000
/// A delta record that begins 6 bytes before a page: its first entry lies in two pages.
private let delta: UInt64 = 0x100_0FFA

/// Two sources, a target and a record, of four pages each, scattered over memory.
private func scattered() throws -> OperationsFixture {
    let fixture = try OperationsFixture(pageCount: 16)
    for page in 0..<4 {
        try fixture.map(source1 + UInt64(page) * 4096, toPage: 15 - page)
        try fixture.map(source2 + UInt64(page) * 4096, toPage: [8, 10, 9, 11][page])
        try fixture.map(target + UInt64(page) * 4096, toPage: [5, 4, 7, 6][page])
        try fixture.map(delta / 4096 * 4096 + UInt64(page) * 4096, toPage: [0, 2, 1, 3][page])
    }
    return fixture
}

private func create(size: Int, maximum: UInt32, at address: UInt64 = delta) -> Descriptor {
    descriptor(.createDeltaRecord, source: source1, destination: source2, size: size).with {
        $0.deltaRecordAddress = LinearAddress(rawValue: address)
        $0.maximumDeltaRecordSize = maximum
    }
}

private func apply(recordSize: UInt32, size: Int, at address: UInt64 = delta) -> Descriptor {
    descriptor(.applyDeltaRecord, source: address, destination: target, size: size).with {
        $0.deltaRecordSize = recordSize
    }
}

/// The bytes of an entry.
private func entry(_ offset: UInt16, _ data: [UInt8]) -> [UInt8] {
    precondition(data.count == 8)
    return [UInt8(offset & 0xFF), UInt8(offset >> 8)] + data
}

private func entry(_ offset: UInt16, repeating byte: UInt8) -> [UInt8] {
    entry(offset, [UInt8](repeating: byte, count: 8))
}

@Suite("Vectors 9.3, delta records")
struct DeltaVectorTests {
    /// Vector 1.
    private static let record: [UInt8] = [
        0x00, 0x00, 0x01, 0, 0, 0, 0, 0, 0, 0, 0x01, 0x00, 0, 0, 0, 0, 0, 0, 0, 0xAA, 0x05, 0x00, 1, 2, 3, 4, 5, 6, 7,
        8,
    ]

    private func writeVector1(_ fixture: OperationsFixture) {
        fixture.write([0x01], at: source2)
        fixture.write([0xAA], at: source2 + 15)
        fixture.write([1, 2, 3, 4, 5, 6, 7, 8], at: source2 + 40)
    }

    @Test func `Vector 1: Create Delta Record writes an entry for each block that differs`() throws {
        let fixture = try scattered()
        writeVector1(fixture)
        let record = fixture.run(create(size: 64, maximum: 80))
        #expect(record.status == .success)
        #expect(record.result == 1)
        #expect(record.deltaRecordSize == 30)
        #expect(record.bytesCompleted == 0)
        #expect(fixture.read(31, at: delta) == Self.record + [0])
    }

    @Test func `Vector 3: nine differing blocks of nine with a maximum of 80 overflow`() throws {
        for maximum in [UInt32(80), 81, 89] {
            let fixture = try scattered()
            fixture.write([UInt8](repeating: 7, count: 72), at: source2)
            let record = fixture.run(create(size: 72, maximum: maximum))
            #expect(record.status == .success)
            #expect(record.result == 2)
            #expect(record.deltaRecordSize == 80)
            #expect(record.bytesCompleted == 64)
            #expect(fixture.read(91, at: delta).suffix(11) == [UInt8](repeating: 0, count: 11))
        }
        let fixture = try scattered()
        fixture.write([UInt8](repeating: 7, count: 72), at: source2)
        let record = fixture.run(create(size: 72, maximum: 90))
        #expect(record.result == 1)
        #expect(record.deltaRecordSize == 90)
        #expect(record.bytesCompleted == 0)
    }

    @Test func `Vector 4: identical sources give Result 0 and no record`() throws {
        let fixture = try scattered()
        try fixture.protect(delta / 4096 * 4096)
        #expect(fixture.run(create(size: 16_384, maximum: 80)) == CompletionRecord(status: .success))
    }

    @Test func `Vector 5: Apply Delta Record makes a copy of source 1 equal to source 2`() throws {
        let fixture = try scattered()
        fixture.write(Self.record, at: delta)
        fixture.write([UInt8](repeating: 0, count: 64), at: target)
        #expect(fixture.run(apply(recordSize: 30, size: 64)) == CompletionRecord(status: .success))
        writeVector1(fixture)
        #expect(fixture.read(64, at: target) == fixture.read(64, at: source2))
    }

    @Test(arguments: [(1, 1), (2, 1)])
    func `Vector 6: an offset that is not above the one before it ends with 0x07 after 10 bytes`(
        first: UInt16, second: UInt16
    ) throws {
        let fixture = try scattered()
        fixture.write(entry(first, repeating: 1) + entry(second, repeating: 2), at: delta)
        let record = fixture.run(apply(recordSize: 20, size: 64))
        #expect(record.status == .deltaOffsetNotIncreasing)
        #expect(record.bytesCompleted == 10)
        #expect(record.result == 0)
        #expect(fixture.read(8, at: target + UInt64(first) * 8) == [UInt8](repeating: 1, count: 8))
        #expect(first == second || fixture.read(8, at: target + 8) == [UInt8](repeating: 0, count: 8))
    }

    @Test func `Vector 7: an offset of 8 on 64 bytes ends with 0x08 and changes nothing`() throws {
        let fixture = try scattered()
        fixture.write(entry(8, repeating: 1), at: delta)
        let before = fixture.read(4096, at: target)
        let record = fixture.run(apply(recordSize: 10, size: 64))
        #expect(record.status == .deltaOffsetOutOfRange)
        #expect(record.bytesCompleted == 0)
        #expect(fixture.read(4096, at: target) == before)
    }

    /// Result 0, 1 or 2, by how many of ten blocks differ.
    private static let outcomes: [(differing: Int, result: UInt8)] = [(0, 0), (3, 1), (9, 2)]

    @Test(arguments: outcomes, UInt8.min...UInt8.max)
    func `More vectors: Expected Result Mask has a bit for each Result, and bits 7 to 3 count for nothing`(
        outcome: (differing: Int, result: UInt8), mask: UInt8
    ) throws {
        let fixture = try scattered()
        fixture.write([UInt8](repeating: 7, count: outcome.differing * 8), at: source2)
        let checked = create(size: 80, maximum: 80).with {
            $0.flags.insert(.checkResult)
            $0.expectedResultMask = mask
        }
        let record = fixture.run(checked)
        #expect(record.result == outcome.result)
        #expect(record.status == (mask >> outcome.result & 1 == 1 ? .success : .successFalsePredicate))
        #expect(record.bytesCompleted == (outcome.result == 2 ? 64 : 0))
    }
}

@Suite("Delta records")
struct DeltaTests {
    @Test func `A record that is created and applied carries one buffer into the other`() throws {
        var generator = OperationsGenerator(seed: 4)
        for round in 0..<24 {
            let fixture = try scattered()
            let first = generator.bytes(8192)
            var second = first
            for _ in 0..<Int.random(in: 0...400, using: &generator) {
                second[Int.random(in: 0..<8192, using: &generator)] ^= 0x40
            }
            fixture.write(first, at: source1)
            fixture.write(second, at: source2)
            fixture.write(first, at: target)
            let created = fixture.run(create(size: 8192, maximum: 8000))
            #expect(created.status == .success)
            guard created.deltaRecordSize > 0 else { continue }
            let applied = fixture.run(apply(recordSize: created.deltaRecordSize, size: 8192))
            #expect(applied == CompletionRecord(status: .success), "round \(round)")
            #expect(fixture.read(8192, at: target) == second, "round \(round)")
        }
    }

    @Test func `A trailing fragment of an entry is ignored, wherever it lies`() throws {
        let fixture = try scattered()
        let last = delta / 4096 * 4096 + 4 * 4096
        fixture.write(entry(1, repeating: 1) + [2, 0, 5, 5], at: last - 14)
        for fragment in UInt32(0)...9 {
            let record = fixture.run(apply(recordSize: 10 + fragment, size: 64, at: last - 14))
            #expect(record == CompletionRecord(status: .success))
        }
        let expected = [0, 1, 0].flatMap { [UInt8](repeating: $0, count: 8) }
        #expect(fixture.read(24, at: target) == expected)
    }

    @Test func `Create Delta Record touches no page of its buffer that it does not fill`() throws {
        let fixture = try scattered()
        try fixture.unmap(delta + 6)
        fixture.write([UInt8](repeating: 7, count: 8), at: source2 + 16)
        let start = delta - 14
        #expect(fixture.run(create(size: 4096, maximum: 4000, at: start)).status == .success)
        #expect(fixture.read(10, at: start) == entry(2, repeating: 7))
    }

    @Test func `A fault on the delta buffer does not count the block that could not be recorded`() throws {
        let fixture = try scattered()
        try fixture.unmap(delta + 6)
        fixture.write([UInt8](repeating: 7, count: 8), at: source2 + 16)
        fixture.write([UInt8](repeating: 9, count: 8), at: source2 + 4096)
        let start = delta - 10
        let record = fixture.run(create(size: 8192, maximum: 4000, at: start))
        #expect(record.status == .pageFault)
        #expect(record.faultWasWrite)
        #expect(record.faultAddress.rawValue == delta + 6)
        #expect(record.bytesCompleted == 4096)
        #expect(record.result == 1)
        #expect(record.deltaRecordSize == 10)
        // The entry that lies across the fault is not begun.
        try fixture.restore(delta + 6)
        #expect(fixture.read(10, at: start + 10) == [UInt8](repeating: 0, count: 10))
    }

    @Test func `A fault before the first entry has Result 0`() throws {
        let fixture = try scattered()
        try fixture.unmap(source1 + 4096)
        let record = fixture.run(create(size: 8192, maximum: 80))
        #expect(record.status == .pageFault)
        #expect(!record.faultWasWrite)
        #expect(record.bytesCompleted == 4096)
        #expect(record.result == 0)
        #expect(record.deltaRecordSize == 0)
    }

    @Test func `An overflow found before a fault is reported instead of the fault`() throws {
        let fixture = try scattered()
        try fixture.unmap(source2 + 4096)
        fixture.write([UInt8](repeating: 7, count: 100), at: source2 + 8)
        let record = fixture.run(create(size: 8192, maximum: 80))
        #expect(record.status == .success)
        #expect(record.result == 2)
        #expect(record.bytesCompleted == 72)
    }

    @Test func `Apply Delta Record faults on a page of the destination that an entry writes, and on no other`() throws {
        let fixture = try scattered()
        try fixture.protect(target + 4096)
        fixture.write(entry(511, repeating: 1) + entry(1024, repeating: 2) + entry(1025, repeating: 3), at: delta)
        #expect(fixture.run(apply(recordSize: 30, size: 16_384)) == CompletionRecord(status: .success))
        #expect(fixture.read(8, at: target + 511 * 8) == [UInt8](repeating: 1, count: 8))
        #expect(fixture.read(8, at: target + 1025 * 8) == [UInt8](repeating: 3, count: 8))

        fixture.write(entry(1023, repeating: 4), at: delta + 10)
        let record = fixture.run(apply(recordSize: 30, size: 16_384))
        #expect(record.status == .pageFault)
        #expect(record.faultWasWrite)
        #expect(record.faultAddress.rawValue == target + 1023 * 8)
        #expect(record.bytesCompleted == 10)
    }

    @Test func `Apply Delta Record applies the whole entries before a fault of its record`() throws {
        let fixture = try scattered()
        try fixture.unmap(delta + 6)
        let start = delta - 18
        fixture.write(entry(0, repeating: 1) + entry(1, repeating: 2), at: start)
        let record = fixture.run(apply(recordSize: 40, size: 64, at: start))
        #expect(record.status == .pageFault)
        #expect(!record.faultWasWrite)
        #expect(record.faultAddress.rawValue == delta + 6)
        #expect(record.bytesCompleted == 20)
        #expect(fixture.read(16, at: target) == .init(repeating: 1, count: 8) + .init(repeating: 2, count: 8))
    }

    @Test func `A bad entry found before a fault is reported instead of the fault`() throws {
        let fixture = try scattered()
        try fixture.unmap(delta + 6)
        let start = delta - 24
        fixture.write(entry(3, repeating: 1) + entry(3, repeating: 2), at: start)
        let record = fixture.run(apply(recordSize: 40, size: 64, at: start))
        #expect(record.status == .deltaOffsetNotIncreasing)
        #expect(record.bytesCompleted == 10)
    }
}

/// Buffers of many windows.
@Suite("Long delta records")
struct LongDeltaTests {
    private static let pages = 128
    private static let size = pages * 4096
    /// Entries for every block of 0x80000 bytes, and some room.
    private static let recordPages = 162

    private func fixture() throws -> OperationsFixture {
        let fixture = try OperationsFixture(pageCount: 3 * Self.pages + Self.recordPages)
        for page in 0..<Self.pages {
            try fixture.map(source1 + UInt64(page) * 4096, toPage: page)
            try fixture.map(source2 + UInt64(page) * 4096, toPage: Self.pages + (page ^ 1))
            try fixture.map(target + UInt64(page) * 4096, toPage: 2 * Self.pages + (page ^ 3))
        }
        for page in 0..<Self.recordPages {
            try fixture.map(
                delta / 4096 * 4096 + UInt64(page) * 4096, toPage: 3 * Self.pages + (page ^ 1))
        }
        return fixture
    }

    @Test func `The largest delta differs in every block and needs more record than a window has`() throws {
        let fixture = try fixture()
        for page in 0..<Self.pages {
            fixture.setBytes(ofPage: Self.pages + page, to: [UInt8](repeating: UInt8(page) + 1, count: 4096))
        }
        let created = fixture.run(create(size: Self.size, maximum: 655_360))
        #expect(created.status == .success)
        #expect(created.result == 1)
        #expect(created.deltaRecordSize == 655_360)
        let applied = fixture.run(apply(recordSize: 655_360, size: Self.size))
        #expect(applied == CompletionRecord(status: .success))
        for page in 0..<Self.pages {
            let written = fixture.bytes(ofPage: 2 * Self.pages + (page ^ 3))
            let expected = fixture.bytes(ofPage: Self.pages + (page ^ 1))
            #expect(written == expected)
        }
    }

    @Test func `Entries that lie windows apart are applied, and faults between them are not met`() throws {
        let fixture = try fixture()
        let last = UInt16(Self.size / 8 - 1)
        for page in 1..<Self.pages - 1 { try fixture.unmap(target + UInt64(page) * 4096) }
        fixture.write(entry(0, repeating: 1) + entry(last, repeating: 2), at: delta)
        #expect(fixture.run(apply(recordSize: 20, size: Self.size)) == CompletionRecord(status: .success))
        #expect(fixture.read(8, at: target) == .init(repeating: 1, count: 8))
        #expect(fixture.read(8, at: target + UInt64(last) * 8) == .init(repeating: 2, count: 8))
    }

    @Test func `An entry that a window set aside is not read again`() throws {
        let fixture = try fixture()
        let last = UInt16(Self.size / 8 - 1)
        fixture.write(entry(0, repeating: 1) + entry(last, repeating: 2), at: delta)
        var windows = 0
        let record = try fixture.run(apply(recordSize: 20, size: Self.size)) { count in
            windows = count
            fixture.write(entry(1, repeating: 9), at: delta + 10)
        }
        #expect(windows == 1)
        #expect(record == CompletionRecord(status: .success))
        #expect(fixture.read(8, at: target + 8) == .init(repeating: 0, count: 8))
        #expect(fixture.read(8, at: target + UInt64(last) * 8) == .init(repeating: 2, count: 8))
    }

    @Test func `A record that changes while it is applied ends or completes, and stays in its destination`() throws {
        let fixture = try fixture()
        for page in 0..<Self.recordPages {
            var generator = OperationsGenerator(seed: UInt64(page))
            fixture.setBytes(ofPage: 3 * Self.pages + page, to: generator.bytes(4096))
        }
        var generator = OperationsGenerator(seed: 77)
        for _ in 0..<50 {
            fixture.write(entry(UInt16.random(in: 0..<64, using: &generator), repeating: 1), at: delta)
            let record = try fixture.run(apply(recordSize: 655_360, size: 65_536)) { _ in
                fixture.write(generator.bytes(64), at: delta + 10)
            }
            #expect([.deltaOffsetNotIncreasing, .deltaOffsetOutOfRange].contains(record.status))
        }
        #expect(fixture.read(4096, at: target + 65_536) == [UInt8](repeating: 0, count: 4096))
    }
}

@Suite("Resuming delta records")
struct DeltaResumeTests {
    /// One fault after another, each met by mapping its page and submitting what is left, as dsa-device §4.3 says.
    @Test(arguments: UInt64(0)..<24)
    func `Create Delta Record resumes to the entries of an undisturbed run`(seed: UInt64) throws {
        var generator = OperationsGenerator(seed: seed)
        let size = 4096 * 3
        let first = generator.bytes(size)
        var second = first
        for _ in 0..<Int.random(in: 0...300, using: &generator) {
            second[Int.random(in: 0..<size, using: &generator)] ^= 1
        }
        let undisturbed = try scattered()
        undisturbed.write(first, at: source1)
        undisturbed.write(second, at: source2)
        let whole = undisturbed.run(create(size: size, maximum: 8000))

        let fixture = try scattered()
        fixture.write(first, at: source1)
        fixture.write(second, at: source2)
        for base in [source1, source2, delta / 4096 * 4096] {
            for page in UInt64(0)..<3 where generator.next() & 1 == 0 { try fixture.unmap(base + page * 4096) }
        }
        var next = create(size: size, maximum: 8000)
        var compared: UInt32 = 0
        var written: UInt32 = 0
        var faults = 0
        while true {
            let record = fixture.run(next)
            // Entries of a continuation count from 0 again: software adds what was compared before it.
            for index in 0..<UInt64(record.deltaRecordSize / 10) {
                let address = next.deltaRecordAddress.rawValue + index * 10
                let bytes = fixture.read(2, at: address)
                let offset = UInt32(bytes[0]) + UInt32(bytes[1]) << 8 + compared / 8
                fixture.write([UInt8(offset & 0xFF), UInt8(offset >> 8)], at: address)
            }
            written += record.deltaRecordSize
            guard record.status == .pageFault else {
                #expect(record.status == .success)
                break
            }
            #expect(record.bytesCompleted % 8 == 0)
            #expect(record.result == (record.deltaRecordSize > 0 ? 1 : 0))
            compared += record.bytesCompleted
            faults += 1
            try #require(faults < 20)
            try fixture.restore(record.faultAddress.rawValue)
            next = create(size: size - Int(compared), maximum: 8000 - written, at: delta + UInt64(written)).with {
                $0.sourceAddress = LinearAddress(rawValue: source1 + UInt64(compared))
                $0.destinationAddress = LinearAddress(rawValue: source2 + UInt64(compared))
            }
        }
        #expect(written == whole.deltaRecordSize)
        if written > 0 {
            #expect(fixture.read(Int(written), at: delta) == undisturbed.read(Int(written), at: delta), "seed \(seed)")
        }
    }

    @Test(arguments: UInt64(0)..<24)
    func `Apply Delta Record resumes to the destination of an undisturbed run`(seed: UInt64) throws {
        var generator = OperationsGenerator(seed: seed)
        let size = 4096 * 4
        var bytes: [UInt8] = []
        var offset = 0
        while true {
            offset += Int.random(in: 1...20, using: &generator)
            guard offset < size / 8 else { break }
            bytes += entry(UInt16(offset), generator.bytes(8))
        }
        let undisturbed = try scattered()
        undisturbed.write(bytes, at: delta)
        let whole = undisturbed.run(apply(recordSize: UInt32(bytes.count), size: size))
        #expect(whole == CompletionRecord(status: .success))

        let fixture = try scattered()
        fixture.write(bytes, at: delta)
        for base in [target, delta / 4096 * 4096] {
            for page in UInt64(0)..<4 where generator.next() & 1 == 0 { try fixture.unmap(base + page * 4096) }
        }
        var applied: UInt32 = 0
        for _ in 0..<10 {
            let record = fixture.run(
                apply(recordSize: UInt32(bytes.count) - applied, size: size, at: delta + UInt64(applied)))
            guard record.status == .pageFault else {
                #expect(record == CompletionRecord(status: .success))
                break
            }
            #expect(record.bytesCompleted % 10 == 0)
            applied += record.bytesCompleted
            try fixture.restore(record.faultAddress.rawValue)
        }
        for page in UInt64(0)..<4 where !fixture.isMapped(target + page * 4096) {
            try fixture.restore(target + page * 4096)
        }
        #expect(fixture.read(size, at: target) == undisturbed.read(size, at: target), "seed \(seed)")
    }
}
