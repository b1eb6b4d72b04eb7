import DSASpec
import PCIe
import Testing

@Suite("Overlap table 4.2")
struct CheckOverlapTests {
    private static let distances: [(distance: Int64, isOverlap: Bool)] = [
        (0, true), (1, true), (99, true), (100, false), (-1, true), (-99, true), (-100, false),
    ]

    private func place(_ descriptor: Descriptor, at source: UInt64, distance: Int64) -> Descriptor {
        descriptor.with {
            $0.transferSize = 100
            $0.sourceAddress = LinearAddress(rawValue: source)
            $0.destinationAddress = LinearAddress(rawValue: source &+ UInt64(bitPattern: distance))
        }
    }

    @Test(arguments: distances)
    func `Copy with CRC refuses source and destination that share a byte`(distance: Int64, isOverlap: Bool) {
        let copy = place(validDescriptor(.copyWithCRC), at: 0x1000, distance: distance)
        #expect(
            DescriptorChecks.firstFailure(of: copy, in: .standard)?.status == (isOverlap ? .overlappingBuffers : nil))
    }

    @Test(arguments: distances)
    func `Memory Move refuses an overlap only without GENCAP bit 1`(distance: Int64, isOverlap: Bool) {
        let copy = place(validDescriptor(.memoryMove), at: 0x1000, distance: distance)
        #expect(DescriptorChecks.firstFailure(of: copy, in: .standard) == nil)
        let without = CheckContext(generalCapabilities: GeneralCapabilities(rawValue: 0x40_915F_0105))
        #expect(DescriptorChecks.firstFailure(of: copy, in: without)?.rule == (isOverlap ? .overlappingMove : nil))
    }

    @Test(arguments: [
        (0x5000, 0x6000, 0x7000, 0), (0x5000, 0x5800, 0x9800, 1), (0x5000, 0x9800, 0x5800, 1),
        (0x5000, 0x9000, 0x9000, 1), (0x5000, 0x5000, 0x5000, 3),
    ])
    func `Dualcast refuses each pair of buffers that share a byte`(
        source: UInt64, first: UInt64, second: UInt64, count: Int
    ) {
        let dualcast = validDescriptor(.dualcast).with {
            $0.sourceAddress = LinearAddress(rawValue: source)
            $0.destinationAddress = LinearAddress(rawValue: first)
            $0.destination2Address = LinearAddress(rawValue: second)
        }
        let failures = DescriptorChecks.allFailures(of: dualcast, in: .standard)
        #expect(failures.map(\.rule) == Array(repeating: .overlappingBuffers, count: count))
    }

    @Test(arguments: [Opcode.compare, .crcGeneration, .comparePattern, .fill, .cacheFlush])
    func `Operations that write no second buffer refuse no overlap`(opcode: Opcode) {
        let descriptor = validDescriptor(opcode).with {
            if opcode == .compare { $0.destinationAddress = $0.sourceAddress }
        }
        #expect(DescriptorChecks.firstFailure(of: descriptor, in: .standard) == nil)
    }

    @Test func `A buffer that passes 2^64 does not come round to 0`() {
        let top = place(validDescriptor(.copyWithCRC), at: UInt64.max - 49, distance: 50)
        #expect(top.destinationAddress.rawValue == 0)
        #expect(DescriptorChecks.firstFailure(of: top, in: .standard) == nil)
        let within = place(validDescriptor(.copyWithCRC), at: UInt64.max - 120, distance: 99)
        #expect(DescriptorChecks.firstFailure(of: within, in: .standard)?.status == .overlappingBuffers)
    }
}
