internal import DSASpec
internal import PCIe

/// Room for one descriptor at a time: its completion record, a batch list, and three buffers of which a copy is kept.
///
/// The copy is what the buffers have to hold: the program applies to it what it asks the device for.
struct Slot {
    /// A page for records and the list, then the buffers.
    static let byteCount = WorkMemory.pageByteCount + bufferCount * bufferByteCount

    private static let bufferCount = 3
    /// A buffer takes the largest transfer at the largest offset in its first page.
    private static let bufferByteCount = 2 * WorkMemory.pageByteCount
    private static let transferByteCountMax = WorkMemory.pageByteCount
    private static let listOffset = 64
    private static let memberRecordOffset = 512
    private static let memberCount = 3

    /// Where the slot begins in memory.
    private let start: Int
    private var copy = [UInt8](repeating: 0, count: bufferCount * bufferByteCount)
    private(set) var operation = Operation.noOp
    private(set) var descriptor = Descriptor()
    private var expected = ExpectedRecord()
    private var expectedOfMembers: [ExpectedRecord] = []
    /// How often the descriptor was answered with Retry.
    var retryCount = 0

    init(index: Int) { start = index * Self.byteCount }

    /// Where the completion record is.
    var recordOffset: Int { start }

    /// Whether this descriptor ends after all that its program submitted before.
    var isDrain: Bool { operation == .drain }

    // MARK: Preparing

    /// Makes the descriptor of an operation on random operands, and computes what has to come of it.
    mutating func prepare(
        _ operation: Operation, in memory: WorkMemory, using generator: inout SeededGenerator
    ) {
        self.operation = operation
        expected = ExpectedRecord()
        expectedOfMembers = []
        retryCount = 0
        memory.write([UInt8](repeating: 0, count: CompletionRecord.byteCount)[...], at: recordOffset)

        descriptor = Descriptor()
        descriptor.opcode = operation.opcode
        descriptor.flags = [.completionRecordAddressValid, .requestCompletionRecord]
        descriptor.completionRecordAddress = LinearAddress(rawValue: memory.address(recordOffset))
        let count = Int.random(in: 1...Self.transferByteCountMax, using: &generator)
        switch operation {
        case .noOp, .drain:
            break
        case .batch:
            prepareBatch(count, in: memory, using: &generator)
        default:
            descriptor.transferSize = UInt32(count)
            prepareTransfer(count, in: memory, using: &generator)
        }
    }

    private mutating func prepareTransfer(
        _ count: Int, in memory: WorkMemory, using generator: inout SeededGenerator
    ) {
        let source = range(ofBuffer: 0, count, using: &generator)
        let destination = range(ofBuffer: 1, count, using: &generator)
        randomize(source, in: memory, using: &generator)
        let sourceAddress = address(source, memory)
        let destinationAddress = address(destination, memory)
        switch operation {
        case .memoryMove:
            (descriptor.sourceAddress, descriptor.destinationAddress) = (sourceAddress, destinationAddress)
            move(source, to: destination)
        case .fill:
            let pattern = generator.next()
            descriptor.fillPattern = pattern
            descriptor.destinationAddress = destinationAddress
            fill(destination, pattern)
        case .compare:
            (descriptor.sourceAddress, descriptor.destinationAddress) = (sourceAddress, destinationAddress)
            move(source, to: destination)
            let difference = Bool.random(using: &generator) ? Int.random(in: 0..<count, using: &generator) : nil
            if let difference { copy[destination.lowerBound + difference] ^= 0x80 }
            write(destination, to: memory)
            expectDifference(at: difference)
        case .comparePattern:
            let pattern = generator.next()
            descriptor.sourceAddress = sourceAddress
            descriptor.comparePattern = pattern
            fill(source, pattern)
            let difference = Bool.random(using: &generator) ? Int.random(in: 0..<count, using: &generator) : nil
            if let difference { copy[source.lowerBound + difference] ^= 0x01 }
            write(source, to: memory)
            expectDifference(at: difference)
        case .dualcast:
            // Both destinations lie at the same place in their pages.
            let shift = Self.bufferByteCount
            let second = destination.lowerBound + shift..<destination.upperBound + shift
            (descriptor.sourceAddress, descriptor.destinationAddress) = (sourceAddress, destinationAddress)
            descriptor.destination2Address = address(second, memory)
            move(source, to: destination)
            move(source, to: second)
        case .crcGeneration, .copyWithCRC:
            let seed = UInt32(truncatingIfNeeded: generator.next())
            descriptor.sourceAddress = sourceAddress
            descriptor.crcSeed = seed
            expected.crc = CRC32C.value(of: copy[source], seed: seed)
            if operation == .copyWithCRC {
                descriptor.destinationAddress = destinationAddress
                move(source, to: destination)
            }
        case .cacheFlush:
            descriptor.destinationAddress = destinationAddress
        case .batch, .noOp, .drain:
            preconditionFailure("\(operation) transfers nothing itself")
        }
    }

    private mutating func prepareBatch(
        _ count: Int, in memory: WorkMemory, using generator: inout SeededGenerator
    ) {
        let first = range(ofBuffer: 1, count, using: &generator)
        let second = range(ofBuffer: 2, count, using: &generator)
        let pattern = generator.next()
        var members = [Descriptor](repeating: Descriptor(), count: Self.memberCount)
        for index in members.indices {
            let offset = start + Self.memberRecordOffset + index * CompletionRecord.byteCount
            memory.write([UInt8](repeating: 0, count: CompletionRecord.byteCount)[...], at: offset)
            members[index].completionRecordAddress = LinearAddress(rawValue: memory.address(offset))
            members[index].flags = [.completionRecordAddressValid, .requestCompletionRecord]
            if index > 0 { members[index].flags.insert(.fence) }
            members[index].transferSize = UInt32(count)
        }
        members[0].opcode = .fill
        members[0].fillPattern = pattern
        members[0].destinationAddress = address(first, memory)
        members[1].opcode = .memoryMove
        members[1].sourceAddress = address(first, memory)
        members[1].destinationAddress = address(second, memory)
        members[2].opcode = .crcGeneration
        members[2].sourceAddress = address(second, memory)
        memory.write(members.flatMap(\.bytes)[...], at: start + Self.listOffset)
        descriptor.descriptorListAddress = LinearAddress(rawValue: memory.address(start + Self.listOffset))
        descriptor.descriptorCount = UInt32(Self.memberCount)

        fill(first, pattern)
        move(first, to: second)
        expected.bytesCompleted = UInt32(Self.memberCount)
        expectedOfMembers = [
            ExpectedRecord(), ExpectedRecord(), ExpectedRecord(crc: CRC32C.value(of: copy[second])),
        ]
    }

    private mutating func expectDifference(at offset: Int?) {
        guard let offset else { return }
        expected.result = 1
        expected.bytesCompleted = UInt32(offset)
    }

    // MARK: Checking

    /// Compares the completion records and every byte of the buffers with what has to be there.
    ///
    /// - Returns: Bytes compared.
    func check(in memory: WorkMemory) throws(DemoError) -> Int {
        let record = memory.record(at: recordOffset)
        try DemoError.require(
            expected.matches(record), "\(operation): the completion record is \(record), not \(expected)")
        for (index, expected) in expectedOfMembers.enumerated() {
            let record = memory.record(at: start + Self.memberRecordOffset + index * CompletionRecord.byteCount)
            try DemoError.require(
                expected.matches(record),
                "\(operation): the record of member \(index) is \(record), not \(expected)")
        }
        let buffers = start + WorkMemory.pageByteCount
        let bytes = memory.read(buffers..<buffers + copy.count)
        if bytes != copy {
            let place = zip(bytes, copy).enumerated().first { $0.element.0 != $0.element.1 }?.offset ?? 0
            throw DemoError("\(operation): byte \(place) of the buffers is \(bytes[place]), not \(copy[place])")
        }
        return copy.count
    }

    // MARK: Buffers

    /// A random place for `count` bytes in a buffer, as a range of the copy.
    private func range(ofBuffer buffer: Int, _ count: Int, using generator: inout SeededGenerator) -> Range<Int> {
        let offset = Int.random(in: 0..<WorkMemory.pageByteCount, using: &generator)
        let first = buffer * Self.bufferByteCount + offset
        return first..<first + count
    }

    private func address(_ range: Range<Int>, _ memory: WorkMemory) -> LinearAddress {
        LinearAddress(rawValue: memory.address(start + WorkMemory.pageByteCount + range.lowerBound))
    }

    private func write(_ range: Range<Int>, to memory: WorkMemory) {
        memory.write(copy[range], at: start + WorkMemory.pageByteCount + range.lowerBound)
    }

    private mutating func randomize(
        _ range: Range<Int>, in memory: WorkMemory, using generator: inout SeededGenerator
    ) {
        var word: UInt64 = 0
        for (position, index) in range.enumerated() {
            if position % 8 == 0 { word = generator.next() }
            copy[index] = UInt8(truncatingIfNeeded: word >> UInt64(position % 8 * 8))
        }
        write(range, to: memory)
    }

    private mutating func move(_ source: Range<Int>, to destination: Range<Int>) {
        copy.replaceSubrange(destination, with: copy[source])
    }

    private mutating func fill(_ range: Range<Int>, _ pattern: UInt64) {
        for (position, index) in range.enumerated() {
            copy[index] = UInt8(truncatingIfNeeded: pattern >> UInt64(position % 8 * 8))
        }
    }
}
