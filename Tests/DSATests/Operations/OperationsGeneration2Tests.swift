import DSA
import DSASpec
import PCIe
import Testing

private let source: UInt64 = 0x40_0000
private let destination: UInt64 = 0x80_0000

/// Two buffers of 20 pages, scattered over memory.
private func scattered() throws -> OperationsFixture {
    let fixture = try OperationsFixture(pageCount: 40)
    for page in 0..<20 {
        try fixture.map(source + UInt64(page) * 4096, toPage: 39 - page)
        try fixture.map(destination + UInt64(page) * 4096, toPage: page ^ 2)
    }
    return fixture
}

/// The model of dsa-device §4.4 for 64 bits, bit by bit: a register that shifts to the left.
private func modelCRC64(_ data: [UInt8], seed: UInt64, _ flags: DescriptorFlags) -> UInt64 {
    func reversed(_ value: UInt64, _ bits: Int) -> UInt64 {
        (0..<bits).reduce(0) { $0 | (value >> UInt64($1) & 1) << UInt64(bits - 1 - $1) }
    }
    let isBypassed = flags.contains(.bypassCRCInversion)
    var register = isBypassed ? seed : reversed(~seed, 64)
    for byte in data {
        let entering = flags.contains(.bypassDataReflection) ? UInt64(byte) : reversed(UInt64(byte), 8)
        register ^= entering << 56
        for _ in 0..<8 { register = register >> 63 == 1 ? register << 1 ^ 0xAD93_D235_94C9_3659 : register << 1 }
    }
    return isBypassed ? register : ~reversed(register, 64)
}

private let variants: [DescriptorFlags] = [
    [], .bypassDataReflection, .bypassCRCInversion, [.bypassDataReflection, .bypassCRCInversion],
]

@Suite("CRC64")
struct CRC64Tests {
    private static let vectors: [(data: [UInt8], value: UInt64)] = [
        (Array("123456789".utf8), 0xAE8B_1486_0A79_9888),
        ([UInt8](repeating: 0, count: 4096), 0x6482_D367_EB22_B64E),
        ([UInt8](repeating: 0xFF, count: 4096), 0xC0DD_BA73_02EC_A3AC),
    ]

    @Test(arguments: vectors)
    func `Vectors 9_1: CRC64 of digits, zeros and ones`(data: [UInt8], value: UInt64) throws {
        let fixture = try scattered()
        fixture.write(data, at: source + 5)
        let record = fixture.run(descriptor(.crcGeneration, .crc64, source: source + 5, size: data.count))
        #expect(record.status == .success)
        #expect(record.crc64Value == value)
        let copied = fixture.run(
            descriptor(.copyWithCRC, .crc64, source: source + 5, destination: destination + 9, size: data.count))
        #expect(copied == record)
        #expect(fixture.read(data.count + 1, at: destination + 9) == data + [0])
    }

    @Test(arguments: variants)
    func `Every size agrees with the register that shifts bit by bit, and chains`(flags: DescriptorFlags) throws {
        var generator = OperationsGenerator(seed: UInt64(flags.rawValue))
        let fixture = try scattered()
        let data = generator.bytes(9000)
        fixture.write(data, at: source)
        let seed: UInt64 = 0x1234_5678_9ABC_DEF0
        for size in Array(1...200) + [255, 256, 257, 4095, 4096, 4097, 8999] {
            let crc = descriptor(.crcGeneration, flags.union(.crc64), source: source, size: size).with {
                $0.crc64Seed = seed
            }
            let expected = modelCRC64(Array(data[0..<size]), seed: seed, flags)
            #expect(fixture.run(crc).crc64Value == expected, "\(size) bytes")
            guard size > 1 else { continue }
            let split = Int.random(in: 1..<size, using: &generator)
            let first = fixture.run(crc.with { $0.transferSize = UInt32(split) })
            let second = fixture.run(
                crc.with {
                    $0.sourceAddress = LinearAddress(rawValue: source + UInt64(split))
                    $0.transferSize = UInt32(size - split)
                    $0.crc64Seed = first.crc64Value
                })
            #expect(second.crc64Value == expected, "\(size) bytes, split at \(split)")
        }
    }

    @Test func `Read CRC Seed takes 8 bytes of seed from memory`() throws {
        let fixture = try scattered()
        fixture.write([1, 2, 3, 4, 5, 6, 7, 8], at: destination + 16)
        fixture.write(patternP(100), at: source)
        let inDescriptor = descriptor(.crcGeneration, .crc64, source: source, size: 100).with {
            $0.crc64Seed = 0x0807_0605_0403_0201
        }
        let inMemory = descriptor(.crcGeneration, [.crc64, .readCRCSeed], source: source, size: 100).with {
            $0.crcSeedAddress = LinearAddress(rawValue: destination + 16)
        }
        #expect(fixture.run(inMemory) == fixture.run(inDescriptor))
    }
}

@Suite("Fill with 16 bytes of pattern")
struct WideFillTests {
    @Test(arguments: [1, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 100, 4096, 9001])
    func `Byte i of the destination is byte i mod 16 of the pattern`(size: Int) throws {
        let fixture = try scattered()
        let pattern = (0..<16).map { UInt8($0 * 11 + 1) }
        for offset in [UInt64(0), 5, 4090] {
            let fill = descriptor(.fill, .widePattern, destination: destination + offset, size: size).with {
                $0.fillPattern = 0x4E43_382D_2217_0C01
                $0.fillPatternHigh = 0xA69B_9085_7A6F_6459
            }
            #expect(fixture.run(fill) == CompletionRecord(status: .success))
            let expected = (0..<size).map { pattern[$0 % 16] }
            #expect(fixture.read(size + 1, at: destination + offset) == expected + [0])
            fixture.write([UInt8](repeating: 0, count: size), at: destination + offset)
        }
    }

    @Test func `The pattern goes on over windows`() throws {
        let fixture = try OperationsFixture(pageCount: 70)
        for page in 0..<70 { try fixture.map(destination + UInt64(page) * 4096, toPage: page ^ 1) }
        let size = 69 * 4096
        let fill = descriptor(.fill, .widePattern, destination: destination + 3, size: size).with {
            $0.fillPattern = 0x0706_0504_0302_0100
            $0.fillPatternHigh = 0x0F0E_0D0C_0B0A_0908
        }
        #expect(fixture.run(fill) == CompletionRecord(status: .success))
        #expect(fixture.read(size, at: destination + 3) == (0..<size).map { UInt8($0 % 16) })
    }
}

@Suite("Translation Fetch")
struct TranslationFetchTests {
    private func fetch(size: Int, at address: UInt64 = source, stride: UInt32? = nil) -> Descriptor {
        descriptor(.translationFetch, stride == nil ? [] : .useStride, source: address, size: size).with {
            $0.destinationAddress = LinearAddress(rawValue: 0)
            if let stride { $0.regionStride = stride }
        }
    }

    @Test func `Translation Fetch of mapped pages completes and changes nothing`() throws {
        let fixture = try scattered()
        let before = fixture.allBytes
        #expect(fixture.run(fetch(size: 20 * 4096)) == CompletionRecord(status: .success))
        #expect(fixture.run(fetch(size: 1, at: source + 4095)) == CompletionRecord(status: .success))
        #expect(fixture.run(fetch(size: 20 * 4096, stride: 8192)) == CompletionRecord(status: .success))
        #expect(fixture.allBytes == before)
    }

    @Test func `A page that is not mapped faults as a read after the bytes before it`() throws {
        let fixture = try scattered()
        try fixture.unmap(source + 3 * 4096)
        let record = fixture.run(fetch(size: 10 * 4096, at: source + 100))
        #expect(record.status == .pageFault)
        #expect(!record.faultWasWrite)
        #expect(record.faultAddress.rawValue == source + 3 * 4096)
        #expect(record.bytesCompleted == 3 * 4096 - 100)
    }

    @Test func `With a stride only one address per stride is translated`() throws {
        let fixture = try scattered()
        try fixture.unmap(source + 3 * 4096)
        #expect(fixture.run(fetch(size: 10 * 4096, stride: 8192)) == CompletionRecord(status: .success))
        let record = fixture.run(fetch(size: 10 * 4096, at: source + 7, stride: 3 * 4096))
        #expect(record.status == .pageFault)
        #expect(record.faultAddress.rawValue == source + 7 + 3 * 4096)
        #expect(record.bytesCompleted == 3 * 4096)
    }

    @Test func `A region of more pages than a window is fetched window by window`() throws {
        let fixture = try OperationsFixture(pageCount: 200)
        for page in 0..<200 { try fixture.map(source + UInt64(page) * 4096, toPage: page) }
        var windows = 0
        let record = try fixture.run(fetch(size: 200 * 4096)) { windows = $0 }
        #expect(record == CompletionRecord(status: .success))
        #expect(windows == 3)
        try fixture.unmap(source + 150 * 4096)
        let faulting = fixture.run(fetch(size: 200 * 4096))
        #expect(faulting.bytesCompleted == 150 * 4096)
    }
}
