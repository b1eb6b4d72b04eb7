import DSASpec
import TestKit

/// Makes descriptors that are nearly right: it builds one that an operation takes, or takes one that has shown
/// something new, and changes some of its bytes. What ends in a way not seen before is kept and changed again.
struct DescriptorMutator {
    private static let opcodes: [UInt8] = [
        0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0A, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x20,
    ]
    private static let keptMax = 256

    /// What has shown something new.
    private(set) var kept: [Descriptor] = []
    private var seen: Set<UInt32> = []

    /// How many different ends there were: operation, status and Result.
    var endCount: Int { seen.count }

    /// The descriptor of `word0` bits 63:56 ended with these first two bytes of a record.
    mutating func note(_ descriptor: Descriptor, status: UInt8, result: UInt8) {
        let end = UInt32(descriptor.opcode.rawValue) << 16 | UInt32(status) << 8 | UInt32(result)
        guard seen.insert(end).inserted, kept.count < Self.keptMax else { return }
        kept.append(descriptor)
    }

    /// The next descriptor. Its PASID is for the caller to say.
    func next(using generator: inout SeededGenerator, recordAt record: UInt64) -> Descriptor {
        var descriptor: Descriptor
        if let old = kept.randomElement(using: &generator), generator.oneIn(3) {
            descriptor = old
        } else {
            descriptor = plausible(using: &generator)
        }
        if !generator.oneIn(8) {
            descriptor.word0 |= 0x0C << 32
            descriptor.word1 = record
        }
        let changes = generator.oneIn(3) ? 0 : Int.random(in: 1...4, using: &generator)
        for _ in 0..<changes { change(&descriptor, using: &generator) }
        return descriptor
    }

    private func plausible(using generator: inout SeededGenerator) -> Descriptor {
        let opcode = Self.opcodes.randomElement(using: &generator)!
        let first = Self.address(using: &generator)
        let second = Self.address(using: &generator)
        let third = Self.address(using: &generator)
        let size = UInt64.random(in: 1...(generator.oneIn(4) ? 20_000 : 200), using: &generator)
        var words: [UInt64] = [UInt64(opcode) << 56, 0, first, second, size, 0, 0, 0]
        switch opcode {
        case 0x00, 0x02: words[2...4] = [0, 0, 0]
        case 0x01: words[2...4] = [FuzzMemory.base + 8 * 4096 + (first & 0xFC0), 0, size % 33]
        case 0x04, 0x06: break
        case 0x07:
            words[2...4] = [first & ~7, second & ~7, size & ~7]
            words[5...7] = [third, UInt64.random(in: 80...400, using: &generator), first & 7]
        case 0x08:
            words[3...4] = [second & ~7, size & ~7]
            words[5] = size
        case 0x09: words[5] = third & ~0xFFF | second & 0xFFF
        case 0x0A, 0x10: words[3] = 0
        case 0x12...0x15:
            let kind = generator.next() & 3
            let block: UInt64 = [512, 520, 4096, 4104][Int(kind)]
            words[4] = (block + (opcode == 0x13 ? 0 : 8)) * UInt64.random(in: 1...3, using: &generator)
            words[5] = (kind | generator.next() & 0xC) << 16
            if opcode != 0x13 { words[5] |= generator.next() & 0xFF }
            if opcode == 0x13 || opcode == 0x15 { words[5] |= (generator.next() & 0xF8) << 8 }
            if opcode != 0x13 { words[6] = generator.next() }
            if opcode == 0x13 || opcode == 0x15 { words[7] = generator.next() }
            if opcode == 0x12 { words[3] = 0 }
        case 0x20: words[2] = 0
        default: break
        }
        // Block On Fault, Check Result, and flags of the operation.
        if opcode > 2, generator.oneIn(3) { words[0] |= 1 << 33 }
        if (0x05...0x07).contains(opcode), generator.oneIn(2) { words[0] |= 1 << 39 }
        if generator.oneIn(4) { words[0] |= (generator.next() & 0xF) << 48 }
        return Descriptor(words[0], words[1], words[2], words[3], words[4], words[5], words[6], words[7])
    }

    /// An address in the pages of a space, near the end of one, or where an address must not be.
    private static func address(using generator: inout SeededGenerator) -> UInt64 {
        let page = UInt64.random(in: 4..<UInt64(FuzzMemory.pageCount), using: &generator)
        return switch generator.next() % 12 {
        case 0: FuzzMemory.base + page * 4096 + 4096 - UInt64.random(in: 0...64, using: &generator)
        case 1: FuzzMemory.highPage + 4096 - UInt64.random(in: 1...300, using: &generator)
        case 2: [0, .max, .max - 40, 1 << 47, 0xFFFF_8000_0000_0000, 1 << 63].randomElement(using: &generator)!
        case 3, 4: FuzzMemory.base + page * 4096
        default: FuzzMemory.base + page * 4096 + UInt64.random(in: 0..<4096, using: &generator)
        }
    }

    private func change(_ descriptor: inout Descriptor, using generator: inout SeededGenerator) {
        let index = Int.random(in: 0..<8, using: &generator)
        let shift = UInt64.random(in: 0..<8, using: &generator) * 8
        switch generator.next() % 8 {
        case 0: descriptor[word: index] ^= 1 << UInt64.random(in: 0..<64, using: &generator)
        case 1: descriptor[word: index] ^= (generator.next() & 0xFF) << shift
        case 2: descriptor[word: index] &= ~(0xFF << shift)
        case 3: descriptor[word: index] |= 0xFF << shift
        case 4: descriptor[word: index] = Self.address(using: &generator)
        case 5: descriptor[word: index] = kept.randomElement(using: &generator)?[word: index] ?? generator.next()
        case 6:
            let sizes: [UInt64] = [0, 1, 2, 7, 8, 9, 4095, 4096, 4097, 0x8_0000, 0x8_0008, 1 << 31, 0xFFFF_FFFF]
            descriptor.word4 = descriptor.word4 & ~0xFFFF_FFFF | sizes.randomElement(using: &generator)!
        default: descriptor.word4 &+= (generator.next() & 15) &- 8
        }
    }
}
