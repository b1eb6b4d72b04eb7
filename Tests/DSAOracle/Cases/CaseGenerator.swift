/// Makes random cases: valid descriptors, with one defect and with many, with buffers across the pages' boundaries,
/// pages that fault, buffers that overlap, and batches of all of them.
package struct CaseGenerator {
    var dice: Dice
    let models: [OracleMemory]
    let oracle: Oracle
    var testCase: DescriptorCase
    /// Records take one slot after the other, so that members do not overwrite each other's.
    private var nextSlot: Int
    /// How the buffers of the descriptor lie, for those who make pages fault.
    var buffers: [Buffer] = []

    struct Buffer {
        let address: UInt64
        let size: Int
    }

    /// Case `index` of the run of `seed`.
    ///
    /// - Parameters:
    ///   - oracles: By device and WQ.
    ///   - models: The spaces' memory by device and space. Used while contents are made, and left as it was.
    package static func make(
        seed: UInt64, index: Int, oracles: [[Oracle]], models: [[OracleMemory]]
    ) -> DescriptorCase {
        var dice = Dice(seed: seed, index: index)
        let device = dice.chance(30) ? 0 : dice.below(oracles.count)
        let queue = dice.chance(80) ? CaseLayout.sharedQueue : dice.within(1...2)
        let space = queue == CaseLayout.sharedQueue ? dice.below(2) : CaseLayout.space(ofQueue: queue)
        var generator = CaseGenerator(
            dice: dice, oracle: oracles[device][queue], models: models[device],
            testCase: DescriptorCase(device: device, queue: queue, space: space))
        generator.makeAll()
        for model in generator.models { model.undo() }
        return generator.testCase
    }

    private init(dice: Dice, oracle: Oracle, models: [OracleMemory], testCase: DescriptorCase) {
        self.dice = dice
        self.oracle = oracle
        self.models = models
        self.testCase = testCase
        nextSlot = 0
        nextSlot = self.dice.below(200)
    }

    var context: OracleContext { oracle.context }
    var model: OracleMemory { models[testCase.space] }

    private mutating func makeAll() {
        let isPrivileged: Bool
        if testCase.queue == CaseLayout.sharedQueue {
            if dice.below(200) == 0 { testCase.space = CaseLayout.unboundSpace }
            isPrivileged = context.isPrivilegedModeEnabled && dice.chance(15)
            testCase.descriptor[0, 4] = UInt64(CaseLayout.pasids[testCase.space]) | (isPrivileged ? 1 << 31 : 0)
        } else {
            // The WQ's count, not the descriptor's.
            isPrivileged = context.isPrivileged
            testCase.descriptor[0, 4] = dice.next() & 0xFFFF_FFFF
        }
        if dice.chance(6) {
            makeBatch(isPrivileged: isPrivileged)
        } else {
            var descriptor = testCase.descriptor
            makeDescriptor(&descriptor, isMember: false, isPrivileged: isPrivileged)
            testCase.descriptor = descriptor
        }
        makeFaults()
    }

    /// Makes a descriptor of a random operation, most of them valid.
    private mutating func makeDescriptor(_ descriptor: inout RawDescriptor, isMember: Bool, isPrivileged: Bool) {
        if dice.below(50) == 0 {
            let first = descriptor[0, 4]
            descriptor = RawDescriptor(dice.bytes(64))
            descriptor[0, 4] = first
            if dice.chance(70) { descriptor.opcode = dice.pick(Self.operations) }
            return
        }
        descriptor.opcode = pickOperation()
        makeFields(&descriptor)
        makeFlags(&descriptor, isMember: isMember, isPrivileged: isPrivileged)
        switch dice.below(20) {
        case 0...4: addDefect(to: &descriptor)
        case 5...6: for _ in 0..<dice.within(2...5) { addDefect(to: &descriptor) }
        default: break
        }
    }

    private mutating func pickOperation() -> UInt8 {
        let isOffered = context.operations >> UInt64(Operation.translationFetch) & 1 == 1
        return isOffered && dice.below(14) == 0 ? Operation.translationFetch : dice.pick(Self.operations)
    }

    private static let operations: [UInt8] = [
        Operation.noOp, Operation.drain, Operation.cacheFlush,
        Operation.move, Operation.move, Operation.move, Operation.fill, Operation.fill,
        Operation.compare, Operation.compare, Operation.comparePattern, Operation.comparePattern,
        Operation.dualcast, Operation.dualcast, Operation.crc, Operation.crc, Operation.copyCRC, Operation.copyCRC,
        Operation.createDelta, Operation.createDelta, Operation.applyDelta, Operation.applyDelta,
        Operation.difCheck, Operation.difInsert, Operation.difStrip, Operation.difUpdate,
    ]

    private mutating func makeFlags(_ descriptor: inout RawDescriptor, isMember: Bool, isPrivileged: Bool) {
        let needsRecord: Set<UInt8> = [
            Operation.drain, Operation.compare, Operation.comparePattern, Operation.createDelta, Operation.crc,
            Operation.copyCRC, Operation.difCheck,
        ]
        let kind = needsRecord.contains(descriptor.opcode) ? 0 : dice.below(20)
        if kind < 18 {
            descriptor.flags |= 1 << Flag.recordAddressValid
            descriptor.recordAddress = nextRecordAddress()
        }
        if kind < 16 { descriptor.flags |= 1 << Flag.requestRecord }
        // The flags that give fields their meaning were chosen with the fields; fences by who makes the batch.
        let fixed: UInt32 = 0x0F0001 | 1 << Flag.recordAddressValid | 1 << Flag.requestRecord
        for bit in 0..<24 where dice.below(8) == 0 {
            let permitted = oracle.permittedFlags(of: descriptor, isMember: isMember, isPrivileged: isPrivileged)
            let flag: UInt32 = 1 << UInt32(bit)
            if permitted & ~fixed & flag != 0, bit != Flag.requestInterrupt { descriptor.flags |= flag }
        }
        if context.isUserInterruptEnabled, dice.chance(20) {
            descriptor.flags |= 1 << Flag.requestInterrupt
            descriptor.interruptHandle = UInt16(dice.chance(90) ? dice.within(1...4) : dice.below(0x10000))
        }
    }

    private mutating func nextRecordAddress() -> UInt64 {
        nextSlot = (nextSlot + 1) % 256
        return CaseLayout.address(CaseLayout.recordPages.lowerBound) + UInt64(nextSlot) * 32
    }
}

// MARK: Batches

extension CaseGenerator {
    private mutating func makeBatch(isPrivileged: Bool) {
        let largest = Int(min(context.maximumBatch, 16))
        let count = dice.within(2...max(2, largest))
        let listBytes = count * 64
        let list = CaseLayout.address(CaseLayout.listPages.lowerBound)
        // Mostly across the pages' boundary.
        let start = dice.chance(60) ? 4096 - dice.within(0...count) * 64 : dice.below((8192 - listBytes) / 64) * 64
        var descriptor = testCase.descriptor
        descriptor.opcode = Operation.batch
        descriptor.first = list + UInt64(start)
        descriptor.size = UInt64(count)
        makeFlags(&descriptor, isMember: false, isPrivileged: isPrivileged)
        for index in 0..<count {
            var member = RawDescriptor()
            member[0, 4] = dice.next() & 0xFFFF_FFFF
            makeDescriptor(&member, isMember: true, isPrivileged: isPrivileged)
            if dice.chance(15) { member.flags |= 1 << Flag.fence }
            if dice.below(30) == 0 { member.opcode = dice.pick([Operation.batch, Operation.drain]) }
            preset(member.bytes, at: descriptor.first + UInt64(index * 64))
        }
        buffers.append(Buffer(address: descriptor.first, size: listBytes))
        switch dice.below(20) {
        case 0...2: addDefect(to: &descriptor)
        case 3: for _ in 0..<3 { addDefect(to: &descriptor) }
        default: break
        }
        testCase.descriptor = descriptor
    }
}

// MARK: Memory

extension CaseGenerator {
    /// Puts bytes into the memory of the case.
    mutating func preset(_ bytes: [UInt8], at address: UInt64) {
        testCase.presets.append(DescriptorCase.Preset(address: address, bytes: bytes))
        model.put(bytes, at: address)
    }

    /// The bytes that lie in the memory of the case; 0 where there is none.
    func contents(at address: UInt64, count: Int) -> [UInt8] {
        (0..<count).map { index in
            model.offset(of: address &+ UInt64(index)).map { model.bytes[$0] } ?? 0
        }
    }

    /// Takes permissions from some of the pages that the buffers, the list and the records lie in.
    private mutating func makeFaults() {
        guard testCase.space != CaseLayout.unboundSpace else { return }
        if dice.chance(35), !buffers.isEmpty {
            for _ in 0..<dice.within(1...3) {
                let buffer = dice.pick(buffers)
                let first = Int((buffer.address & 0xFFF)) / 4096
                let pageCount = (Int(buffer.address & 0xFFF) + max(buffer.size, 1) - 1) / 4096 + 1
                let chosen = dice.chance(50) ? pageCount - 1 : dice.below(pageCount)
                if let page = model.page(of: buffer.address &+ UInt64((first + chosen) * 4096)) { spoil(page) }
            }
        }
        if dice.below(25) == 0 { spoil(dice.pick([0, 1])) }
        if dice.below(100) == 0 { spoil(dice.pick(Array(CaseLayout.outermostPages))) }
    }

    private mutating func spoil(_ page: Int) {
        let kinds: [PageKind] = [
            .absent, .absent, .absent, .readOnly, .readOnly, .readOnly, .supervisorReadWrite, .supervisorReadOnly,
        ]
        let kind = dice.below(30) == 0 ? .noMemory : dice.pick(kinds)
        testCase.pages.append(DescriptorCase.PageChange(page: page, kind: kind))
    }
}

// MARK: Single operations

extension CaseGenerator {
    /// Case `index` of the run of `seed`: a descriptor without a defect, of an operation that a page fault can stop,
    /// with a completion record and with all of its pages there.
    ///
    /// - Parameter flags: Flags that every descriptor has.
    package static func makeResumable(
        seed: UInt64, index: Int, oracle: Oracle, model: OracleMemory, flags: UInt32 = 0
    ) -> (testCase: DescriptorCase, pages: [Int]) {
        var generator = CaseGenerator(
            dice: Dice(seed: seed, index: index), oracle: oracle, models: [model],
            testCase: DescriptorCase(device: 0, queue: CaseLayout.sharedQueue, space: 0))
        defer { model.undo() }
        while true {
            model.undo()
            generator.testCase.presets = []
            generator.buffers = []
            var descriptor = RawDescriptor()
            descriptor[0, 4] = UInt64(CaseLayout.pasids[0])
            descriptor.opcode = generator.dice.pick(Self.operations)
            guard ![Operation.noOp, Operation.drain].contains(descriptor.opcode) else { continue }
            generator.makeFields(&descriptor)
            descriptor.flags |= 1 << Flag.recordAddressValid | 1 << Flag.requestRecord | flags
            descriptor.recordAddress = generator.nextRecordAddress()
            if generator.dice.chance(30) {
                let permitted = oracle.permittedFlags(of: descriptor, isMember: false, isPrivileged: false)
                descriptor.flags |= permitted & 1 << Flag.checkResult
            }
            generator.testCase.descriptor = descriptor
            let outcome = oracle.run(descriptor.bytes, on: model)
            // Faults are left, where a buffer reaches beyond the pages.
            guard outcome.defects.isEmpty, [0x01, 0x02, 0x08, 0x09].contains(outcome.status) else { continue }
            return (generator.testCase, generator.pagesOfBuffers)
        }
    }

    /// Case `index` of the run of `seed`: a batch whose list lies across a page boundary, without a defect of its own
    /// and with a record. Members may have any defect but to be no possible member.
    ///
    /// - Parameter hasFences: Without batch continuation a fence in a later part does not know of failures before it.
    package static func makeResumableBatch(
        seed: UInt64, index: Int, oracle: Oracle, model: OracleMemory, hasFences: Bool
    ) -> DescriptorCase {
        var generator = CaseGenerator(
            dice: Dice(seed: seed, index: index), oracle: oracle, models: [model],
            testCase: DescriptorCase(device: 0, queue: CaseLayout.sharedQueue, space: 0))
        defer { model.undo() }
        let count = generator.dice.within(2...8)
        var batch = RawDescriptor()
        batch[0, 4] = UInt64(CaseLayout.pasids[0])
        batch.opcode = Operation.batch
        batch.flags = 1 << Flag.recordAddressValid | 1 << Flag.requestRecord
        batch.recordAddress = generator.nextRecordAddress()
        let boundary = CaseLayout.address(CaseLayout.listPages.lowerBound + 1)
        batch.first = boundary - UInt64(generator.dice.within(0...count) * 64)
        batch.size = UInt64(count)
        for member in 0..<count {
            var descriptor = RawDescriptor()
            repeat {
                descriptor = RawDescriptor()
                descriptor[0, 4] = UInt64(CaseLayout.pasids[0])
                generator.makeDescriptor(&descriptor, isMember: true, isPrivileged: false)
            } while [Operation.batch, Operation.drain].contains(descriptor.opcode) || reachesList(descriptor)
            descriptor.flags &= ~(1 << Flag.fence)
            if hasFences, generator.dice.chance(20) { descriptor.flags |= 1 << Flag.fence }
            generator.preset(descriptor.bytes, at: batch.first + UInt64(member * 64))
        }
        generator.testCase.descriptor = batch
        return generator.testCase
    }

    /// Whether a buffer begins below the data pages, where the list is whose pages come and go.
    private static func reachesList(_ descriptor: RawDescriptor) -> Bool {
        let below = CaseLayout.address(0)..<CaseLayout.address(CaseLayout.dataPages.lowerBound)
        return [16, 24, 40, 48].contains { below.contains(descriptor[$0, 8]) }
    }

    /// The data pages that the descriptor's buffers lie in.
    private var pagesOfBuffers: [Int] {
        var pages = Set<Int>()
        for buffer in buffers where buffer.size > 0 {
            for address in stride(from: buffer.address & ~0xFFF, to: buffer.address &+ UInt64(buffer.size), by: 4096) {
                if let page = model.page(of: address), CaseLayout.dataPages.contains(page) { pages.insert(page) }
            }
        }
        return pages.sorted()
    }
}
