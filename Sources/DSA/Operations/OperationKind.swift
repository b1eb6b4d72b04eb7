import DSASpec

/// The operations that move or look at data, as ``Transfer`` carries them out. No-op moves none and fits the same life.
enum OperationKind: UInt8, Sendable, BitwiseCopyable {
    case noOp
    case memoryMove
    case fill
    case compare
    case comparePattern
    case dualcast
    case crcGeneration
    case copyWithCRC
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
        case .dualcast: self = .dualcast
        case .crcGeneration: self = .crcGeneration
        case .copyWithCRC: self = .copyWithCRC
        case .cacheFlush: self = .cacheFlush
        default: return nil
        }
    }

    /// How many buffers of Transfer Size bytes there are.
    @inline(__always) var operandCount: Int {
        switch self {
        case .noOp: 0
        case .fill, .comparePattern, .crcGeneration, .cacheFlush: 1
        case .memoryMove, .compare, .copyWithCRC: 2
        case .dualcast: 3
        }
    }

    /// Whether buffer `operand` is written. For its faults a Cache Flush may count otherwise
    /// (``OpenPoints/cacheFlushAccess``).
    @inline(__always)
    func writes(_ operand: Int) -> Bool {
        switch self {
        case .noOp, .compare, .comparePattern, .crcGeneration, .cacheFlush: false
        case .fill: true
        case .memoryMove, .copyWithCRC, .dualcast: operand > 0
        }
    }

    @inline(__always) var computesCRC: Bool { self == .crcGeneration || self == .copyWithCRC }
}
