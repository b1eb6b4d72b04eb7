import DSA
import DSASpec
import PCIe
import Testing

private let source: UInt64 = 0x40_0F05
private let destination: UInt64 = 0x80_0FF9

/// Two buffers of eight pages that begin near the end of a page, scattered over memory.
private func scattered() throws -> OperationsFixture {
    let fixture = try OperationsFixture(pageCount: 16)
    for page in 0..<8 {
        try fixture.map(source / 4096 * 4096 + UInt64(page) * 4096, toPage: 15 - page)
        try fixture.map(destination / 4096 * 4096 + UInt64(page) * 4096, toPage: page ^ 2)
    }
    return fixture
}

private func dif(_ opcode: Opcode, _ flags: DIFFlags = [], size: Int) -> Descriptor {
    descriptor(opcode, source: source, destination: destination, size: size).with { $0.difFlags = flags }
}

private let seeds = DIFTags(reference: 0x0000_ABBA, applicationMask: 0, application: 0xFACE)

/// A field as it stands in memory: each tag big-endian.
private func field(_ guardTag: UInt16, _ application: UInt16, _ reference: UInt32) -> [UInt8] {
    [
        UInt8(guardTag >> 8), UInt8(guardTag & 0xFF), UInt8(application >> 8), UInt8(application & 0xFF),
        UInt8(reference >> 24), UInt8(reference >> 16 & 0xFF), UInt8(reference >> 8 & 0xFF), UInt8(reference & 0xFF),
    ]
}

/// Blocks of 512 times P with guards of ``DIFFlags`` 0 and these tags.
private func protected(_ tags: [(application: UInt16, reference: UInt32)]) -> [UInt8] {
    tags.flatMap { patternP(512) + field(0x03C7, $0.application, $0.reference) }
}

/// A row of dsa-device §9.2: the guards for seed 0, inverted result, seed FFFF, both.
struct GuardRow: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let data: [UInt8]
    let guards: [UInt16?]

    init(_ name: String, _ data: [UInt8], _ guards: UInt16?...) {
        testDescription = name
        self.data = data
        self.guards = guards
    }

    /// Leading zeros do not change a CRC that starts from 0, so a block that ends with a message has its CRC.
    private static func ending(_ message: [UInt8]) -> [UInt8] {
        [UInt8](repeating: 0, count: 512 - message.count) + message
    }

    private static let digits = Array("123456789".utf8)
    /// CRC from FFFF is CRC from 0 of the message whose first two bytes are inverted.
    private static let startInverted = [digits[0] ^ 0xFF, digits[1] ^ 0xFF] + digits.dropFirst(2)

    static let all = [
        GuardRow("123456789", ending(digits), 0xD0DB, 0x2F24),
        GuardRow("123456789 from FFFF", ending(startInverted), 0x8E3C, 0x71C3),
        GuardRow("32 x FF", ending([UInt8](repeating: 0xFF, count: 32)), 0xA293),
        GuardRow("512 x 00", [UInt8](repeating: 0, count: 512), 0x0000, 0xFFFF, 0x72BB, 0x8D44),
        GuardRow("512 x FF", [UInt8](repeating: 0xFF, count: 512), 0xE6A1, 0x195E, 0x941A, 0x6BE5),
        GuardRow("00..ff twice", Array(0...255) + Array(0...255), 0x4F10, 0xB0EF, 0x3DAB, 0xC254),
        GuardRow("520 x 00", [UInt8](repeating: 0, count: 520), 0x0000, 0xFFFF, 0x3CA5, ~0x3CA5),
        GuardRow("4096 x 00", [UInt8](repeating: 0, count: 4096), 0x0000, 0xFFFF, 0xE7E2, ~0xE7E2),
        GuardRow("P x 64", patternP(512), 0x03C7, 0xFC38, 0x717C, 0x8E83),
        GuardRow("P x 65", patternP(520), 0xCCB3, 0x334C, 0xF016, 0x0FE9),
        GuardRow("P x 512", patternP(4096), 0xA083, 0x5F7C, 0x4761, 0xB89E),
        GuardRow("P x 513", patternP(4104), 0x85C9, 0x7A36, 0x371E, 0xC8E1),
    ]

    var blockFlags: DIFFlags {
        switch data.count {
        case 512: []
        case 520: .block520
        case 4096: .block4096
        default: .block4104
        }
    }
}

@Suite("Vectors 9.2, guards and DIF Insert")
struct DIFVectorTests {
    @Test(arguments: GuardRow.all)
    func `Vectors 9_2: DIF Insert writes the guard of each seed and result, and DIF Check takes no other`(
        row: GuardRow
    ) throws {
        let variants: [DIFFlags] = [[], .invertCRCResult, .invertCRCSeed, [.invertCRCSeed, .invertCRCResult]]
        for (variant, expected) in zip(variants, row.guards) {
            guard let expected else { continue }
            let fixture = try scattered()
            fixture.write(row.data, at: source)
            let flags = row.blockFlags.union(variant)
            let inserted = fixture.run(
                dif(.difInsert, flags, size: row.data.count).with { $0.destinationDIFTags = seeds })
            #expect(inserted.status == .success)
            let result = fixture.read(row.data.count + 9, at: destination)
            #expect(result == row.data + field(expected, 0xFACE, 0xABBA) + [0])

            let check = dif(.difCheck, flags, size: row.data.count + 8).with {
                $0.sourceAddress = LinearAddress(rawValue: destination)
                $0.sourceDIFTags = seeds
            }
            #expect(fixture.run(check).status == .success)
            let other = check.with { $0.difFlags = flags.symmetricDifference(.invertCRCResult) }
            #expect(fixture.run(other).difStatus == .guardMismatch)
        }
    }

    @Test func `Vectors 9_2: the second block's reference tag is one higher, and the record names the third`() throws {
        let fixture = try scattered()
        fixture.write(patternP(1024), at: source)
        let record = fixture.run(dif(.difInsert, size: 1024).with { $0.destinationDIFTags = seeds })
        #expect(
            fixture.read(1041, at: destination)
                == protected([(0xFACE, 0x0000_ABBA), (0xFACE, 0x0000_ABBB)]) + [0])
        #expect(record.destinationDIFTags == DIFTags(reference: 0xABBC, applicationMask: 0, application: 0xFACE))
        #expect(record.word2 == 0)
        #expect(record.bytesCompleted == 0)
    }

    @Test func `Vectors 9_2: an incrementing application tag counts unmasked, its mask clears bits of each`() throws {
        let fixture = try scattered()
        fixture.write(patternP(2048), at: source)
        let insert = dif(.difInsert, size: 2048).with {
            $0.destinationDIFFlags = [.incrementingApplicationTag, .fixedReferenceTag]
            $0.destinationDIFTags = DIFTags(reference: 7, applicationMask: 0xF000, application: 0xFFFE)
        }
        let record = fixture.run(insert)
        #expect(
            fixture.read(2080, at: destination)
                == protected([(0x0FFE, 7), (0x0FFF, 7), (0x0000, 7), (0x0001, 7)]))
        #expect(
            record.destinationDIFTags == DIFTags(reference: 7, applicationMask: 0xF000, application: 0x0002))
    }

    @Test func `Vector 27: a field of all ones is exempt with All F detect, 0x08 with the All-F error`() throws {
        let fixture = try scattered()
        fixture.write(patternP(512) + [UInt8](repeating: 0xFF, count: 8), at: source)
        let check = dif(.difCheck, size: 520).with { $0.sourceDIFTags = seeds }
        #expect(fixture.run(check).difStatus == [.guardMismatch, .applicationTagMismatch, .referenceTagMismatch])
        let detecting = check.with { $0.sourceDIFFlags = .allFDetect }
        #expect(fixture.run(detecting).status == .success)
        let reporting = check.with { $0.sourceDIFFlags = [.allFDetect, .enableAllFError] }
        let record = fixture.run(reporting)
        #expect(record.status == .difError)
        #expect(record.difStatus == .allF)
        #expect(record.bytesCompleted == 0)
        let withoutDetection = check.with { $0.sourceDIFFlags = .enableAllFError }
        #expect(fixture.run(withoutDetection).difStatus.contains(.allF) == false)
    }

    @Test func `Vector 28: an application mask of FFFF switches the application check off`() throws {
        let fixture = try scattered()
        fixture.write(protected([(0x1234, 0xABBA)]), at: source)
        let check = dif(.difCheck, size: 520).with { $0.sourceDIFTags = seeds }
        #expect(fixture.run(check).difStatus == .applicationTagMismatch)
        #expect(fixture.run(check.with { $0.sourceDIFTags.applicationMask = 0xFFFF }).status == .success)
    }

    @Test func `More vectors: DIF Update, seed 5, mask 000F, three blocks report Application Tag 0008`() throws {
        let fixture = try scattered()
        fixture.write(protected([(0, 0), (0, 1), (0, 2)]), at: source)
        let update = dif(.difUpdate, size: 1560).with {
            $0.sourceDIFFlags = .incrementingApplicationTag
            $0.sourceDIFTags = DIFTags(reference: 0, applicationMask: 0x000F, application: 5)
            $0.destinationDIFFlags = .incrementingApplicationTag
            $0.destinationDIFTags = DIFTags(reference: 9, applicationMask: 0x000F, application: 5)
        }
        let record = fixture.run(update)
        #expect(record.status == .success)
        #expect(record.sourceDIFTags == DIFTags(reference: 3, applicationMask: 0x000F, application: 8))
        #expect(record.destinationDIFTags == DIFTags(reference: 12, applicationMask: 0x000F, application: 8))
        #expect(fixture.read(1560, at: destination) == protected([(0, 9), (0, 10), (0, 11)]))

        let masked = fixture.run(update, openPoints: OpenPoints.with { $0.applicationTagReport = .masked })
        #expect(masked.sourceDIFTags.application == 0)
        #expect(masked.destinationDIFTags.application == 0)
    }
}

@Suite("DIF checks of a block")
struct DIFBlockTests {
    /// A block with tags 0x1111 and 0x22222222, one of its fields off.
    private static let rows: [(guardOff: Bool, applicationOff: Bool, referenceOff: Bool)] = [
        (false, false, false), (true, false, false), (false, true, false), (false, false, true), (true, true, true),
    ]

    @Test(arguments: [Opcode.difCheck, .difStrip, .difUpdate])
    func `DIF Status names each tag that is wrong, unless its check is disabled`(opcode: Opcode) throws {
        for row in Self.rows {
            let block =
                patternP(512)
                + field(
                    row.guardOff ? 0x03C6 : 0x03C7, row.applicationOff ? 0x1112 : 0x1111,
                    row.referenceOff ? 0x2222_2223 : 0x2222_2222)
            for disabled in 0..<8 {
                let fixture = try scattered()
                fixture.write(block, at: source)
                var expected = DIFStatus()
                if row.guardOff, disabled & 1 == 0 { expected.insert(.guardMismatch) }
                if row.applicationOff, disabled & 2 == 0 { expected.insert(.applicationTagMismatch) }
                if row.referenceOff, disabled & 4 == 0 { expected.insert(.referenceTagMismatch) }
                let checked = dif(opcode, size: 520).with {
                    if disabled & 1 != 0 { $0.sourceDIFFlags.insert(.guardCheckDisable) }
                    if disabled & 4 != 0 { $0.sourceDIFFlags.insert(.referenceTagCheckDisable) }
                    $0.sourceDIFTags = DIFTags(
                        reference: 0x2222_2222, applicationMask: disabled & 2 != 0 ? 0xFFFF : 0, application: 0x1111)
                }
                let record = fixture.run(checked)
                #expect(record.status == (expected.isEmpty ? .success : .difError))
                #expect(record.difStatus == expected)
                #expect(record.bytesCompleted == 0)
                #expect(record.sourceDIFTags.reference == 0x2222_2222 + (expected.isEmpty ? 1 : 0))
                guard !expected.isEmpty else { continue }
                #expect(fixture.read(520, at: destination) == [UInt8](repeating: 0, count: 520), "nothing is written")
            }
        }
    }

    /// Source DIF Flags, the field, and whether the block is exempt from checks that it would fail.
    private static let exemptions: [(flags: SourceDIFFlags, bytes: [UInt8], isExempt: Bool)] = [
        (.allFDetect, field(0xFFFF, 0xFFFF, 0xFFFF_FFFF), true),
        (.allFDetect, field(0xFFFE, 0xFFFF, 0xFFFF_FFFF), false),
        (.allFDetect, field(0xFFFF, 0xFFFF, 0xFFFF_FFFE), false),
        (.applicationFDetect, field(0, 0xFFFF, 0), true), (.applicationFDetect, field(0xFFFF, 0xFFFE, 0), false),
        (.applicationAndReferenceFDetect, field(0, 0xFFFF, 0xFFFF_FFFF), true),
        (.applicationAndReferenceFDetect, field(0, 0xFFFF, 0xFFFF_FFFE), false),
        (.applicationAndReferenceFDetect, field(0, 0xFFFE, 0xFFFF_FFFF), false),
        (.enableAllFError, field(0xFFFF, 0xFFFF, 0xFFFF_FFFF), false),
    ]

    @Test(arguments: exemptions)
    func `F detection exempts a block by its fields, and its tags count on`(
        flags: SourceDIFFlags, bytes: [UInt8], isExempt: Bool
    ) throws {
        let fixture = try scattered()
        fixture.write(patternP(512) + bytes + protected([(0xFACF, 0xABBB)]), at: source)
        let checked = dif(.difCheck, size: 1040).with {
            $0.sourceDIFFlags = flags.union(.incrementingApplicationTag)
            $0.sourceDIFTags = seeds
        }
        let record = fixture.run(checked)
        #expect(record.status == (isExempt ? .success : .difError))
        #expect(!record.difStatus.contains(.allF))
        #expect(record.sourceDIFTags.reference == (isExempt ? 0xABBC : 0xABBA))
        #expect(record.sourceDIFTags.application == (isExempt ? 0xFAD0 : 0xFACE))
    }

    @Test func `The All-F error wins over other F flags and disabled checks, unless configured otherwise`() throws {
        let fixture = try scattered()
        fixture.write(patternP(512) + [UInt8](repeating: 0xFF, count: 8), at: source)
        let all = dif(.difStrip, size: 520).with {
            $0.sourceDIFFlags = [
                .allFDetect, .enableAllFError, .applicationFDetect, .applicationAndReferenceFDetect,
                .guardCheckDisable, .referenceTagCheckDisable,
            ]
        }
        #expect(fixture.run(all).difStatus == .allF)
        let unchecked = all.with { $0.sourceDIFTags.applicationMask = 0xFFFF }
        #expect(fixture.run(unchecked).difStatus == .allF)
        let skipping = OpenPoints.with { $0.allFWithoutChecks = .skipped }
        #expect(fixture.run(all, openPoints: skipping).difStatus == .allF)
        #expect(fixture.run(unchecked, openPoints: skipping).status == .success)
    }

    @Test func `A partial mask is applied to the computed tag, by configuration to the stored one too`() throws {
        let fixture = try scattered()
        let both = OpenPoints.with { $0.applicationTagCompare = .storedMasked }
        let rows: [(stored: UInt16, asIs: Bool, masked: Bool)] = [
            (0xFAC0, true, true), (0xFACE, false, true), (0xFAD0, false, false),
        ]
        for (stored, asIs, masked) in rows {
            fixture.write(protected([(stored, 0xABBA)]), at: source)
            let checked = dif(.difCheck, size: 520).with {
                $0.sourceDIFTags = seeds
                $0.sourceDIFTags.applicationMask = 0x000F
            }
            #expect(fixture.run(checked).status == (asIs ? .success : .difError))
            #expect(fixture.run(checked, openPoints: both).status == (masked ? .success : .difError))
        }
    }

    @Test func `Fixed tags stay, incrementing ones wrap to 0`() throws {
        for (fixed, counting) in [(true, false), (false, true), (true, true), (false, false)] {
            let fixture = try scattered()
            let nextApplication: UInt16 = counting ? 0 : 0xFFFF
            let nextReference: UInt32 = fixed ? .max : 0
            fixture.write(protected([(0xFFFF, .max), (nextApplication, nextReference)]), at: source)
            let strip = dif(.difStrip, size: 1040).with {
                if fixed { $0.sourceDIFFlags.insert(.fixedReferenceTag) }
                if counting { $0.sourceDIFFlags.insert(.incrementingApplicationTag) }
                $0.sourceDIFTags = DIFTags(reference: .max, applicationMask: 0, application: 0xFFFF)
            }
            let record = fixture.run(strip)
            #expect(record.status == .success)
            #expect(
                record.sourceDIFTags
                    == DIFTags(
                        reference: fixed ? .max : 1, applicationMask: 0, application: counting ? 1 : 0xFFFF))
            #expect(fixture.read(1025, at: destination) == patternP(1024) + [0])
        }
    }

    @Test(arguments: 0..<8)
    func `DIF Update passes each tag through or writes a new one`(passes: Int) throws {
        let fixture = try scattered()
        let data = [UInt8](repeating: 0xFF, count: 512)
        fixture.write(data + field(0xBAD0, 0x1111, 0x2222_2222), at: source)
        let update = dif(.difUpdate, size: 520).with {
            $0.sourceDIFFlags = [.guardCheckDisable, .referenceTagCheckDisable]
            $0.sourceDIFTags.applicationMask = 0xFFFF
            if passes & 1 != 0 { $0.destinationDIFFlags.insert(.guardPassThrough) }
            if passes & 2 != 0 { $0.destinationDIFFlags.insert(.applicationTagPassThrough) }
            if passes & 4 != 0 { $0.destinationDIFFlags.insert(.referenceTagPassThrough) }
            $0.destinationDIFTags = DIFTags(reference: 0x3333_3333, applicationMask: 0xF0, application: 0x44FF)
        }
        #expect(fixture.run(update).status == .success)
        let expected = field(
            passes & 1 != 0 ? 0xBAD0 : 0xE6A1, passes & 2 != 0 ? 0x1111 : 0x440F,
            passes & 4 != 0 ? 0x2222_2222 : 0x3333_3333)
        #expect(fixture.read(520, at: destination) == data + expected)
    }

    @Test func `DIF Insert ignores the pass-through flags`() throws {
        let fixture = try scattered()
        fixture.write(patternP(512), at: source)
        let insert = dif(.difInsert, size: 512).with {
            $0.destinationDIFFlags = [.guardPassThrough, .applicationTagPassThrough, .referenceTagPassThrough]
            $0.destinationDIFTags = seeds
        }
        #expect(fixture.run(insert).status == .success)
        #expect(fixture.read(520, at: destination) == protected([(0xFACE, 0xABBA)]))
    }
}

@Suite("DIF errors and faults")
struct DIFProgressTests {
    /// Ten blocks of 512 bytes of which the eighth is wrong.
    private func broken() throws -> OperationsFixture {
        let fixture = try scattered()
        fixture.write(protected((0..<10).map { (UInt16($0 == 7 ? 99 : 5), UInt32($0)) }), at: source)
        return fixture
    }

    @Test(arguments: [Opcode.difCheck, .difStrip, .difUpdate])
    func `The first block that fails ends the operation, and the good ones before it are done`(opcode: Opcode) throws {
        let fixture = try broken()
        let checked = dif(opcode, size: 5200).with {
            $0.sourceDIFTags = DIFTags(reference: 0, applicationMask: 0, application: 5)
            $0.destinationDIFTags = DIFTags(reference: 100, applicationMask: 0, application: 6)
        }
        let record = fixture.run(checked)
        #expect(record.status == .difError)
        #expect(record.difStatus == .applicationTagMismatch)
        #expect(record.bytesCompleted == 7 * 520)
        #expect(record.sourceDIFTags == DIFTags(reference: 7, applicationMask: 0, application: 5))
        let written: [UInt8] =
            switch opcode {
            case .difStrip: patternP(7 * 512)
            case .difUpdate: protected((0..<7).map { (6, 100 + $0) })
            default: []
            }
        if opcode == .difUpdate {
            #expect(record.destinationDIFTags == DIFTags(reference: 107, applicationMask: 0, application: 6))
        }
        #expect(fixture.read(5200, at: destination) == written + [UInt8](repeating: 0, count: 5200 - written.count))
    }

    @Test func `A block that fails before a fault is reported instead of the fault`() throws {
        let fixture = try broken()
        try fixture.unmap(source + 8 * 520 + 300 - (source + 8 * 520 + 300) % 4096 + 4096)
        let record = fixture.run(
            dif(.difCheck, size: 15_600).with {
                $0.sourceDIFTags = DIFTags(reference: 0, applicationMask: 0, application: 5)
            })
        #expect(record.status == .difError)
    }

    /// Every operation, every block size, a fault at every page of either buffer.
    @Test(arguments: [Opcode.difCheck, .difInsert, .difStrip, .difUpdate], [512, 520, 4096, 4104])
    func `A fault leaves the block that it lies in undone, and those before it done`(
        opcode: Opcode, dataByteCount: Int
    ) throws {
        let flags = DIFFlags(rawValue: UInt8([512, 520, 4096, 4104].firstIndex(of: dataByteCount) ?? 0))
        let sourceStride = dataByteCount + (opcode == .difInsert ? 0 : 8)
        let destinationStride = opcode == .difCheck ? 0 : dataByteCount + (opcode == .difStrip ? 0 : 8)
        let blocks = 24_000 / (dataByteCount + 8)
        for page in 0..<14 {
            let inSource = page < 7
            let hole =
                (inSource ? source : destination) / 4096 * 4096 + UInt64(inSource ? page : page - 7) * 4096
            if !inSource && opcode == .difCheck { continue }
            let fixture = try scattered()
            fixture.write(patternP(blocks * sourceStride), at: source)
            try fixture.unmap(hole)
            let record = fixture.run(
                dif(opcode, flags, size: blocks * sourceStride).with {
                    if opcode != .difInsert {
                        $0.sourceDIFFlags = [.guardCheckDisable, .referenceTagCheckDisable]
                        $0.sourceDIFTags.applicationMask = 0xFFFF
                    }
                })
            let start = inSource ? source : destination
            let stride = inSource ? sourceStride : destinationStride
            let reached = hole < start ? 0 : Int(hole - start)
            guard reached < blocks * stride else {
                #expect(record.status == .success)
                continue
            }
            let done = reached / stride
            #expect(record.status == .pageFault, "page \(page)")
            #expect(record.faultWasWrite == !inSource)
            #expect(record.faultAddress.rawValue == max(hole, start))
            #expect(record.bytesCompleted == UInt32(done * sourceStride))
            if opcode != .difInsert { #expect(record.sourceDIFTags.reference == UInt32(done)) }
            if opcode == .difInsert || opcode == .difUpdate {
                #expect(record.destinationDIFTags.reference == UInt32(done))
            }
            try fixture.restore(hole)
            let written = fixture.read(blocks * destinationStride, at: destination)
            #expect(written.dropFirst(done * destinationStride).allSatisfy { $0 == 0 }, "page \(page)")
            if done > 0, destinationStride > 0 { #expect(written.first == 0xEF) }
        }
    }
}

@Suite("Resuming DIF operations")
struct DIFResumeTests {
    @Test(arguments: [Opcode.difCheck, .difInsert, .difStrip, .difUpdate], UInt64(0)..<12)
    func `A client that maps each page and submits the rest gets the bytes of an undisturbed run`(
        opcode: Opcode, seed: UInt64
    ) throws {
        var generator = OperationsGenerator(seed: seed)
        let flags = DIFFlags(rawValue: UInt8(seed & 3))
        let block = Int(flags.blockByteCount)
        let blocks = 20_000 / block
        let seeds = DIFTags(reference: .max - 1, applicationMask: 0x0F0F, application: 0xFFFE)
        let data = generator.bytes(blocks * block)

        // Insert makes the protected source of the others.
        let maker = try scattered()
        maker.write(data, at: source)
        let insert = dif(.difInsert, flags, size: blocks * block).with {
            $0.destinationDIFFlags = .incrementingApplicationTag
            $0.destinationDIFTags = seeds
        }
        #expect(maker.run(insert).status == .success)
        let shielded = maker.read(blocks * (block + 8), at: destination)

        let sourceStride = block + (opcode == .difInsert ? 0 : 8)
        let destinationStride = opcode == .difCheck ? 0 : block + (opcode == .difStrip ? 0 : 8)
        let contents = opcode == .difInsert ? data : shielded
        let whole = dif(opcode, flags, size: contents.count).with {
            if opcode != .difInsert {
                $0.sourceDIFFlags = .incrementingApplicationTag
                $0.sourceDIFTags = seeds
            }
            if opcode == .difInsert || opcode == .difUpdate {
                $0.destinationDIFFlags = .incrementingApplicationTag
                $0.destinationDIFTags = DIFTags(reference: 5, applicationMask: 0x00FF, application: 0xFFFD)
            }
        }
        let undisturbed = try scattered()
        undisturbed.write(contents, at: source)
        let expected = undisturbed.run(whole)
        #expect(expected.status == .success)

        let fixture = try scattered()
        fixture.write(contents, at: source)
        for base in [source, destination] {
            for page in UInt64(0)..<6 where generator.next() & 1 == 0 {
                try fixture.unmap(base / 4096 * 4096 + page * 4096)
            }
        }
        var next = whole
        for _ in 0..<16 {
            let record = fixture.run(next)
            guard record.status == .pageFault else {
                #expect(record == expected)
                break
            }
            #expect(record.bytesCompleted % UInt32(sourceStride) == 0)
            try fixture.restore(record.faultAddress.rawValue)
            let done = Int(record.bytesCompleted) / sourceStride
            next.sourceAddress = next.sourceAddress.advanced(by: UInt64(done * sourceStride))
            if opcode != .difCheck {
                next.destinationAddress = next.destinationAddress.advanced(by: UInt64(done * destinationStride))
            }
            next.transferSize -= record.bytesCompleted
            if opcode != .difInsert { next.sourceDIFTags = record.sourceDIFTags }
            if opcode == .difInsert || opcode == .difUpdate { next.destinationDIFTags = record.destinationDIFTags }
        }
        for page in UInt64(0)..<6 where !fixture.isMapped(destination / 4096 * 4096 + page * 4096) {
            try fixture.restore(destination + page * 4096)
        }
        let size = blocks * destinationStride
        #expect(fixture.read(size, at: destination) == undisturbed.read(size, at: destination), "seed \(seed)")
    }

    @Test func `Blocks of several windows pass window and page boundaries`() throws {
        let pages = 200
        let fixture = try OperationsFixture(pageCount: 2 * pages)
        for page in 0..<pages {
            try fixture.map(source / 4096 * 4096 + UInt64(page) * 4096, toPage: page ^ 1)
            try fixture.map(0x200_0000 + UInt64(page) * 4096, toPage: pages + (page ^ 2))
        }
        let blocks = 190 * 4096 / 4112
        let insert = dif(.difInsert, .block4104, size: blocks * 4104).with {
            $0.destinationAddress = LinearAddress(rawValue: 0x200_0000 + 4093)
            $0.destinationDIFTags = seeds
        }
        let record = fixture.run(insert)
        #expect(record.status == .success)
        #expect(record.destinationDIFTags.reference == 0xABBA + UInt32(blocks))
        let check = dif(.difCheck, .block4104, size: blocks * 4112).with {
            $0.sourceAddress = insert.destinationAddress
            $0.sourceDIFTags = seeds
        }
        #expect(fixture.run(check).status == .success)
    }

    @Test func `By configuration a size need not be whole blocks, and what follows the last is left alone`() throws {
        let fixture = try scattered()
        let points = OpenPoints.with { $0.difTransferSize = .anySize }
        fixture.write(patternP(1030), at: source)
        let record = fixture.run(
            dif(.difInsert, size: 1030).with { $0.destinationDIFTags = seeds }, openPoints: points)
        #expect(record.status == .success)
        #expect(record.destinationDIFTags.reference == 0xABBC)
        #expect(fixture.read(2, at: destination + 1040) == [0, 0])
        let none = fixture.run(dif(.difInsert, size: 511).with { $0.destinationDIFTags = seeds }, openPoints: points)
        #expect(none.status == .success)
        #expect(none.destinationDIFTags == seeds)
    }
}
