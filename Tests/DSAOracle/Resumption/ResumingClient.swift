/// Software that submits what is left of a partly completed descriptor, as the reference says it must (dsa-device §2.4
/// and the paragraphs on resumption in §4), and that puts the parts' results together.
package struct ResumingClient: Sendable {
    /// What is to be submitted next.
    package private(set) var descriptor: RawDescriptor
    /// Bytes of the source done by the parts so far, from its start; of a delta record for Apply Delta.
    package private(set) var done: UInt64 = 0
    /// Create Delta: bytes of the delta record written by the parts so far.
    package private(set) var recordSize: UInt64 = 0

    package init(_ descriptor: RawDescriptor) {
        self.descriptor = descriptor
    }

    /// Entries of a delta record that were written by one part, whose offsets count from that part's first block.
    package struct DeltaEntries: Sendable {
        package let address: UInt64
        package let count: UInt64
        /// What is to be added to each offset, in units of 8 bytes.
        package let blocks: UInt64
    }

    /// The entries that the last part wrote, with the blocks that came before it.
    package func deltaEntries(of record: RecordBytes) -> DeltaEntries? {
        guard descriptor.opcode == Operation.createDelta else { return nil }
        return DeltaEntries(address: descriptor[40, 8], count: (record.words.2 & 0xFFFF_FFFF) / 10, blocks: done / 8)
    }

    /// Takes a record of a page fault and makes the descriptor of the rest.
    package mutating func resume(after record: RecordBytes) {
        let count = record.bytesCompleted
        switch descriptor.opcode {
        case Operation.move:
            if record.result == 0 { advance([16, 24], by: count) }
            shrink(by: count)
        case Operation.fill:
            rotatePattern(by: count)
            advance([24], by: count)
            shrink(by: count)
        case Operation.compare:
            advance([16, 24], by: count)
            shrink(by: count)
        case Operation.comparePattern:
            rotateBytes(24..<32, by: count)
            advance([16], by: count)
            shrink(by: count)
        case Operation.dualcast:
            advance([16, 24, 40], by: count)
            shrink(by: count)
        case Operation.crc, Operation.copyCRC:
            resumeCRC(record)
        case Operation.createDelta:
            let written = record.words.2 & 0xFFFF_FFFF
            advance([16, 24], by: count)
            shrink(by: count)
            descriptor[40, 8] &+= written
            descriptor[48, 4] -= written
            recordSize += written
        case Operation.applyDelta:
            descriptor.first &+= count
            descriptor[40, 4] -= count
        case Operation.difCheck, Operation.difInsert, Operation.difStrip, Operation.difUpdate:
            resumeDIF(record)
        case Operation.cacheFlush:
            advance([24], by: count)
            shrink(by: count)
        default:
            preconditionFailure("operation \(descriptor.opcode) has no partial completion")
        }
        done += count
    }

    private mutating func advance(_ fields: [Int], by count: UInt64) {
        for field in fields { descriptor[field, 8] &+= count }
    }

    private mutating func shrink(by count: UInt64) { descriptor.size -= count }

    private mutating func rotatePattern(by count: UInt64) {
        guard descriptor.hasFlag(Flag.widePattern) else { return rotateBytes(16..<24, by: count) }
        let pattern = Array(descriptor.bytes[16..<24] + descriptor.bytes[40..<48])
        for index in 0..<16 {
            descriptor.bytes[(index < 8 ? 16 : 32) + index] = pattern[(index + Int(count % 16)) % 16]
        }
    }

    private mutating func rotateBytes(_ range: Range<Int>, by count: UInt64) {
        let pattern = Array(descriptor.bytes[range])
        for index in pattern.indices {
            descriptor.bytes[range.lowerBound + index] = pattern[(index + Int(count % 8)) % pattern.count]
        }
    }

    /// The value so far becomes the seed. A seed that was read from memory is not read again.
    private mutating func resumeCRC(_ record: RecordBytes) {
        let count = record.bytesCompleted
        guard count > 0 else { return }
        advance(descriptor.opcode == Operation.crc ? [16] : [16, 24], by: count)
        shrink(by: count)
        descriptor.flags &= ~(1 << Flag.readSeed | 1 << Flag.selector3)
        descriptor[48, 8] = 0
        let width = descriptor.hasFlag(Flag.crc64) ? 8 : 4
        descriptor[40, width] = record.words.2
    }

    private mutating func resumeDIF(_ record: RecordBytes) {
        let layout = DIFLayout(descriptor)
        let blocks = record.bytesCompleted / layout.sourceStride
        descriptor.first &+= record.bytesCompleted
        shrink(by: record.bytesCompleted)
        if descriptor.opcode != Operation.difCheck { descriptor.second &+= blocks * layout.destinationStride }
        if descriptor.opcode != Operation.difInsert { descriptor[48, 8] = record.words.2 }
        if [Operation.difInsert, Operation.difUpdate].contains(descriptor.opcode) {
            descriptor[56, 8] = record.words.3
        }
    }
}

// MARK: Results

extension ResumingClient {
    /// The record that one undisturbed descriptor would have left, from the record of the last part.
    package func total(_ last: RecordBytes) -> RecordBytes {
        var words = last.words
        let reportsOffset: Bool =
            switch descriptor.opcode {
            case Operation.compare, Operation.comparePattern: last.result == 1
            case Operation.createDelta: last.result == 2
            default: [0x07, 0x08, 0x09].contains(last.status)
            }
        if reportsOffset { words.0 += done << 32 }
        if descriptor.opcode == Operation.createDelta {
            words.2 += recordSize
            let result: UInt64 = last.result == 2 ? 2 : words.2 == 0 ? 0 : 1
            // The mask of expected results was asked about the last part only.
            let isExpected = descriptor.bytes[56] >> UInt8(result) & 1 == 1
            let status: UInt64 = descriptor.hasFlag(Flag.checkResult) && !isExpected ? 0x02 : 0x01
            words.0 = words.0 & ~0xFF3F | status | result << 8
        }
        return RecordBytes(words)
    }
}
