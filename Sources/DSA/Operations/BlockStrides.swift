import DSASpec

/// How far the buffers of an operation move on together: by so many bytes each for every block that is done.
///
/// A block is the least that is done or not done: a byte of a move, 8 bytes of Create Delta Record, an entry of a delta
/// record, a protected block of DIF. Progress, faults and windows count blocks; only where a buffer lies in memory, and
/// what the record says, is in bytes.
struct BlockStrides: Sendable, BitwiseCopyable {
    /// Bytes of the first buffer.
    let first: UInt32
    /// Bytes of each further buffer that keeps step.
    let others: UInt32

    static let bytes = Self(first: 1, others: 1)

    static let deltaSources = Self(first: DeltaRecord.blockByteCount, others: DeltaRecord.blockByteCount)
    static let deltaEntries = Self(first: DeltaRecord.entryByteCount, others: 0)

    /// The strides of a DIF operation: with fields of 8 bytes in the source, in the destination, or in both.
    static func dif(_ kind: OperationKind, _ flags: DIFFlags) -> Self {
        let data = flags.blockByteCount
        let protected = data + DIFFlags.fieldByteCount
        return switch kind {
        case .difInsert: Self(first: data, others: protected)
        case .difStrip: Self(first: protected, others: data)
        case .difUpdate: Self(first: protected, others: protected)
        default: Self(first: protected, others: 0)
        }
    }

    @inline(__always)
    init(first: UInt32, others: UInt32) {
        self.first = first
        self.others = others
    }

    /// The bytes of a block in buffer `operand`.
    @inline(__always)
    subscript(operand: Int) -> UInt64 { UInt64(operand == 0 ? first : others) }

    /// How many of `blocks` blocks one window has room for: each buffer has ``TransferWindow/byteCountMax`` bytes.
    @inline(__always)
    func blocksInWindow(of blocks: UInt64) -> UInt64 {
        let most = UInt64(max(first, others))
        // Short transfers, which are most of them, need no division.
        return blocks * most <= TransferWindow.byteCountMax ? blocks : TransferWindow.byteCountMax / most
    }

    /// The whole blocks in `byteCount` bytes of buffer `operand`.
    @inline(__always)
    func wholeBlocks(in byteCount: UInt64, of operand: Int) -> UInt64 {
        let stride = self[operand]
        return stride == 1 ? byteCount : byteCount / stride
    }
}
