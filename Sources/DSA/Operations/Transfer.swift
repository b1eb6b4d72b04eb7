public import DSASpec
public import IOMMU
import PCIe

/// A descriptor that moves or looks at data, from its checks to its completion record (dsa-device §4.1 to §4.5).
///
/// Its life is `resolve`, `run`, `absorb`, repeated until it has ended, then `completionRecord`:
///
///     while case .ready = transfer.resolve(into: &window, ...) {
///         Transfer.run(&window)
///         if transfer.absorb(window) == .finished { break }
///     }
///     let record = transfer.completionRecord()
///
/// A plain value of about 100 bytes, so that a table of descriptors in flight can hold it. Between two windows it may
/// be dropped: nothing runs then and no page is held.
public struct Transfer: Sendable, BitwiseCopyable {
    let kind: OperationKind
    /// Memory Move whose destination begins inside its source: it runs from the end.
    let isBackward: Bool
    let checksResult: Bool
    /// Expected Result of a comparison, Expected Result Mask of Create Delta Record.
    let expectedResult: UInt8
    let strides: BlockStrides
    /// How many blocks there are to do.
    let blockCount: UInt32
    /// Blocks that are done, from the start or, backward, from the end.
    var blocksDone: UInt32
    var state: OperationState
    /// Where the buffers begin, in the order of the descriptor.
    let addresses: InlineArray<3, UInt64>
    let openPoints: OpenPoints
    /// The accesses carry addresses that the device has translated, so that it learns of faults.
    let usesATS: Bool
    /// Where the device keeps translations; `nil` when each access asks the IOMMU.
    let deviceTLB: DeviceTLBReference?

    /// ``CompletionStatus/none`` until the transfer has ended.
    var status: CompletionStatus
    /// Byte 1 of the record of an operation that looks for differences.
    var result: UInt8
    /// Which access ended the transfer early.
    var faultOperand = FaultOperand.unknown
    var faultWasWrite: Bool
    var faultAddress: LinearAddress
    /// Where it is to fault although memory would let it pass.
    var injectedFault: InjectedFault?
    /// It ended at an injected fault that no page request takes back.
    var isCutOff = false

    /// Whether `opcode` is carried out by a transfer: all operations of ``OpcodeSet/emulated`` but Batch and Drain,
    /// which order others.
    public static func carriesOut(_ opcode: Opcode) -> Bool {
        OperationKind(opcode) != nil
    }

    /// - Precondition: ``carriesOut(_:)`` says so of the opcode, and ``DescriptorChecks`` found nothing.
    /// - Parameters:
    ///   - openPoints: What the device decides where the specification does not.
    ///   - usesATS: Otherwise a read that faults ends with 0x20, and what is written to a page that faults is lost
    ///     without anybody's knowledge (dsa-device §5.1).
    ///   - deviceTLB: The device's translation cache, which outlives the transfer.
    public init(
        _ descriptor: Descriptor, openPoints: OpenPoints = OpenPoints(), usesATS: Bool = true,
        deviceTLB: DeviceTLBReference? = nil
    ) {
        guard let kind = OperationKind(descriptor.opcode) else {
            preconditionFailure("Batch, Drain and refused operations have no transfer")
        }
        let source = descriptor.sourceAddress.rawValue
        let destination = descriptor.destinationAddress.rawValue
        let size = kind == .noOp ? 0 : descriptor.transferSize
        self.kind = kind
        isBackward = kind == .memoryMove && destination > source && destination - source < UInt64(size)
        checksResult = descriptor.flags.contains(.checkResult)
        self.openPoints = openPoints
        self.usesATS = usesATS
        self.deviceTLB = deviceTLB
        switch kind {
        case .fill, .cacheFlush:
            addresses = [destination, 0, 0]
        case .crcGeneration, .copyWithCRC:
            addresses = [source, destination, descriptor.crcSeedAddress.rawValue]
        case .createDelta:
            addresses = [source, destination, descriptor.deltaRecordAddress.rawValue]
        default:
            addresses = [source, destination, descriptor.destination2Address.rawValue]
        }
        switch kind {
        case .createDelta:
            strides = .deltaSources
            blockCount = size / strides.first
            state = .createDelta(DeltaCreation(descriptor))
        case .applyDelta:
            strides = .deltaEntries
            blockCount = descriptor.deltaRecordSize / strides.first
            state = .applyDelta(DeltaApplication(descriptor))
        case .translationFetch where descriptor.flags.contains(.useStride):
            strides = BlockStrides(first: descriptor.regionStride, others: 0)
            blockCount = (size - 1) / strides.first + 1
            state = .none
        case .difCheck, .difInsert, .difStrip, .difUpdate:
            strides = .dif(kind, descriptor.difFlags)
            blockCount = size / strides.first
            state = .dif(DIFProgress(descriptor, openPoints))
        default:
            strides = .bytes
            blockCount = size
            state =
                switch kind {
                case .fill: .pattern(FillPattern(ofFill: descriptor))
                case .comparePattern: .pattern(FillPattern(ofCompare: descriptor))
                case .crcGeneration, .copyWithCRC: .crc(CRCProgress(descriptor))
                default: .none
                }
        }
        expectedResult =
            kind == .createDelta
            ? descriptor.expectedResultMask
            : descriptor.expectedResult & (openPoints.expectedResult == .lowBit ? 1 : 0xFF)
        blocksDone = 0
        status = .none
        result = 0
        faultWasWrite = false
        faultAddress = LinearAddress(rawValue: 0)
    }

    /// Whether buffer `operand` is accessed as one that is written.
    @inline(__always)
    func writes(_ operand: Int) -> Bool {
        kind == .cacheFlush ? openPoints.cacheFlushAccess == .write : kind.writes(operand)
    }

    /// Blocks that are still to be done.
    @inline(__always) var blocksLeft: UInt32 { blockCount - blocksDone }

    /// The bytes of the first buffer in all.
    @inline(__always) var byteCount: UInt32 { blockCount &* strides.first }

    /// What the record says is done (dsa-device §2.4).
    @inline(__always) var bytesCompleted: UInt32 { blocksDone * strides.first }
}

// MARK: After a window

/// Whether a transfer has more windows.
public enum TransferProgress: Sendable, BitwiseCopyable {
    case continues
    case finished
}

extension Transfer {
    /// Takes over what `window` did.
    ///
    /// - Precondition: This transfer resolved `window`, and it ran.
    public mutating func absorb(_ window: borrowing TransferWindow) -> TransferProgress {
        state = window.state
        return absorb(blocksDone: window.blocksDone, ending: window.ending)
    }

    /// Takes over that `count` further blocks are done, and why there were not more; ``state`` is already as it came to
    /// be.
    @inline(__always)
    mutating func absorb(blocksDone count: Int, ending: TransferWindow.Ending) -> TransferProgress {
        blocksDone += UInt32(truncatingIfNeeded: count)
        switch ending {
        case .complete:
            guard blocksDone == blockCount else { return .continues }
            finish()
        case .needsBuffer:
            return .continues
        case .difference:
            finish(result: 1)
        case .recordFull:
            finish(result: 2)
        case .failed(let failure):
            status = failure
        }
        return .finished
    }

    /// Ends with 0x01, or 0x02 where a predicate was asked for and is false.
    ///
    /// - Parameter difference: Result, where it is not that of the operation's state.
    @inline(__always)
    mutating func finish(result difference: UInt8 = 0) {
        result = difference
        var isTrue = true
        switch kind {
        case .compare, .comparePattern:
            isTrue = expectedResult == result
        case .createDelta:
            if difference == 0, hasWrittenEntries { result = 1 }
            isTrue = expectedResult >> result & 1 == 1
        default:
            break
        }
        status = checksResult && !isTrue ? .successFalsePredicate : .success
    }

    /// Bytes Completed of an operation that ended at a difference, or for want of room.
    private var endOffset: UInt32 {
        let wholePatterns = blockCount & ~7
        guard kind == .comparePattern, openPoints.comparePatternOffset == .patternStart, blocksDone < wholePatterns
        else { return bytesCompleted }
        return blocksDone & ~7
    }

    private var hasWrittenEntries: Bool {
        if case .createDelta(let creation) = state { creation.size > 0 } else { false }
    }
}

// MARK: At the end

extension Transfer {
    /// The record of a transfer that has ended: `resolve` or `absorb` said so. Bytes Completed is as in dsa-device
    /// §2.4.
    public func completionRecord() -> CompletionRecord {
        precondition(status != .none, "the transfer has not ended")
        var record = CompletionRecord(status: status)
        switch status {
        case .success, .successFalsePredicate:
            record.result = result
            // All blocks done is said by 0: what is left here ended early, at a difference or for want of room.
            if blocksDone < blockCount { record.bytesCompleted = endOffset }
        case .pageFault, .pageRequestFailed:
            record.faultAddress = faultAddress
            record.faultWasWrite = faultWasWrite
            record.bytesCompleted = bytesCompleted
            record.result = isBackward || hasWrittenEntries ? 1 : 0
        case .deltaOffsetNotIncreasing, .deltaOffsetOutOfRange, .difError:
            record.bytesCompleted = bytesCompleted
        default:
            // 0x20 to 0x22: whatever else the record could say is undefined.
            if openPoints.errorBytesCompleted == .progress {
                record.bytesCompleted = bytesCompleted
                record.result = isBackward ? 1 : 0
            }
            return record
        }
        switch state {
        case .none, .pattern, .applyDelta:
            break
        case .crc(let crc):
            record.crc64Value = crc.value
        case .createDelta(let creation):
            record.deltaRecordSize = creation.size
        case .dif(let dif):
            if status == .difError { record.difStatus = dif.status }
            record.setTags(dif, of: kind, openPoints.applicationTagReport)
        }
        return record
    }
}
