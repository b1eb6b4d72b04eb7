import CKernels
import DSASpec

/// How far a Create Delta Record is (dsa-device §4.3).
struct DeltaCreation: Sendable, BitwiseCopyable {
    /// Maximum Delta Record Size.
    let maximumSize: UInt32
    /// Bytes of the record that are written: whole entries.
    var size: UInt32 = 0
    /// The next block differed, and its entry fits into the record, but the window had no room for it.
    var awaitsRoom = false

    init(_ descriptor: Descriptor) {
        maximumSize = descriptor.maximumDeltaRecordSize
    }

    /// Where the next entries go.
    func recordBuffer(blocks: UInt64) -> LooseBuffer {
        let entry = UInt64(DeltaRecord.entryByteCount)
        return LooseBuffer(
            operand: 2, offset: UInt64(size),
            byteCount: min(UInt64(maximumSize - size), blocks * entry, TransferWindow.byteCountMax),
            needed: awaitsRoom ? entry : 0)
    }
}

extension Transfer {
    /// Compares the window's blocks and writes an entry for each that differs, until one has no room.
    static func runCreateDelta(_ window: inout TransferWindow, _ progress: DeltaCreation) {
        let blockByteCount = Int(DeltaRecord.blockByteCount)
        let entryByteCount = Int(DeltaRecord.entryByteCount)
        var creation = progress
        creation.awaitsRoom = false
        var first = unsafe window.cursor(0)
        var second = unsafe window.cursor(1)
        var record = unsafe window.cursor(2)
        var done = 0
        while done < window.blockCount {
            let blocks = unsafe min(first.byteCount, second.byteCount) / blockByteCount
            let number = UInt32(truncatingIfNeeded: window.firstBlock + done)
            var compared = 0
            var written = 0
            if unsafe record.byteCount < entryByteCount && record.remaining >= entryByteCount {
                // The next entry lies in two pieces.
                unsafe withUnsafeTemporaryAllocation(byteCount: entryByteCount, alignment: 1) { entry in
                    guard let entry = entry.baseAddress else { preconditionFailure("ten bytes have an address") }
                    compared = unsafe ck_create_delta(
                        first.position, second.position, blocks, number, entry, entryByteCount, &written)
                    unsafe record.write(written, from: entry)
                }
            } else {
                compared = unsafe ck_create_delta(
                    first.position, second.position, blocks, number, record.position, record.byteCount, &written)
                unsafe record.skip(written)
            }
            creation.size += UInt32(truncatingIfNeeded: written)
            done += compared
            unsafe first.skip(compared * blockByteCount)
            unsafe second.skip(compared * blockByteCount)
            if compared < blocks, unsafe record.remaining < entryByteCount {
                creation.awaitsRoom = creation.size + DeltaRecord.entryByteCount <= creation.maximumSize
                window.ending = creation.awaitsRoom ? .needsBuffer : .recordFull
                break
            }
        }
        window.blocksDone = done
        window.state = .createDelta(creation)
    }
}
