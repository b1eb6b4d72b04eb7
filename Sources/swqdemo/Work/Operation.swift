internal import DSASpec

/// The operations that the device carries out; each is submitted as often as the others.
enum Operation: Int, CaseIterable {
    case memoryMove
    case fill
    case compare
    case comparePattern
    case dualcast
    case crcGeneration
    case copyWithCRC
    /// Of three members, each behind a fence: fill, move what was filled, and the CRC of what was moved.
    case batch
    case noOp
    case drain
    case cacheFlush

    var opcode: Opcode {
        switch self {
        case .memoryMove: .memoryMove
        case .fill: .fill
        case .compare: .compare
        case .comparePattern: .comparePattern
        case .dualcast: .dualcast
        case .crcGeneration: .crcGeneration
        case .copyWithCRC: .copyWithCRC
        case .batch: .batch
        case .noOp: .noOp
        case .drain: .drain
        case .cacheFlush: .cacheFlush
        }
    }
}

/// What a completion record has to say.
struct ExpectedRecord: Equatable {
    var status = CompletionStatus.success
    var result: UInt8 = 0
    var bytesCompleted: UInt32 = 0
    /// `nil` for an operation without a CRC.
    var crc: UInt32?

    /// Whether a record says so. Fields that an operation does not use may hold anything.
    func matches(_ record: CompletionRecord) -> Bool {
        record.status == status && record.result == result && record.bytesCompleted == bytesCompleted
            && (crc == nil || record.crcValue == crc)
    }
}
