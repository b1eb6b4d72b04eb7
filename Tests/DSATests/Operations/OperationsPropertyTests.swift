import DSASpec
import PCIe
import Testing

/// The operations as the specification words them, byte at a time. It shares no code with the device.
private struct ByteOracle {
    struct Page {
        var physical: Int
        var isWritable: Bool
    }

    /// The linear pages from ``RandomSpace/base`` up; `nil` is not mapped, and neither is what lies outside.
    var pages: [Page?]
    /// All pages of physical memory, end to end.
    var physical: [UInt8]

    private func canAccess(_ address: UInt64, write: Bool) -> Bool {
        let page = Int(address / 4096) - Int(RandomSpace.base / 4096)
        guard pages.indices.contains(page), let found = pages[page] else { return false }
        return !write || found.isWritable
    }

    private func location(_ address: UInt64) -> Int {
        let page = pages[Int((address - RandomSpace.base) / 4096)]
        return (page?.physical ?? -1) * 4096 + Int(address % 4096)
    }

    private func load(_ address: UInt64) -> UInt8 {
        physical[location(address)]
    }

    private mutating func store(_ byte: UInt8, at address: UInt64) {
        physical[location(address)] = byte
    }

    /// Carries `descriptor` out and returns what its record says.
    mutating func run(_ descriptor: Descriptor) -> CompletionRecord {
        let source = descriptor.sourceAddress.rawValue
        let destination = descriptor.destinationAddress.rawValue
        let destination2 = descriptor.destination2Address.rawValue
        let size = UInt64(descriptor.transferSize)
        let operands: [(address: UInt64, write: Bool)] =
            switch descriptor.opcode {
            case .fill: [(destination, true)]
            case .cacheFlush: [(destination, false)]
            case .compare: [(source, false), (destination, false)]
            case .comparePattern, .crcGeneration: [(source, false)]
            case .dualcast: [(source, false), (destination, true), (destination2, true)]
            default: [(source, false), (destination, true)]
            }
        let isBackward = descriptor.opcode == .memoryMove && destination > source && destination - source < size
        var crc = ByteCRC(descriptor)
        for count in 0..<size {
            let index = isBackward ? size - 1 - count : count
            if let blocked = operands.first(where: { !canAccess($0.address + index, write: $0.write) }) {
                var record = CompletionRecord(status: .pageFault)
                record.faultWasWrite = blocked.write
                record.faultAddress = LinearAddress(rawValue: blocked.address + index)
                record.bytesCompleted = UInt32(count)
                record.result = isBackward ? 1 : 0
                if crc.isComputed { record.crcValue = crc.value }
                return record
            }
            let patternShift = index % 8 * 8
            switch descriptor.opcode {
            case .memoryMove:
                store(load(source + index), at: destination + index)
            case .fill:
                store(UInt8(truncatingIfNeeded: descriptor.fillPattern >> patternShift), at: destination + index)
            case .dualcast:
                store(load(source + index), at: destination + index)
                store(load(source + index), at: destination2 + index)
            case .crcGeneration:
                crc.append(load(source + index))
            case .copyWithCRC:
                crc.append(load(source + index))
                store(load(source + index), at: destination + index)
            case .compare where load(source + index) != load(destination + index):
                return comparison(descriptor, differenceAt: index)
            case .comparePattern
            where load(source + index) != UInt8(truncatingIfNeeded: descriptor.comparePattern >> patternShift):
                return comparison(descriptor, differenceAt: index)
            default:
                break
            }
        }
        if descriptor.opcode == .compare || descriptor.opcode == .comparePattern {
            return comparison(descriptor, differenceAt: nil)
        }
        var record = CompletionRecord(status: .success)
        if crc.isComputed { record.crcValue = crc.value }
        return record
    }

    private func comparison(_ descriptor: Descriptor, differenceAt offset: UInt64?) -> CompletionRecord {
        let result: UInt8 = offset == nil ? 0 : 1
        let isTrue = !descriptor.flags.contains(.checkResult) || descriptor.expectedResult & 1 == result
        var record = CompletionRecord(status: isTrue ? .success : .successFalsePredicate)
        record.result = result
        record.bytesCompleted = UInt32(offset ?? 0)
        return record
    }
}

/// The model of dsa-device §4.4, bit by bit: a register that shifts to the left.
private struct ByteCRC {
    let isComputed: Bool
    private let bypassesInversion: Bool
    private let bypassesReflection: Bool
    private var register: UInt32

    init(_ descriptor: Descriptor) {
        isComputed = descriptor.opcode == .crcGeneration || descriptor.opcode == .copyWithCRC
        bypassesInversion = descriptor.flags.contains(.bypassCRCInversion)
        bypassesReflection = descriptor.flags.contains(.bypassDataReflection)
        register = bypassesInversion ? descriptor.crcSeed : Self.reversed(~descriptor.crcSeed)
    }

    mutating func append(_ byte: UInt8) {
        let entering = bypassesReflection ? UInt32(byte) : Self.reversed(UInt32(byte)) >> 24
        register ^= entering << 24
        for _ in 0..<8 {
            register = register >> 31 == 1 ? register << 1 ^ 0x1EDC_6F41 : register << 1
        }
    }

    var value: UInt32 { bypassesInversion ? register : ~Self.reversed(register) }

    private static func reversed(_ value: UInt32) -> UInt32 {
        (0..<32).reduce(0) { $0 | (value >> $1 & 1) << (31 - $1) }
    }
}

/// A random address space and its twin in the oracle.
private struct RandomSpace {
    static let base: UInt64 = 0x7F00_0000_0000
    let fixture: OperationsFixture
    var oracle: ByteOracle
    let linearPageCount: Int

    /// - Parameter holes: One page in so many is not mapped, and one is read-only; 0 for none.
    init(pageCount: Int, holes: Int, _ generator: inout OperationsGenerator) throws {
        fixture = try OperationsFixture(pageCount: pageCount)
        linearPageCount = pageCount
        // Mostly equal bytes, so that comparisons go far.
        let contents = (0..<pageCount).map { page in [UInt8](repeating: page % 16 == 0 ? 1 : 0, count: 4096) }
        oracle = ByteOracle(
            pages: Array(repeating: nil, count: pageCount), physical: contents.reduce(into: []) { $0 += $1 })
        var order = Array(0..<pageCount)
        // Half of the neighbours stay together, so that segments merge.
        for _ in 0..<pageCount / 2 {
            order.swapAt(
                Int.random(in: 0..<pageCount, using: &generator), Int.random(in: 0..<pageCount, using: &generator))
        }
        for (page, physical) in order.enumerated() {
            fixture.setBytes(ofPage: physical, to: contents[physical])
            let kind = holes == 0 ? 2 : Int.random(in: 0..<holes, using: &generator)
            guard kind != 0 else { continue }
            let address = Self.base + UInt64(page) * 4096
            try fixture.map(address, toPage: physical, writable: kind != 1)
            oracle.pages[page] = ByteOracle.Page(physical: physical, isWritable: kind != 1)
        }
    }

    func randomAddress(_ generator: inout OperationsGenerator) -> UInt64 {
        let page = Self.base + UInt64.random(in: 0..<UInt64(linearPageCount), using: &generator) * 4096
        return switch generator.next() % 4 {
        case 0: page
        case 1: page + 4096 - UInt64.random(in: 1...16, using: &generator)
        default: page + UInt64.random(in: 0..<4096, using: &generator)
        }
    }

    func randomSize(_ generator: inout OperationsGenerator) -> Int {
        switch generator.next() % 4 {
        case 0: Int.random(in: 1...40, using: &generator)
        case 1: Int.random(in: 1...4096, using: &generator)
        case 2: Int.random(in: 1...20_000, using: &generator)
        default: Int.random(in: 1...linearPageCount, using: &generator) * 4096
        }
    }

    func randomDescriptor(_ generator: inout OperationsGenerator) -> Descriptor {
        let opcodes: [Opcode] = [
            .memoryMove, .memoryMove, .fill, .compare, .comparePattern, .dualcast, .crcGeneration, .copyWithCRC,
            .cacheFlush,
        ]
        let opcode = opcodes.randomElement(using: &generator) ?? .memoryMove
        let size = randomSize(&generator)
        let source = randomAddress(&generator)
        var destination = randomAddress(&generator)
        if opcode == .memoryMove, generator.next() & 1 == 0 {
            let distance = UInt64.random(in: 0...UInt64(size), using: &generator)
            destination = generator.next() & 1 == 0 ? source + distance : source - distance
        }
        var result = descriptor(opcode, source: source, destination: destination, size: size)
        switch opcode {
        case .fill: result.fillPattern = generator.next() & 3 == 0 ? 0 : generator.next()
        case .comparePattern: result.comparePattern = 0
        case .dualcast: result.destination2Address = LinearAddress(rawValue: randomAddress(&generator))
        case .crcGeneration, .copyWithCRC:
            result.crcSeed = UInt32(truncatingIfNeeded: generator.next())
            if generator.next() & 1 == 0 { result.flags.insert(.bypassCRCInversion) }
            if generator.next() & 1 == 0 { result.flags.insert(.bypassDataReflection) }
        default: break
        }
        if opcode == .compare || opcode == .comparePattern {
            if generator.next() & 1 == 0 { result.flags.insert(.checkResult) }
            result.expectedResult = UInt8(truncatingIfNeeded: generator.next())
        }
        return result
    }

    /// Whether the specification refuses or leaves open what `descriptor` does: buffers of Dualcast and Copy with CRC
    /// that overlap.
    func isUndefined(_ descriptor: Descriptor) -> Bool {
        func overlap(_ left: LinearAddress, _ right: LinearAddress) -> Bool {
            let distance = max(left, right).rawValue - min(left, right).rawValue
            return distance < UInt64(descriptor.transferSize)
        }
        let (source, first) = (descriptor.sourceAddress, descriptor.destinationAddress)
        switch descriptor.opcode {
        case .copyWithCRC:
            return overlap(source, first)
        case .dualcast:
            let second = descriptor.destination2Address
            return overlap(source, first) || overlap(source, second) || overlap(first, second)
        default:
            return false
        }
    }

    /// Runs `descriptor` on both and compares records and all of memory.
    mutating func check(_ descriptor: Descriptor, _ context: String) {
        let expected = oracle.run(descriptor)
        let record = fixture.run(descriptor)
        #expect(record == expected, "\(context), opcode \(descriptor.opcode.rawValue), size \(descriptor.transferSize)")
        let isSame = fixture.allBytes == oracle.physical
        #expect(isSame, "memory after \(context), opcode \(descriptor.opcode.rawValue)")
    }
}

@Suite("Operations against a byte-at-a-time oracle")
struct OperationPropertyTests {
    @Test(arguments: UInt64(0)..<32)
    func `Any operation on any pages leaves the record and the memory that the specification says`(
        seed: UInt64
    ) throws {
        var generator = OperationsGenerator(seed: seed)
        var space = try RandomSpace(pageCount: 24, holes: seed % 3 == 0 ? 0 : 12, &generator)
        for step in 0..<24 {
            let descriptor = space.randomDescriptor(&generator)
            guard !space.isUndefined(descriptor) else { continue }
            space.check(descriptor, "seed \(seed), step \(step)")
        }
    }

    @Test(arguments: UInt64(100)..<106)
    func `Operations of several windows do so as well`(seed: UInt64) throws {
        var generator = OperationsGenerator(seed: seed)
        var space = try RandomSpace(pageCount: 160, holes: seed % 2 == 0 ? 0 : 160, &generator)
        for step in 0..<8 {
            let descriptor = space.randomDescriptor(&generator)
            guard !space.isUndefined(descriptor) else { continue }
            space.check(descriptor, "seed \(seed), step \(step)")
        }
    }

    /// Every operand's every page in turn, for every operation, forward and backward.
    @Test(arguments: [
        Opcode.memoryMove, .fill, .compare, .comparePattern, .dualcast, .crcGeneration, .copyWithCRC, .cacheFlush,
    ])
    func `A fault at any page is reported with the bytes before it`(opcode: Opcode) throws {
        for isReadOnly in [false, true] {
            for hole in 0..<15 {
                for overlapping in [false, true] where !overlapping || opcode == .memoryMove {
                    var generator = OperationsGenerator(seed: UInt64(hole))
                    var space = try RandomSpace(pageCount: 15, holes: 0, &generator)
                    let address = RandomSpace.base + UInt64(hole) * 4096
                    if isReadOnly {
                        try space.fixture.protect(address)
                        space.oracle.pages[hole]?.isWritable = false
                    } else {
                        try space.fixture.unmap(address)
                        space.oracle.pages[hole] = nil
                    }
                    let source = RandomSpace.base + 77
                    let destination = overlapping ? source + 1500 : RandomSpace.base + 5 * 4096 + 1234
                    let descriptor = descriptor(
                        opcode, source: source, destination: destination,
                        destination2: RandomSpace.base + 10 * 4096 + 1234, size: 16_000)
                    space.check(descriptor, "hole \(hole), read-only \(isReadOnly), overlapping \(overlapping)")
                }
            }
        }
    }
}
