import CKernels
import DSASpec

/// How far an Apply Delta Record is (dsa-device §4.3). Its blocks are the entries of the record.
struct DeltaApplication: Sendable, BitwiseCopyable {
    /// An entry, read from memory once.
    struct Entry: Sendable, BitwiseCopyable {
        /// Where its data go, in blocks of 8 bytes from the start of the destination.
        let block: UInt32
        let data: UInt64

        @inline(__always)
        init(_ entry: ck_delta_entry) {
            block = UInt32(UInt16(littleEndian: entry.offset))
            data = entry.data
        }

        /// The ten bytes at `bytes`, which needs no alignment.
        @inline(__always)
        init(loading bytes: UnsafeRawPointer) {
            unsafe self.init(ck_load_delta_entry(bytes))
        }
    }

    /// Blocks of 8 bytes of the destination.
    let blockCount: UInt32
    /// The lowest block that the next entry may have.
    var nextBlock: UInt32 = 0
    /// The next entry: read and checked, but of a block that the window did not have.
    var pending: Entry?

    init(_ descriptor: Descriptor) {
        blockCount = descriptor.transferSize / DeltaRecord.blockByteCount
    }

    /// The first block of the destination that a window has.
    var firstBlock: UInt32 { pending?.block ?? nextBlock }

    /// The status with which `entry` as the next one ends the operation, or `nil`.
    func refusal(of entry: Entry) -> CompletionStatus? {
        if entry.block < nextBlock { return .deltaOffsetNotIncreasing }
        return entry.block >= blockCount ? .deltaOffsetOutOfRange : nil
    }

    /// Where the next entries go.
    var destinationBuffer: LooseBuffer {
        let block = UInt64(DeltaRecord.blockByteCount)
        return LooseBuffer(
            operand: 1, offset: UInt64(firstBlock) * block,
            byteCount: min(UInt64(blockCount - firstBlock) * block, TransferWindow.byteCountMax),
            needed: pending == nil ? 0 : block)
    }
}

extension Transfer {
    /// Applies the window's entries, until one is wrong or of a block that the window does not have.
    static func runApplyDelta(_ window: inout TransferWindow, _ progress: DeltaApplication) {
        let entryByteCount = Int(DeltaRecord.entryByteCount)
        var target = unsafe DeltaTarget(progress, window.cursor(1))
        var record = unsafe window.cursor(0)
        var done = 0
        if let entry = unsafe target.application.pending {
            unsafe target.application.pending = nil
            window.ending = unsafe target.place(entry)
            unsafe record.skip(entryByteCount)
            done = 1
        }
        while done < window.blockCount {
            let entry: DeltaApplication.Entry
            let whole = unsafe record.byteCount / entryByteCount
            if whole > 0 {
                let applied = unsafe target.apply(record.position, entryCount: whole)
                done += applied.count
                unsafe record.skip(applied.count * entryByteCount)
                guard let stopped = applied.stopped else { continue }
                entry = stopped
                unsafe record.skip(entryByteCount)
            } else {
                entry = unsafe splitEntry(at: &record)
            }
            window.ending = unsafe target.place(entry)
            guard window.ending == .complete else { break }
            done += 1
        }
        window.blocksDone = done
        window.state = unsafe .applyDelta(target.application)
    }

    /// The next entry, which lies in two pieces.
    private static func splitEntry(at record: inout SegmentCursor) -> DeltaApplication.Entry {
        unsafe withUnsafeTemporaryAllocation(byteCount: Int(DeltaRecord.entryByteCount), alignment: 1) { bytes in
            guard let bytes = bytes.baseAddress else { preconditionFailure("ten bytes have an address") }
            unsafe record.read(Int(DeltaRecord.entryByteCount), into: bytes)
            return unsafe DeltaApplication.Entry(ck_load_delta_entry(bytes))
        }
    }
}

/// The destination of a window of Apply Delta Record.
@unsafe
private struct DeltaTarget {
    var application: DeltaApplication
    private var cursor: SegmentCursor
    /// The block at the cursor.
    private var block: UInt32

    init(_ application: DeltaApplication, _ cursor: SegmentCursor) {
        unsafe self.application = application
        unsafe self.cursor = unsafe cursor
        unsafe block = application.firstBlock
    }

    /// Applies entries as long as they go to blocks of the piece at hand. Returns how many, and the next one if it is
    /// not such.
    mutating func apply(
        _ entries: UnsafeRawPointer, entryCount: Int
    ) -> (count: Int, stopped: DeltaApplication.Entry?) {
        var stopped = ck_delta_entry()
        let blockCount = unsafe cursor.byteCount / Int(DeltaRecord.blockByteCount)
        let count = unsafe ck_apply_delta(
            entries, entryCount, cursor.position, block, blockCount, &application.nextBlock, &stopped)
        return (count, count == entryCount ? nil : DeltaApplication.Entry(stopped))
    }

    /// Applies one entry, wherever it goes, and returns `.complete`, or says why not.
    mutating func place(_ entry: DeltaApplication.Entry) -> TransferWindow.Ending {
        if let refusal = unsafe application.refusal(of: entry) { return .failed(refusal) }
        let distance = unsafe Int(entry.block - block) * Int(DeltaRecord.blockByteCount)
        guard unsafe distance < cursor.remaining else {
            unsafe application.pending = entry
            return .needsBuffer
        }
        unsafe cursor.skip(distance)
        unsafe block = entry.block
        unsafe cursor.position.storeBytes(of: entry.data, as: UInt64.self)
        unsafe application.nextBlock = entry.block + 1
        return .complete
    }
}
