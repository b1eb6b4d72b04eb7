extension CaseGenerator {
    /// Breaks one rule of dsa-device §1.2-§1.4, §2.3 or §4.2, most of the time.
    mutating func addDefect(to descriptor: inout RawDescriptor) {
        let addressFields = [16, 24, 40, 48]
        switch dice.below(16) {
        case 0, 1: descriptor.flags |= 1 << UInt32(dice.below(24))
        case 2: descriptor.bytes[dice.within(16...63)] = UInt8(dice.within(1...255))
        case 3: descriptor.opcode = dice.byte() & (dice.chance(50) ? 0x3F : 0xFF)
        case 4:
            descriptor.size = dice.pick([
                0, 1, 2, context.maximumTransfer, context.maximumTransfer + 1, context.maximumBatch + 1, 0xFFFF_FFFF,
                0x80001, descriptor.size &+ 1, 0x80008,
            ])
        case 5: descriptor[dice.pick(addressFields), 8] ^= UInt64(1) << UInt64(dice.below(8))
        case 6: descriptor.recordAddress ^= UInt64(1) << UInt64(dice.below(5))
        case 7: descriptor.flags &= ~(1 << Flag.recordAddressValid)
        case 8: descriptor.flags &= ~(1 << Flag.requestRecord)
        case 9:
            descriptor.flags &= ~(1 << Flag.recordAddressValid | 1 << Flag.requestRecord)
            if dice.chance(80) { descriptor.recordAddress = 0 }
        case 10:
            let distance = dice.within(-64...64)
            descriptor[dice.pick([24, 40]), 8] = descriptor.first &+ UInt64(bitPattern: Int64(distance))
        case 11: descriptor.interruptHandle = UInt16(dice.within(1...0xFFFF))
        case 12: descriptor.flags |= 1 << Flag.requestInterrupt
        case 13:
            if testCase.queue == CaseLayout.sharedQueue { descriptor.bytes[3] ^= 0x80 }
        case 14: descriptor[dice.pick([40, 48]), 4] = dice.pick([0, 9, 10, 79, 80, 0xFFFF_FFFF])
        default: descriptor.bytes[dice.within(4...63)] ^= 1 << UInt8(dice.below(8))
        }
    }
}
