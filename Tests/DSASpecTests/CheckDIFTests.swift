import DSASpec
import PCIe
import Testing

private let operations: [Opcode] = [.difCheck, .difInsert, .difStrip, .difUpdate]
private let sizes: [(flags: UInt8, byteCount: UInt32)] = [(0, 512), (1, 520), (2, 4096), (3, 4104)]

@Suite("DIF checks")
struct CheckDIFTests {
    @Test(arguments: operations)
    func `0x13 answers a size that is no multiple of a block of the source, unless configured otherwise`(
        opcode: Opcode
    ) {
        let anySize = CheckContext.standard { $0.openPoints.difTransferSize = .anySize }
        for (flags, byteCount) in sizes {
            let block = byteCount + (opcode == .difInsert ? 0 : 8)
            let whole = [block, 3 * block]
            for size in whole + [block - 1, block + 1, 2 * block - 8, 2 * block + 8, 8] {
                let isWhole = whole.contains(size)
                let dif = validDescriptor(opcode).with {
                    $0.difFlags = DIFFlags(rawValue: flags)
                    $0.transferSize = size
                }
                let failure = DescriptorChecks.firstFailure(of: dif, in: .standard)
                #expect(failure?.rule == (isWhole ? nil : .transferSizeNotWholeBlocks), "\(size) bytes")
                #expect(failure == nil || failure?.status == .invalidTransferSize)
                #expect(DescriptorChecks.firstFailure(of: dif, in: anySize) == nil, "\(size) bytes")
            }
        }
    }

    @Test(arguments: operations)
    func `0x13 answers a DIF operation of 0 bytes or above the WQ's maximum`(opcode: Opcode) {
        let context = CheckContext.standard { $0.maximumTransferShift = 12 }
        let block: UInt32 = opcode == .difInsert ? 512 : 520
        let zero = validDescriptor(opcode).with { $0.transferSize = 0 }
        #expect(onlyFailure(zero, in: context)?.rule == .transferSizeZero)
        let large = validDescriptor(opcode).with { $0.transferSize = 9 * block }
        #expect(onlyFailure(large, in: context)?.rule == .transferSizeAboveMaximum)
        let fitting = validDescriptor(opcode).with { $0.transferSize = 7 * block }
        #expect(DescriptorChecks.firstFailure(of: fitting, in: context) == nil)
    }

    @Test(arguments: operations)
    func `0x12 answers a reserved bit of DIF Flags or Destination DIF Flags`(opcode: Opcode) {
        for bit in 4..<8 {
            let flagged = validDescriptor(opcode).with(byte: 42, 1 << UInt8(bit))
            #expect(onlyFailure(flagged)?.rule == .reservedDIFFlag)
            #expect(onlyFailure(flagged)?.status == .nonZeroReserved)
            #expect(onlyFailure(flagged)?.bytes == 42...42)
        }
        guard opcode == .difInsert || opcode == .difUpdate else { return }
        for bit in 0..<8 {
            let flagged = validDescriptor(opcode).with(byte: 41, 1 << UInt8(bit))
            let failure = DescriptorChecks.firstFailure(of: flagged, in: .standard)
            #expect(failure?.rule == (bit < 3 ? .reservedDIFFlag : nil))
            #expect(failure == nil || failure?.bytes == 41...41)
        }
    }

    @Test(arguments: [Opcode.difCheck, .difStrip, .difUpdate])
    func `Every bit of Source DIF Flags is defined`(opcode: Opcode) {
        let flagged = validDescriptor(opcode).with(byte: 40, 0xFF)
        #expect(DescriptorChecks.firstFailure(of: flagged, in: .standard) == nil)
    }

    /// Eight blocks of 512 bytes: with their fields 4160 bytes, without 4096.
    private static let distances: [(opcode: Opcode, distance: Int, isOverlap: Bool)] = [
        (Opcode.difInsert, -4160, false), (.difInsert, -4159, true), (.difInsert, 4095, true),
        (.difInsert, 4096, false),
        (.difStrip, -4096, false), (.difStrip, -4095, true), (.difStrip, 4159, true), (.difStrip, 4160, false),
        (.difUpdate, -4160, false), (.difUpdate, -4159, true), (.difUpdate, 4159, true), (.difUpdate, 4160, false),
    ]

    @Test(arguments: distances)
    func `0x16 answers an overlap of a DIF operation's source and destination, each with its size`(
        opcode: Opcode, distance: Int, isOverlap: Bool
    ) {
        let dif = validDescriptor(opcode).with {
            $0.destinationAddress = LinearAddress(
                rawValue: $0.sourceAddress.rawValue &+ UInt64(bitPattern: Int64(distance)))
        }
        #expect(
            DescriptorChecks.firstFailure(of: dif, in: .standard)?.status == (isOverlap ? .overlappingBuffers : nil))
    }

    @Test(arguments: zip([-4161, -4160, -4097, -4096, 4160], [false, true, true, true, false]))
    func `A Strip to just below its source passes, by configuration it is refused with 0x16`(
        distance: Int, isRefused: Bool
    ) {
        let strip = validDescriptor(.difStrip).with {
            $0.destinationAddress = LinearAddress(
                rawValue: $0.sourceAddress.rawValue &+ UInt64(bitPattern: Int64(distance)))
        }
        #expect(DescriptorChecks.firstFailure(of: strip, in: .standard) == nil)
        let refusing = CheckContext.standard { $0.openPoints.difStripNearby = .refused }
        #expect(
            DescriptorChecks.firstFailure(of: strip, in: refusing)?.rule == (isRefused ? .overlappingBuffers : nil))
    }

    @Test func `The destination of the largest Insert is longer than 32 bits count`() {
        let insert = validDescriptor(.difInsert).with {
            $0.transferSize = 1 << 31
            $0.sourceAddress = LinearAddress(rawValue: 0x1_0200_0000)
            $0.destinationAddress = LinearAddress(rawValue: 0x8000_0000 - 0x10)
        }
        // 2^31 bytes and 2^22 fields of 8 reach 0x8200_0000 bytes far.
        #expect(DescriptorChecks.firstFailure(of: insert, in: .standard)?.status == nil)
        let nearer = insert.with { $0.sourceAddress = LinearAddress(rawValue: 0x1_01FF_FFEF) }
        #expect(DescriptorChecks.firstFailure(of: nearer, in: .standard)?.status == .overlappingBuffers)
    }
}
