import DSA
import DSASpec
import PCIe
import Testing

/// A random data operation over three regions of twelve pages.
private struct RandomOperation {
    static let sourcePage = 16
    static let targetPage = 28
    static let thirdPage = 40
    static let pages = 16..<52

    let descriptor: Descriptor
    /// What lies in ``pages`` before.
    let memory: [UInt8]

    init(seed: UInt64, fixture: DeviceFixture) {
        var generator = OperationsGenerator(seed: seed)
        func random(_ range: Range<Int>) -> Int { Int.random(in: range, using: &generator) }
        let opcode: Opcode = [
            .memoryMove, .fill, .compare, .comparePattern, .createDeltaRecord, .applyDeltaRecord, .dualcast,
            .crcGeneration, .copyWithCRC, .difCheck, .difInsert, .difStrip, .difUpdate, .cacheFlush,
        ][Int(seed % 14)]
        var memory = generator.bytes(Self.pages.count * 4096)
        // Buffers that agree for a while let comparisons come far.
        if random(0..<2) == 0 {
            for index in 0..<(12 * 4096) { memory[12 * 4096 + index] = memory[index] }
            memory[12 * 4096 + random(0..<12 * 4096)] ^= 1
        }
        let alignment = [.createDeltaRecord, .applyDeltaRecord].contains(opcode) ? 8 : 1
        let offset = random(0..<4096) / alignment * alignment
        let source = fixture.page(Self.sourcePage) + UInt64(opcode == .applyDeltaRecord ? random(0..<4096) : offset)
        let sameOffset = opcode == .dualcast || opcode == .compare || opcode == .createDeltaRecord
        let target =
            fixture.page(Self.targetPage) + UInt64(sameOffset ? offset : random(0..<4096) / alignment * alignment)
        var size = random(1..<4 * 4096)
        var descriptor = fixture.descriptor(opcode, record: 0, source: source, destination: target)
        switch opcode {
        case .memoryMove where random(0..<3) == 0:
            descriptor.destinationAddress = LinearAddress(rawValue: source + UInt64(random(1..<size + 1)))
        case .cacheFlush:
            descriptor.sourceAddress = LinearAddress(rawValue: 0)
        case .crcGeneration:
            descriptor.destinationAddress = LinearAddress(rawValue: 0)
        case .dualcast:
            descriptor.destination2Address = LinearAddress(rawValue: fixture.page(Self.thirdPage) + UInt64(offset))
        case .createDeltaRecord:
            size = (size + 7) / 8 * 8
            descriptor.deltaRecordAddress = LinearAddress(
                rawValue: fixture.page(Self.thirdPage) + UInt64(random(0..<4096)))
            descriptor.maximumDeltaRecordSize = UInt32(random(80..<5 * 4096))
        case .applyDeltaRecord:
            size = (size + 7) / 8 * 8
            let entryCount = random(1..<900)
            var block = 0
            for entry in 0..<entryCount {
                let place = Int(source - fixture.page(Self.sourcePage)) + entry * 10
                memory[place] = UInt8(truncatingIfNeeded: block)
                memory[place + 1] = UInt8(truncatingIfNeeded: block >> 8)
                block += random(1..<3 + 2048 / entryCount)
            }
            descriptor.deltaRecordSize = UInt32(entryCount * 10)
        case .difCheck, .difInsert, .difStrip, .difUpdate:
            let flags = DIFFlags(rawValue: UInt8(random(0..<16)))
            descriptor.difFlags = flags
            let data = Int(flags.blockByteCount)
            size = random(1..<4) * (opcode == .difInsert ? data : data + 8)
            // Mostly without checks, which random fields do not pass.
            if opcode != .difInsert {
                descriptor.sourceDIFFlags = SourceDIFFlags(rawValue: random(0..<4) == 0 ? 0 : 0x60)
                descriptor.word6 = UInt64(truncatingIfNeeded: generator.next()) | 0xFFFF << 32
            }
            if opcode == .difInsert || opcode == .difUpdate {
                descriptor.word7 = generator.next()
                descriptor.destinationDIFFlags = DestinationDIFFlags(rawValue: UInt8(random(0..<32)) << 3)
            }
            if opcode == .difCheck { descriptor.destinationAddress = LinearAddress(rawValue: 0) }
        default:
            break
        }
        descriptor.transferSize = UInt32(size)
        if opcode == .crcGeneration || opcode == .copyWithCRC, random(0..<2) == 0 {
            descriptor.flags.insert(.readCRCSeed)
            descriptor.crcSeedAddress = LinearAddress(
                rawValue: fixture.page(Self.thirdPage) + UInt64(random(0..<1024) * 4))
        }
        self.descriptor = descriptor
        self.memory = memory
    }
}

@Suite("Block On Fault at random")
struct BlockOnFaultPropertyTests {
    @Test(arguments: UInt64(0)..<56)
    func `Whatever pages are missing, an operation that waits for them does what an undisturbed one does`(
        batch: UInt64
    ) throws {
        var requestCount = 0
        var statuses: Set<UInt8> = []
        for seed in batch * 20..<(batch + 1) * 20 {
            let undisturbed = try DeviceFixture.askingForPages()
            let operation = RandomOperation(seed: seed, fixture: undisturbed)
            undisturbed.write(operation.memory, at: undisturbed.page(16))
            try undisturbed.enqueue(operation.descriptor)
            undisturbed.run()
            statuses.insert(undisturbed.status(0).rawValue)

            let fixture = try DeviceFixture.askingForPages()
            fixture.write(operation.memory, at: fixture.page(16))
            var generator = OperationsGenerator(seed: ~seed)
            for page in RandomOperation.pages {
                switch Int.random(in: 0..<6, using: &generator) {
                case 0, 1: try fixture.unmap(page: page)
                case 2: try fixture.map(page: page, writable: false)
                default: break
                }
            }
            try fixture.enqueue(operation.descriptor.with { $0.flags.insert(.blockOnFault) })
            fixture.run()
            while let request = fixture.pageRequests.first {
                requestCount += 1
                // Sometimes the answer comes before the page does.
                if Int.random(in: 0..<4, using: &generator) > 0 {
                    let page = Int(request.address.rawValue - DeviceFixture.base) / 4096
                    try fixture.map(page: page, writable: true)
                }
                try fixture.answer(.success)
            }
            #expect(fixture.record(0) == undisturbed.record(0), "seed \(seed)")
            let count = RandomOperation.pages.count * 4096
            #expect(
                fixture.read(count, at: fixture.page(16)) == undisturbed.read(count, at: undisturbed.page(16)),
                "seed \(seed)")
        }
        #expect(requestCount > 0 && statuses.contains(CompletionStatus.success.rawValue), "seeds from \(batch * 20)")
    }
}
