// The fields of a valid descriptor: sizes, buffers and their contents.

extension CaseGenerator {
    /// A transfer size: 64 bytes or less in half of the cases, above 4 KiB in one of a hundred.
    private mutating func size(upTo largest: Int = 12_000) -> Int {
        let size =
            switch dice.below(100) {
            case 0: dice.within(4097...12_000)
            case 1...4: dice.within(1000...4096)
            case 5...45: dice.within(65...400)
            default: dice.within(1...64)
            }
        return min(size, largest, Int(min(context.maximumTransfer, 1 << 20)))
    }

    /// A buffer of `size` bytes in the data pages, most often at the boundary of two of them.
    private mutating func place(_ size: Int, alignment: UInt64 = 1) -> UInt64 {
        let pages = CaseLayout.dataPages
        if dice.below(60) == 0 { return unusualAddress(size) & ~(alignment - 1) }
        let room = pages.count * 4096 - size
        var offset: Int
        if dice.chance(75) {
            let boundary = dice.within(1...pages.count) * 4096
            offset = boundary - dice.pick([0, size, dice.within(0...size), min(size, 8), size / 2])
        } else {
            offset = dice.below(max(room, 1))
        }
        // One in many reaches beyond the last page.
        if dice.below(40) != 0 { offset = min(offset, room) }
        let address = CaseLayout.address(pages.lowerBound) + UInt64(max(offset, 0)) & ~(alignment - 1)
        buffers.append(Buffer(address: address, size: size))
        return address
    }

    /// An address at the end of a half of the address space, or anywhere.
    private mutating func unusualAddress(_ size: Int) -> UInt64 {
        switch dice.below(5) {
        case 0: dice.next()
        case 1: UInt64(dice.below(8192))
        default: model.address(ofPage: dice.pick(Array(CaseLayout.outermostPages))) &+ UInt64(dice.below(4096))
        }
    }

    /// A second buffer that mostly keeps off the first, or overlaps it on purpose.
    private mutating func place(
        _ size: Int, besides first: UInt64, _ firstSize: Int, alignment: UInt64 = 1
    ) -> UInt64 {
        if dice.below(12) == 0 {
            let distance = dice.within(-size...firstSize)
            let address = first &+ UInt64(bitPattern: Int64(distance))
            return address & ~(alignment - 1)
        }
        for _ in 0..<4 {
            let address = place(size, alignment: alignment)
            if address >= first &+ UInt64(firstSize) || address &+ UInt64(size) <= first { return address }
            buffers.removeLast(min(1, buffers.count))
        }
        return place(size, alignment: alignment)
    }

    mutating func makeFields(_ descriptor: inout RawDescriptor) {
        switch descriptor.opcode {
        case Operation.noOp: break
        case Operation.drain: makeDrain(&descriptor)
        case Operation.move: makeMove(&descriptor)
        case Operation.fill: makeFill(&descriptor)
        case Operation.compare: makeCompare(&descriptor)
        case Operation.comparePattern: makeComparePattern(&descriptor)
        case Operation.createDelta: makeCreateDelta(&descriptor)
        case Operation.applyDelta: makeApplyDelta(&descriptor)
        case Operation.dualcast: makeDualcast(&descriptor)
        case Operation.crc, Operation.copyCRC: makeCRC(&descriptor)
        case Operation.translationFetch: makeFetch(&descriptor)
        case Operation.cacheFlush:
            let size = size()
            descriptor.second = place(size)
            descriptor.size = UInt64(size)
        default: makeDIF(&descriptor)
        }
    }

    private mutating func makeDrain(_ descriptor: inout RawDescriptor) {
        for bit in [Flag.readback1, Flag.readback2] where context.generalCapabilities >> 9 & 1 == 1 {
            guard dice.chance(50) else { continue }
            descriptor.flags |= 1 << UInt32(bit)
            descriptor[bit == Flag.readback1 ? 16 : 24, 8] = place(1)
        }
        for bit in [18, 19] where dice.chance(20) { descriptor.flags |= 1 << UInt32(bit) }
    }

    private mutating func makeFetch(_ descriptor: inout RawDescriptor) {
        let size = dice.chance(50) ? dice.within(1...12 * 4096) : size()
        descriptor.size = min(UInt64(size), context.maximumTransfer)
        descriptor.first = place(Int(descriptor.size))
        guard context.can(Capability.fetchStride), dice.chance(50) else { return }
        descriptor.flags |= 1 << Flag.useStride
        descriptor[48, 4] = UInt64(dice.within(1...3)) * 4096
    }

    private mutating func makeMove(_ descriptor: inout RawDescriptor) {
        let size = size()
        descriptor.size = UInt64(size)
        descriptor.first = place(size)
        if dice.chance(40) {
            let distance = dice.within(-size...size)
            descriptor.second = descriptor.first &+ UInt64(bitPattern: Int64(distance))
            buffers.append(Buffer(address: descriptor.second, size: size))
        } else {
            descriptor.second = place(size)
        }
    }

    private mutating func makeFill(_ descriptor: inout RawDescriptor) {
        let size = size()
        descriptor.size = UInt64(size)
        descriptor.second = place(size)
        descriptor.first = dice.next()
        if context.generalCapabilities >> 10 & 1 == 1, dice.chance(50) {
            descriptor.flags |= 1 << Flag.widePattern
            descriptor[40, 8] = dice.next()
        }
    }

    private mutating func makeCompare(_ descriptor: inout RawDescriptor) {
        let size = size()
        descriptor.size = UInt64(size)
        descriptor.first = place(size)
        descriptor.second = place(size)
        descriptor.bytes[40] = dice.byte()
        if dice.chance(80) {
            preset(differing(contents(at: descriptor.first, count: size), in: dice.below(2)), at: descriptor.second)
        }
    }

    private mutating func makeComparePattern(_ descriptor: inout RawDescriptor) {
        let size = size()
        descriptor.size = UInt64(size)
        descriptor.first = place(size)
        descriptor.second = dice.next()
        descriptor.bytes[40] = dice.byte()
        if dice.chance(80) {
            let repeated = (0..<size).map { descriptor.bytes[24 + $0 % 8] }
            preset(differing(repeated, in: dice.below(2)), at: descriptor.first)
        }
    }

    /// `bytes` with other values in `count` places.
    private mutating func differing(_ bytes: [UInt8], in count: Int) -> [UInt8] {
        var bytes = bytes
        guard !bytes.isEmpty else { return bytes }
        for _ in 0..<count { bytes[dice.below(bytes.count)] ^= UInt8(dice.within(1...255)) }
        return bytes
    }

    private mutating func makeDualcast(_ descriptor: inout RawDescriptor) {
        let size = size(upTo: 3000)
        descriptor.size = UInt64(size)
        descriptor.first = place(size)
        descriptor.second = place(size, besides: descriptor.first, size)
        let distance = UInt64(dice.within(1...6)) * 4096
        descriptor[40, 8] = dice.chance(50) ? descriptor.second &+ distance : descriptor.second &- distance
        buffers.append(Buffer(address: descriptor[40, 8], size: size))
    }

    private mutating func makeCRC(_ descriptor: inout RawDescriptor) {
        let size = size()
        descriptor.size = UInt64(size)
        descriptor.first = place(size)
        if descriptor.opcode == Operation.copyCRC {
            descriptor.second = place(size, besides: descriptor.first, size)
        }
        for bit in [Flag.bypassInversion, Flag.bypassReflection] where dice.chance(50) {
            descriptor.flags |= 1 << UInt32(bit)
        }
        let is64 = context.generalCapabilities >> 11 & 1 == 1 && dice.chance(50)
        if is64 { descriptor.flags |= 1 << Flag.crc64 }
        let width = is64 ? 8 : 4
        if dice.chance(30) {
            descriptor.flags |= 1 << Flag.readSeed
            descriptor[48, 8] = place(width, alignment: UInt64(width))
        } else {
            descriptor[40, width] = dice.chance(30) ? 0 : dice.next()
        }
    }
}

// MARK: Delta records

extension CaseGenerator {
    private mutating func makeCreateDelta(_ descriptor: inout RawDescriptor) {
        let size = (size() + 7) / 8 * 8
        descriptor.size = UInt64(size)
        descriptor.first = place(size, alignment: 8)
        descriptor.second = place(size, alignment: 8)
        let maximum = dice.chance(60) ? 80 + dice.below(120) : 80 + size / 8 * 10
        descriptor[48, 4] = UInt64(maximum)
        // Room for the whole maximum is kept, so that valid descriptors are common.
        descriptor[40, 8] = place(maximum, besides: descriptor.first, size)
        descriptor.bytes[56] = dice.byte()
        if dice.chance(85) {
            let content = contents(at: descriptor.first, count: size)
            preset(differing(content, in: dice.pick([0, 1, 3, 12, size])), at: descriptor.second)
        }
    }

    private mutating func makeApplyDelta(_ descriptor: inout RawDescriptor) {
        let size = (size() + 7) / 8 * 8
        descriptor.size = UInt64(size)
        var offsets: [Int] = []
        var next = dice.below(3)
        while next < size / 8, offsets.count < 40 {
            offsets.append(next)
            next += dice.within(1...6)
        }
        if offsets.isEmpty { offsets = [0] }
        switch dice.below(10) {
        case 0: offsets.append(size / 8 + dice.below(3))
        case 1: offsets.append(dice.below(size / 8))
        case 2: offsets.append(Int(dice.next() & 0xFFFF))
        default: break
        }
        var record: [UInt8] = []
        for offset in offsets {
            record += [UInt8(truncatingIfNeeded: offset), UInt8(truncatingIfNeeded: offset >> 8)] + dice.bytes(8)
        }
        if dice.below(8) == 0 { record += dice.bytes(dice.within(1...9)) }
        descriptor.second = place(size, alignment: 8)
        descriptor.first = place(record.count, besides: descriptor.second, size)
        descriptor[40, 4] = UInt64(record.count)
        preset(record, at: descriptor.first)
    }
}

// MARK: Data integrity fields

extension CaseGenerator {
    private mutating func makeDIF(_ descriptor: inout RawDescriptor) {
        let kind = dice.chance(92) ? dice.below(2) : dice.within(2...3)
        let blockSize = [512, 520, 4096, 4104][kind]
        let count = kind < 2 ? dice.pick([1, 1, 1, 2, 2, 3, 5]) : 1
        descriptor.bytes[42] = UInt8(kind) | UInt8(dice.below(4) << 2)
        let hasSourceTags = descriptor.opcode != Operation.difInsert
        let hasDestinationTags = [Operation.difInsert, Operation.difUpdate].contains(descriptor.opcode)
        let size = count * (hasSourceTags ? blockSize + 8 : blockSize)
        descriptor.size = UInt64(size)
        descriptor.first = place(size)
        if descriptor.opcode != Operation.difCheck {
            let written = count * (descriptor.opcode == Operation.difStrip ? blockSize : blockSize + 8)
            descriptor.second = place(written, besides: descriptor.first, size)
        }
        if hasDestinationTags {
            descriptor.bytes[41] = dice.byte() & 0xF8
            descriptor[56, 8] = seeds()
        }
        if hasSourceTags {
            descriptor.bytes[40] = dice.chance(50) ? dice.byte() & 0x90 : dice.byte()
            descriptor[48, 8] = seeds()
            preset(protectedBlocks(descriptor, blockSize: blockSize, count: count), at: descriptor.first)
        }
    }

    /// Reference tag, mask and application tag, often about to wrap.
    private mutating func seeds() -> UInt64 {
        let reference = dice.chance(20) ? 0xFFFF_FFFE + UInt64(dice.below(2)) : dice.next() & 0xFFFF_FFFF
        let mask = dice.pick([0, 0, 0xFFFF, 0xF000, 0x000F, dice.next() & 0xFFFF])
        let application = dice.chance(20) ? 0xFFFE + UInt64(dice.below(2)) : dice.next() & 0xFFFF
        return reference | mask << 32 | application << 48
    }

    /// Blocks whose fields are as the descriptor expects them, one in a few spoiled.
    private mutating func protectedBlocks(_ descriptor: RawDescriptor, blockSize: Int, count: Int) -> [UInt8] {
        var content: [UInt8] = []
        var reference = UInt32(descriptor[48, 4])
        let mask = UInt16(descriptor[52, 2])
        var application = UInt16(descriptor[54, 2])
        for _ in 0..<count {
            let data = dice.chance(20) ? [UInt8](repeating: 0xFF, count: blockSize) : randomData(blockSize)
            var field = Oracle.difField(
                of: data, flags: descriptor.bytes[42], application: application & ~mask, reference: reference)
            switch dice.below(20) {
            case 0: field[dice.below(8)] ^= UInt8(dice.within(1...255))
            case 1: field = Array(repeating: 0xFF, count: 8)
            case 2: field.replaceSubrange(2..<4, with: [0xFF, 0xFF])
            case 3: field.replaceSubrange(2..<8, with: Array(repeating: 0xFF, count: 6))
            default: break
            }
            content += data + field
            if descriptor.bytes[40] & 0x80 == 0 { reference &+= 1 }
            if descriptor.bytes[40] & 0x10 != 0 { application &+= 1 }
        }
        return content
    }

    private mutating func randomData(_ count: Int) -> [UInt8] {
        var word: UInt64 = 0
        return (0..<count).map { index in
            if index % 8 == 0 { word = dice.next() }
            return UInt8(truncatingIfNeeded: word >> UInt64(index % 8 * 8))
        }
    }
}
