import DSASpec

/// The operations that move or look at data, as ``Transfer`` carries them out. No-op moves none and fits the same life.
enum OperationKind: UInt8, Sendable, BitwiseCopyable {
    case noOp
    case memoryMove
    case fill
    case compare
    case comparePattern
    case createDelta
    case applyDelta
    case dualcast
    case translationFetch
    case crcGeneration
    case copyWithCRC
    case difCheck
    case difInsert
    case difStrip
    case difUpdate
    case cacheFlush

    /// `nil` for what is no transfer: Batch, Drain, and what is not emulated.
    @inline(__always)
    init?(_ opcode: Opcode) {
        switch opcode {
        case .noOp: self = .noOp
        case .memoryMove: self = .memoryMove
        case .fill: self = .fill
        case .compare: self = .compare
        case .comparePattern: self = .comparePattern
        case .createDeltaRecord: self = .createDelta
        case .applyDeltaRecord: self = .applyDelta
        case .dualcast: self = .dualcast
        case .translationFetch: self = .translationFetch
        case .crcGeneration: self = .crcGeneration
        case .copyWithCRC: self = .copyWithCRC
        case .difCheck: self = .difCheck
        case .difInsert: self = .difInsert
        case .difStrip: self = .difStrip
        case .difUpdate: self = .difUpdate
        case .cacheFlush: self = .cacheFlush
        default: return nil
        }
    }

    /// How many buffers keep step with the blocks that are done. Delta operations have one more, a ``LooseBuffer``.
    @inline(__always) var steppedOperandCount: Int {
        switch self {
        case .noOp, .translationFetch: 0
        case .fill, .comparePattern, .crcGeneration, .applyDelta, .difCheck, .cacheFlush: 1
        case .memoryMove, .compare, .createDelta, .copyWithCRC, .difInsert, .difStrip, .difUpdate: 2
        case .dualcast: 3
        }
    }

    /// Whether buffer `operand` is written. For its faults a Cache Flush may count otherwise
    /// (``OpenPoints/cacheFlushAccess``).
    @inline(__always)
    func writes(_ operand: Int) -> Bool {
        switch self {
        case .noOp, .compare, .comparePattern, .translationFetch, .crcGeneration, .difCheck, .cacheFlush: false
        case .fill: true
        case .memoryMove, .copyWithCRC, .dualcast, .applyDelta, .difInsert, .difStrip, .difUpdate: operand > 0
        case .createDelta: operand == 2
        }
    }

    /// What Fault Info calls buffer `operand` (dsa-device 2.1).
    func name(ofOperand operand: Int) -> FaultOperand {
        switch (self, operand) {
        case (.fill, _), (.cacheFlush, _), (.createDelta, 2): .destination
        case (.compare, 1), (.createDelta, 1): .secondSource
        case (.dualcast, 2): .secondDestination
        case (_, 0): .source
        default: .destination
        }
    }
}
