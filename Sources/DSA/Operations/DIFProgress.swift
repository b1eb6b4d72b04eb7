import CKernels
import DSASpec

/// How far a DIF operation is (dsa-device §4.5). Its blocks are those of its source.
struct DIFProgress: Sendable, BitwiseCopyable {
    let flags: DIFFlags
    let sourceFlags: SourceDIFFlags
    let destinationFlags: DestinationDIFFlags
    /// `CK_DIF_` flags.
    let options: UInt8
    /// What failed in the block that ended the operation.
    var status: DIFStatus = []
    /// Of the next block.
    var sourceTags: DIFTags
    /// Of the next block.
    var destinationTags: DIFTags

    init(_ descriptor: Descriptor, _ openPoints: OpenPoints) {
        flags = descriptor.difFlags
        sourceFlags = descriptor.sourceDIFFlags
        destinationFlags = descriptor.destinationDIFFlags
        sourceTags = descriptor.sourceDIFTags
        destinationTags = descriptor.destinationDIFTags
        options =
            (openPoints.applicationTagCompare == .storedMasked ? UInt8(CK_DIF_MASK_STORED_TAG) : 0)
            | (openPoints.allFWithoutChecks == .skipped ? UInt8(CK_DIF_ALL_F_NEEDS_CHECK) : 0)
    }
}

extension DIFProgress {
    /// The same for the kernels.
    fileprivate var kernelState: ck_dif {
        ck_dif(
            block_byte_count: Int(flags.blockByteCount), flags: flags.rawValue, source_flags: sourceFlags.rawValue,
            destination_flags: destinationFlags.rawValue, options: options, status: 0,
            source: ck_dif_tags(sourceTags), destination: ck_dif_tags(destinationTags))
    }

    /// Carries out `blockCount` blocks that lie in one piece on each side, until one fails a check. Returns how many
    /// are good, and how far the operation is after them.
    @inline(__always)
    func run(
        _ kind: OperationKind, _ source: UnsafeRawPointer, _ destination: UnsafeMutableRawPointer, _ blockCount: Int
    ) -> (blocksDone: Int, DIFProgress) {
        var kernel = kernelState
        let done = unsafe Transfer.runDIFKernel(kind, &kernel, source, destination, blockCount)
        var progress = self
        progress.absorb(kernel)
        return (done, progress)
    }

    /// Takes over what the kernels did.
    fileprivate mutating func absorb(_ state: ck_dif) {
        status = DIFStatus(rawValue: state.status)
        sourceTags = DIFTags(state.source)
        destinationTags = DIFTags(state.destination)
    }
}

extension ck_dif_tags {
    fileprivate init(_ tags: DIFTags) {
        self.init(
            reference: tags.reference, application_mask: tags.applicationMask, application: tags.application)
    }
}

extension DIFTags {
    fileprivate init(_ tags: ck_dif_tags) {
        self.init(reference: tags.reference, applicationMask: tags.application_mask, application: tags.application)
    }
}

extension Transfer {
    /// Carries out the window's blocks, until one fails a check.
    static func runDIF(_ window: inout TransferWindow, _ progress: DIFProgress) {
        let strides = window.strides
        var state = progress.kernelState
        var source = unsafe window.cursor(0)
        var destination = unsafe window.cursor(1)
        var done = 0
        while done < window.blockCount, state.status == 0 {
            var whole = unsafe source.byteCount / Int(strides.first)
            if strides.others > 0 { whole = unsafe min(whole, destination.byteCount / Int(strides.others)) }
            if whole > 0 {
                done += unsafe runDIFKernel(window.kind, &state, source.position, destination.position, whole)
                unsafe source.skip(whole * Int(strides.first))
                unsafe destination.skip(whole * Int(strides.others))
            } else {
                done += unsafe runSplitBlock(window.kind, &state, &source, &destination, strides)
            }
        }
        var absorbed = progress
        absorbed.absorb(state)
        window.blocksDone = done
        window.ending = state.status == 0 ? .complete : .failed(.difError)
        window.state = .dif(absorbed)
    }

    /// Carries out one block that lies in several pieces, and returns 1 if it is good, otherwise 0.
    @inline(never)
    private static func runSplitBlock(
        _ kind: OperationKind, _ state: inout ck_dif, _ source: inout SegmentCursor,
        _ destination: inout SegmentCursor, _ strides: BlockStrides
    ) -> Int {
        let (sourceByteCount, destinationByteCount) = (Int(strides.first), Int(strides.others))
        return unsafe withUnsafeTemporaryAllocation(
            byteCount: sourceByteCount + destinationByteCount, alignment: 64
        ) { buffer in
            guard let block = buffer.baseAddress else { preconditionFailure("a block has an address") }
            let result = unsafe block + sourceByteCount
            unsafe source.read(sourceByteCount, into: block)
            guard unsafe runDIFKernel(kind, &state, block, result, 1) == 1 else { return 0 }
            unsafe destination.write(destinationByteCount, from: result)
            return 1
        }
    }

    fileprivate static func runDIFKernel(
        _ kind: OperationKind, _ state: inout ck_dif, _ source: UnsafeRawPointer,
        _ destination: UnsafeMutableRawPointer, _ blockCount: Int
    ) -> Int {
        switch kind {
        case .difInsert: unsafe ck_dif_insert(&state, destination, source, blockCount)
        case .difStrip: unsafe ck_dif_strip(&state, destination, source, blockCount)
        case .difUpdate: unsafe ck_dif_update(&state, destination, source, blockCount)
        default: unsafe ck_dif_check(&state, source, blockCount)
        }
    }
}

extension CompletionRecord {
    /// Fills in how far the tags are. DSA 3.0 §8.3.14 to §8.3.17 say which of them the operation has.
    mutating func setTags(_ progress: DIFProgress, of kind: OperationKind, _ report: OpenPoints.ApplicationTagReport) {
        if kind != .difInsert { sourceDIFTags = progress.sourceTags.reported(report) }
        if kind == .difInsert || kind == .difUpdate {
            destinationDIFTags = progress.destinationTags.reported(report)
        }
    }
}

extension DIFTags {
    fileprivate func reported(_ report: OpenPoints.ApplicationTagReport) -> DIFTags {
        guard report == .masked else { return self }
        return DIFTags(
            reference: reference, applicationMask: applicationMask, application: application & ~applicationMask)
    }
}
