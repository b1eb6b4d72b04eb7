import DSAOracle
import Testing

/// A model with some pages of memory from address 0x1000 on.
private struct Bench {
    static let base: UInt64 = 0x1000
    let memory = OracleMemory(runs: [OracleMemory.Run(firstPage: 1, pageCount: 16)])
    var context = OracleContext(
        generalCapabilities: 0x40_915F_0107, operations: 0x1_003F_03FF, workQueue: 0, maximumTransfer: 1 << 31,
        maximumBatch: 1024)

    /// Where the record stands.
    static let record: UInt64 = base + 15 * 4096

    func write(_ bytes: [UInt8], at address: UInt64) {
        for (index, byte) in bytes.enumerated() { memory.put(byte, atOffset: Int(address - Self.base) + index) }
    }

    func read(_ count: Int, at address: UInt64) -> [UInt8] {
        let start = Int(address - Self.base)
        return Array(memory.bytes[start..<start + count])
    }

    /// A descriptor with CRAV and RCR.
    func descriptor(
        _ opcode: UInt8, first: UInt64 = 0, second: UInt64 = 0, size: UInt64 = 0,
        with change: (inout RawDescriptor) -> Void = { _ in }
    ) -> RawDescriptor {
        var descriptor = RawDescriptor()
        descriptor.opcode = opcode
        descriptor.flags = 0x0C
        descriptor.recordAddress = Self.record
        descriptor.first = first
        descriptor.second = second
        descriptor.size = size
        change(&descriptor)
        return descriptor
    }

    /// Bytes 0-7, 16-23 and 24-31 of the record.
    func run(_ descriptor: RawDescriptor) -> (head: UInt64, low: UInt64, high: UInt64) {
        _ = Oracle(context: context).run(descriptor.bytes, on: memory)
        let record = read(32, at: Self.record)
        func word(_ start: Int) -> UInt64 {
            (0..<8).reduce(0) { $0 | UInt64(record[start + $1]) << UInt64($1 * 8) }
        }
        return (word(0), word(16), word(24))
    }
}

/// Status, Result and Bytes Completed as they stand in a record.
private func head(_ status: UInt64, result: UInt64 = 0, bytesCompleted: UInt64 = 0) -> UInt64 {
    status | result << 8 | bytesCompleted << 32
}

private let repeatedPattern: [UInt8] = [0xEF, 0xCD, 0xAB, 0x89, 0x67, 0x45, 0x23, 0x01]

@Suite("The model against the vectors")
struct ModelVectorTests {
    struct CRCVector: Sendable, CustomTestStringConvertible {
        let name: String
        let data: [UInt8]
        let seed: UInt64
        /// Normal, bypass of data reflection, bypass of inversion and reflection, both.
        let values: [UInt64]

        var testDescription: String { "\(name), seed \(String(seed, radix: 16))" }
    }

    static let digits = Array("123456789".utf8)

    static let vectors = [
        CRCVector(
            name: "123456789", data: digits, seed: 0, values: [0xE306_9283, 0xA8F0_22A0, 0x045F_C71A, 0xC052_A8C8]),
        CRCVector(
            name: "123456789", data: digits, seed: 0x1234_5678,
            values: [0x27D8_7B6A, 0x6C2E_CB49, 0xA1B2_03F2, 0x65BF_6C20]),
        CRCVector(
            name: "32 x 00", data: Array(repeating: 0, count: 32), seed: 0x1234_5678,
            values: [0x90C2_769D, 0x90C2_769D, 0x6A58_3614, 0x6A58_3614]),
        CRCVector(
            name: "32 x FF", data: Array(repeating: 0xFF, count: 32), seed: 0,
            values: [0x62A8_AB43, 0x62A8_AB43, 0x97B9_9C17, 0x97B9_9C17]),
        CRCVector(
            name: "00 to 1f", data: Array(0..<32), seed: 0,
            values: [0x46DD_794E, 0x29B1_E0F6, 0x27F2_3233, 0x3A6B_04C5]),
        CRCVector(
            name: "P x 512", data: (0..<4096).map { repeatedPattern[$0 % 8] }, seed: 0x1234_5678,
            values: [0x1B6F_4410, 0x065D_CB75, 0xBDA3_79A6, 0x1B52_351E]),
    ]

    @Test(arguments: vectors)
    func `Vectors 9_1: the model's CRC32C with every combination of flags`(vector: CRCVector) {
        for (index, value) in vector.values.enumerated() {
            let bench = Bench()
            bench.write(vector.data, at: 0x1003)
            let flags: [UInt32] = [0, 0x040000, 0x020000, 0x060000]
            let record = bench.run(
                bench.descriptor(Operation.crc, first: 0x1003, size: UInt64(vector.data.count)) {
                    $0.flags |= flags[index]
                    $0[40, 4] = vector.seed
                })
            #expect(record.head == head(1))
            #expect(record.low == value)
        }
    }

    @Test
    func `Vectors 9_1: the model's CRC64`() {
        for (data, value) in [
            (Self.digits, UInt64(0xAE8B_1486_0A79_9888)),
            (Array(repeating: UInt8(0xFF), count: 4096), 0xC0DD_BA73_02EC_A3AC),
        ] {
            var bench = Bench()
            bench.context.generalCapabilities |= 1 << 11
            bench.write(data, at: 0x1000)
            let record = bench.run(
                bench.descriptor(Operation.crc, first: 0x1000, size: UInt64(data.count)) { $0.flags |= 0x080000 })
            #expect(record.low == value)
        }
    }

    @Test(arguments: [
        (0, 512, [0x03, 0xC7] as [UInt8]), (1, 520, [0xCC, 0xB3]), (2, 4096, [0xA0, 0x83]), (3, 4104, [0x85, 0xC9]),
    ])
    func `Vectors 9_2: the model's DIF Insert`(kind: UInt8, blockSize: Int, guardTag: [UInt8]) {
        let bench = Bench()
        bench.write((0..<2 * blockSize).map { repeatedPattern[$0 % 8] }, at: 0x1000)
        let record = bench.run(
            bench.descriptor(Operation.difInsert, first: 0x1000, second: 0x5000, size: UInt64(2 * blockSize)) {
                $0.bytes[42] = kind
                $0[56, 4] = 0xABBA
                $0[62, 2] = 0xFACE
            })
        let destination = UInt64(0x5000 + blockSize)
        #expect(bench.read(8, at: destination)[..<2] == guardTag[...])
        #expect(bench.read(8, at: destination)[2...] == [0xFA, 0xCE, 0, 0, 0xAB, 0xBA])
        #expect(bench.read(8, at: destination + UInt64(blockSize) + 8)[2...] == [0xFA, 0xCE, 0, 0, 0xAB, 0xBB])
        #expect(record == (head(1), 0, 0xFACE_0000_0000_ABBC))
    }

    @Test
    func `Vectors 1 to 5: the model's delta records`() {
        let bench = Bench()
        var second = [UInt8](repeating: 0, count: 64)
        second[0] = 1
        second[15] = 0xAA
        second.replaceSubrange(40..<48, with: 1...8)
        bench.write(second, at: 0x2000)
        func create(maximum: UInt64, sources: (UInt64, UInt64) = (0x1000, 0x2000), size: UInt64 = 64) -> RawDescriptor {
            bench.descriptor(Operation.createDelta, first: sources.0, second: sources.1, size: size) {
                $0[40, 8] = 0x3000
                $0[48, 4] = maximum
            }
        }
        #expect(bench.run(create(maximum: 80)) == (head(1, result: 1), 30, 0))
        #expect(
            bench.read(30, at: 0x3000) == [
                0, 0, 1, 0, 0, 0, 0, 0, 0, 0,
                1, 0, 0, 0, 0, 0, 0, 0, 0, 0xAA,
                5, 0, 1, 2, 3, 4, 5, 6, 7, 8,
            ])
        #expect(bench.run(create(maximum: 79)).head == head(0x15))
        #expect(bench.run(create(maximum: 80, sources: (0x1000, 0x1000))) == (head(1), 0, 0))

        let applied = bench.run(
            bench.descriptor(Operation.applyDelta, first: 0x3000, second: 0x1000, size: 64) { $0[40, 4] = 30 })
        #expect(applied.head == head(1))
        #expect(bench.read(64, at: 0x1000) == second)

        bench.write([UInt8](repeating: 7, count: 72), at: 0x4000)
        bench.write([UInt8](repeating: 8, count: 72), at: 0x4100)
        let overflow = bench.run(create(maximum: 80, sources: (0x4000, 0x4100), size: 72))
        #expect(overflow == (head(1, result: 2, bytesCompleted: 64), 80, 0))
    }

    @Test
    func `Vectors 6 and 7: the model's offsets of a delta record`() {
        let bench = Bench()
        func apply(_ offsets: [UInt8]) -> UInt64 {
            bench.write(offsets.flatMap { [$0, 0, 0, 0, 0, 0, 0, 0, 0, 0] }, at: 0x3000)
            return bench.run(
                bench.descriptor(Operation.applyDelta, first: 0x3000, second: 0x1000, size: 64) {
                    $0[40, 4] = UInt64(offsets.count * 10)
                }
            ).head
        }
        #expect(apply([1, 1]) == head(0x07, bytesCompleted: 10))
        #expect(apply([2, 1]) == head(0x07, bytesCompleted: 10))
        #expect(apply([8]) == head(0x08))
    }

    @Test
    func `Vectors 8 to 13: the model's moves, fills and comparisons`() {
        let bench = Bench()
        bench.write([1], at: 0x1000 + 1000)
        let compare = bench.descriptor(Operation.compare, first: 0x1000, second: 0x2000, size: 4096)
        #expect(bench.run(compare).head == head(1, result: 1, bytesCompleted: 1000))
        var expecting = compare
        expecting.flags |= 0x80
        #expect(bench.run(expecting).head == head(2, result: 1, bytesCompleted: 1000))

        let fill = bench.descriptor(Operation.fill, second: 0x3000, size: 11) { $0.first = 0x0807_0605_0403_0201 }
        #expect(bench.run(fill).head == head(1))
        #expect(bench.read(12, at: 0x3000) == [1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 0])

        bench.write((0..<4096).map { UInt8(truncatingIfNeeded: $0 * 7) }, at: 0x4000)
        let before = bench.read(4096, at: 0x4000)
        let move = bench.descriptor(Operation.move, first: 0x4000, second: 0x4001, size: 4096)
        #expect(bench.run(move).head == head(1))
        #expect(bench.read(4096, at: 0x4001) == before)

        let dualcast = bench.descriptor(Operation.dualcast, first: 0x1000, second: 0x4000, size: 8) {
            $0[40, 8] = 0x6010
        }
        #expect(bench.run(dualcast).head == head(0x17))
        #expect(bench.run(bench.descriptor(Operation.move, first: 0x1000, second: 0x2000)).head == head(0x13))
    }

    @Test
    func `Vectors 27 and 28: the model's DIF Check of an all-ones field and of a masked tag`() {
        let bench = Bench()
        bench.write([UInt8](repeating: 0xFF, count: 8), at: 0x1000 + 512)
        func check(_ sourceFlags: UInt8, mask: UInt64 = 0) -> UInt64 {
            bench.run(
                bench.descriptor(Operation.difCheck, first: 0x1000, size: 520) {
                    $0.bytes[40] = sourceFlags
                    $0[52, 2] = mask
                }
            ).head
        }
        #expect(check(0x02) == head(1))
        #expect(check(0x03) == head(0x09, result: 0x08))
        bench.write([0, 0, 0xFA, 0xCE, 0, 0, 0, 0], at: 0x1000 + 512)
        #expect(check(0, mask: 0xFFFF) == head(1))
        #expect(check(0) == head(0x09, result: 0x02))
    }
}
