// Moves, fill, compare, flush and drain: dsa-device §4.1, §4.7.

extension OperationRun {
    func move() -> [Ending] {
        let (source, destination, size) = (descriptor.first, descriptor.second, descriptor.size)
        let isBackward = destination > source && destination - source < size
        let operands = [Operand.read(source), .write(destination)]
        for count in 0..<size {
            let index = isBackward ? size - 1 - count : count
            guard canAccess(operands, at: index) else {
                return faults(operands, at: index, as: Ending(0, result: isBackward ? 1 : 0, bytesCompleted: count))
            }
            memory.store(memory.load(source &+ index), at: destination &+ index)
        }
        return [Ending(0x01)]
    }

    func fill() -> [Ending] {
        let destination = Operand.write(descriptor.second)
        var pattern = Array(descriptor.bytes[16..<24])
        if descriptor.hasFlag(Flag.widePattern) { pattern += descriptor.bytes[40..<48] }
        for index in 0..<descriptor.size {
            guard canAccess([destination], at: index) else {
                return faults([destination], at: index, as: Ending(0, bytesCompleted: index))
            }
            memory.store(pattern[Int(index) % pattern.count], at: destination.address &+ index)
        }
        return [Ending(0x01)]
    }

    func compare() -> [Ending] {
        let operands = [Operand.read(descriptor.first), .read(descriptor.second, number: 2)]
        for index in 0..<descriptor.size {
            guard canAccess(operands, at: index) else {
                return faults(operands, at: index, as: Ending(0, bytesCompleted: index))
            }
            if memory.load(descriptor.first &+ index) != memory.load(descriptor.second &+ index) {
                return [comparison(differenceAt: index)]
            }
        }
        return [comparison(differenceAt: nil)]
    }

    /// Any offset up to the first difference is allowed; the exact one and the start of its group of 8 are known.
    func comparePattern() -> [Ending] {
        let source = Operand.read(descriptor.first)
        for index in 0..<descriptor.size {
            guard canAccess([source], at: index) else {
                return faults([source], at: index, as: Ending(0, bytesCompleted: index))
            }
            if memory.load(source.address &+ index) != descriptor.bytes[24 + Int(index % 8)] {
                return [comparison(differenceAt: index), comparison(differenceAt: index / 8 * 8)]
            }
        }
        return [comparison(differenceAt: nil)]
    }

    private func comparison(differenceAt index: UInt64?) -> Ending {
        let result: UInt8 = index == nil ? 0 : 1
        let mask: UInt8 = context.openPoints.comparesWholeExpectation ? 0xFF : 1
        let isExpected = descriptor.bytes[40] & mask == result
        let status: UInt8 = descriptor.hasFlag(Flag.checkResult) && !isExpected ? 0x02 : 0x01
        return Ending(status, result: result, bytesCompleted: index ?? 0)
    }

    func dualcast() -> [Ending] {
        let destinations = [descriptor.second, descriptor[40, 8]]
        let operands = [
            Operand.read(descriptor.first), .write(destinations[0]), .write(destinations[1], number: 4),
        ]
        for index in 0..<descriptor.size {
            guard canAccess(operands, at: index) else {
                return faults(operands, at: index, as: Ending(0, bytesCompleted: index))
            }
            let byte = memory.load(descriptor.first &+ index)
            for destination in destinations { memory.store(byte, at: destination &+ index) }
        }
        return [Ending(0x01)]
    }

    func computeCRC(copiesTo destination: UInt64?) -> [Ending] {
        let is64 = descriptor.hasFlag(Flag.crc64)
        let width: UInt64 = is64 ? 8 : 4
        var undefined = Ending(0)
        undefined.open.2 = is64 ? .max : 0xFFFF_FFFF
        var operands = [Operand.read(descriptor.first)]
        if let destination { operands.append(.write(destination)) }

        var seed = descriptor[40, Int(width)]
        if descriptor.hasFlag(Flag.readSeed) {
            let seedOperand = Operand.read(descriptor[48, 8], number: 2)
            // The seed is aligned to its size, so it lies in one page.
            guard canAccess([seedOperand], at: 0) else {
                return faults([seedOperand], at: 0, as: undefined) + faults(operands, at: 0, as: undefined)
            }
            seed = bytes(at: seedOperand.address, count: width).reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
        var crc = CRCModel(
            is64: is64, seed: seed, bypassesInversion: descriptor.hasFlag(Flag.bypassInversion),
            bypassesReflection: descriptor.hasFlag(Flag.bypassReflection))
        for index in 0..<descriptor.size {
            guard canAccess(operands, at: index) else {
                return faults(
                    operands, at: index,
                    as: index == 0 ? undefined : Ending(0, bytesCompleted: index, low: crc.value))
            }
            let byte = memory.load(descriptor.first &+ index)
            crc.append(byte)
            if let destination { memory.store(byte, at: destination &+ index) }
        }
        return [Ending(0x01, low: crc.value)]
    }

    func flush() -> [Ending] {
        let destination =
            context.openPoints.flushWrites
            ? Operand.write(descriptor.second) : Operand.read(descriptor.second, number: 3)
        for index in 0..<descriptor.size {
            guard canAccess([destination], at: index) else {
                return faults([destination], at: index, as: Ending(0, bytesCompleted: index))
            }
        }
        return [Ending(0x01)]
    }

    /// Without a stride every page of the region, with one the page of each address that lies a stride further.
    func fetchTranslations() -> [Ending] {
        let source = Operand.read(descriptor.first)
        let step = descriptor.hasFlag(Flag.useStride) ? descriptor[48, 4] : 1
        for index in stride(from: 0, to: descriptor.size, by: Int(step)) {
            guard canTranslate(source, at: index) else {
                return faults([source], at: index, as: Ending(0, bytesCompleted: index))
            }
        }
        return [Ending(0x01)]
    }

    /// Nothing else is in the queue, so only the readback addresses are left.
    func drain() -> [Ending] {
        var operands: [Operand] = []
        if descriptor.hasFlag(Flag.readback1) { operands.append(.read(descriptor.first)) }
        if descriptor.hasFlag(Flag.readback2) { operands.append(.read(descriptor.second, number: 2)) }
        guard !canAccess(operands, at: 0) else { return [Ending(0x01)] }
        return faults(operands, at: 0, as: Ending(0)).map { ending in
            guard ending.status == 0x03 else { return ending }
            var readback = ending
            readback.words.0 = readback.words.0 & ~0x3F | 0x1F
            return readback
        }
    }
}
