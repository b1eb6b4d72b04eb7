import DSASpec
import PCIe
import Testing

/// A row of dsa-device §9.1: the CRC Values for the flags normal, bit 18, bit 17, both.
struct CRCRow: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let data: [UInt8]
    let seed: UInt32
    let values: [UInt32]

    init(_ name: String, _ data: [UInt8], seed: UInt32 = 0, _ values: UInt32...) {
        testDescription = "\(name), seed \(String(seed, radix: 16))"
        self.data = data
        self.seed = seed
        self.values = values
    }

    static let flags: [DescriptorFlags] = [
        [], .bypassDataReflection, .bypassCRCInversion, [.bypassDataReflection, .bypassCRCInversion],
    ]

    private static let digits = Array("123456789".utf8)
    private static let zeros = [UInt8](repeating: 0x00, count: 32)
    private static let ones = [UInt8](repeating: 0xFF, count: 32)
    private static let readPDU: [UInt8] = [
        0x01, 0xC0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x14, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00, 0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x18,
        0x28, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    ]

    static let all = [
        CRCRow("123456789", digits, 0xE306_9283, 0xA8F0_22A0, 0x045F_C71A, 0xC052_A8C8),
        CRCRow("123456789", digits, seed: 0x1234_5678, 0x27D8_7B6A, 0x6C2E_CB49, 0xA1B2_03F2, 0x65BF_6C20),
        CRCRow("32 x 00", zeros, 0x8A91_36AA, 0x8A91_36AA, 0x0000_0000, 0x0000_0000),
        CRCRow("32 x 00", zeros, seed: 0x1234_5678, 0x90C2_769D, 0x90C2_769D, 0x6A58_3614, 0x6A58_3614),
        CRCRow("32 x FF", ones, 0x62A8_AB43, 0x62A8_AB43, 0x97B9_9C17, 0x97B9_9C17),
        CRCRow("32 x FF", ones, seed: 0x1234_5678, 0x78FB_EB74, 0x78FB_EB74, 0xFDE1_AA03, 0xFDE1_AA03),
        CRCRow("00 01 .. 1f", Array(0...31), 0x46DD_794E, 0x29B1_E0F6, 0x27F2_3233, 0x3A6B_04C5),
        CRCRow("1f 1e .. 00", Array((0...31).reversed()), 0x113F_DB5C, 0x9D7C_1D84, 0x6FB7_75D9, 0x74D4_B7E8),
        CRCRow("iSCSI READ(10)", readPDU, 0xD996_3A56, 0x2224_B9B8, 0xF700_588F, 0x80C1_1550),
        CRCRow("P x 512", patternP(4096), 0x820C_97A4, 0x9F3E_18C1, 0xB46B_AF58, 0x129A_E3E0),
        CRCRow("P x 512", patternP(4096), seed: 0x1234_5678, 0x1B6F_4410, 0x065D_CB75, 0xBDA3_79A6, 0x1B52_351E),
        CRCRow("one 00 byte", [0x00], 0x527D_5351),
        CRCRow("a", Array("a".utf8), 0xC1D0_4330),
        CRCRow("abc", Array("abc".utf8), 0x364B_3FB7),
        CRCRow("fox", Array("The quick brown fox jumps over the lazy dog".utf8), 0x2262_0404),
        CRCRow("4096 x 00", [UInt8](repeating: 0, count: 4096), 0x98F9_4189),
        CRCRow("P, 1 byte", patternP(1), 0xEF5E_C76F),
        CRCRow("P, 2 bytes", patternP(2), 0x11E2_C8C7),
        CRCRow("P, 3 bytes", patternP(3), 0x7EE9_ED2B),
        CRCRow("P, 4 bytes", patternP(4), 0x1173_7FED),
        CRCRow("P, 5 bytes", patternP(5), 0xBB78_336E),
        CRCRow("P, 6 bytes", patternP(6), 0xEBF2_0E87),
        CRCRow("P, 7 bytes", patternP(7), 0x3747_83E6),
        CRCRow("P, 8 bytes", patternP(8), 0x65B0_D823),
        CRCRow("P, 1 byte", patternP(1), seed: 0x1234_5678, 0x140D_FFFB),
        CRCRow("P, 65536 bytes", patternP(65536), seed: 0x1234_5678, 0xFC6E_B848),
    ]
}

@Suite("CRC vectors 9.1")
struct CRCVectorTests {
    private static let source: UInt64 = 0x40_0000
    private static let destination: UInt64 = 0x80_0000

    private func fixture() throws -> OperationsFixture {
        let fixture = try OperationsFixture(pageCount: 40)
        for page in 0..<17 {
            try fixture.map(Self.source + UInt64(page) * 4096, toPage: 2 * page)
            try fixture.map(Self.destination + UInt64(page) * 4096, toPage: 2 * page + 1)
        }
        return fixture
    }

    /// The row's data begins so that it crosses a page boundary when it can.
    private func place(_ row: CRCRow, in fixture: OperationsFixture) -> UInt64 {
        let address = Self.source + 4096 - UInt64(min(row.data.count / 2, 100))
        fixture.write(row.data, at: address)
        return address
    }

    @Test(arguments: CRCRow.all)
    func `Vectors 9_1: CRC Generation returns the CRC Value of each flag combination`(row: CRCRow) throws {
        let fixture = try fixture()
        let address = place(row, in: fixture)
        for (flags, value) in zip(CRCRow.flags, row.values) {
            let record = fixture.run(
                descriptor(.crcGeneration, flags, source: address, size: row.data.count).with { $0.crcSeed = row.seed })
            #expect(record.status == .success)
            #expect(record.crcValue == value, "flags \(flags.rawValue)")
            #expect(record.bytesCompleted == 0)
        }
    }

    @Test(arguments: CRCRow.all)
    func `Vectors 9_1: Copy with CRC returns the same value and copies the data`(row: CRCRow) throws {
        let fixture = try fixture()
        let address = place(row, in: fixture)
        for (flags, value) in zip(CRCRow.flags, row.values) {
            let copied = Self.destination + 17
            fixture.write([UInt8](repeating: 0xAA, count: row.data.count + 1), at: copied)
            let record = fixture.run(
                descriptor(.copyWithCRC, flags, source: address, destination: copied, size: row.data.count)
                    .with { $0.crcSeed = row.seed })
            #expect(record.crcValue == value, "flags \(flags.rawValue)")
            #expect(fixture.read(row.data.count + 1, at: copied) == row.data + [0xAA])
        }
    }

    @Test func `Vectors 9_1: the CRC Value of a first part is the seed of the rest: 1234, then 56789`() throws {
        let fixture = try fixture()
        fixture.write(Array("123456789".utf8), at: Self.source)
        let first = fixture.run(descriptor(.crcGeneration, source: Self.source, size: 4))
        #expect(first.crcValue == 0xF63A_F4EE)
        let second = fixture.run(
            descriptor(.crcGeneration, source: Self.source + 4, size: 5).with { $0.crcSeed = first.crcValue })
        #expect(second.crcValue == 0xE306_9283)
    }

    @Test(arguments: CRCRow.flags)
    func `CRC Values chain at every split, for every flag combination`(flags: DescriptorFlags) throws {
        let fixture = try fixture()
        fixture.write(patternP(64), at: Self.source)
        func value(_ range: Range<Int>, seed: UInt32) -> UInt32 {
            fixture.run(
                descriptor(.crcGeneration, flags, source: Self.source + UInt64(range.lowerBound), size: range.count)
                    .with { $0.crcSeed = seed }
            ).crcValue
        }
        let whole = value(0..<64, seed: 0x1234_5678)
        for split in 1..<64 {
            #expect(value(split..<64, seed: value(0..<split, seed: 0x1234_5678)) == whole, "split at \(split)")
        }
    }

    @Test(arguments: [Opcode.crcGeneration, .copyWithCRC])
    func `Read CRC Seed takes the seed from memory`(opcode: Opcode) throws {
        let fixture = try fixture()
        fixture.write(Array("123456789".utf8), at: Self.source)
        fixture.write([0x78, 0x56, 0x34, 0x12], at: Self.source + 0x1FFC)
        let record = fixture.run(
            descriptor(
                opcode, .readCRCSeed, source: Self.source, destination: opcode == .copyWithCRC ? Self.destination : 0,
                size: 9
            ).with { $0.crcSeedAddress = LinearAddress(rawValue: Self.source + 0x1FFC) })
        #expect(record.crcValue == 0x27D8_7B6A)
    }

    @Test(arguments: [Opcode.crcGeneration, .copyWithCRC])
    func `A fault on the seed address completes no byte`(opcode: Opcode) throws {
        let fixture = try fixture()
        let record = fixture.run(
            descriptor(opcode, .readCRCSeed, source: Self.source, destination: Self.destination, size: 9)
                .with { $0.crcSeedAddress = LinearAddress(rawValue: 0x77_0004) })
        #expect(record.status == .pageFault)
        #expect(!record.faultWasWrite)
        #expect(record.faultAddress.rawValue == 0x77_0004)
        #expect(record.bytesCompleted == 0)
    }
}
