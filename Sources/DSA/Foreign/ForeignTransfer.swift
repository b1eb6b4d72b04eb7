import DSASpec
import PCIe

/// A transfer whose buffers lie in foreign memory, with its completion record: a whole operation is one piece of work
/// for the thread that reaches that memory, and data and record one copy where that is possible.
///
/// It is the same ``Transfer``, run by the same kernels on copies of the buffers. A window reads what the operation
/// reads, runs, and writes what the operation writes. Where a write ends early the window runs again on the blocks that
/// were written, so that a CRC, tags or a delta record never say more than what was done.
struct ForeignTransfer: Sendable, BitwiseCopyable {
    /// What has become of the completion record.
    enum RecordState: Hashable, Sendable, BitwiseCopyable {
        case notWritten
        case written
        /// Its address cannot be written.
        case faulted
    }

    enum Progress: Hashable, Sendable, BitwiseCopyable {
        /// Others get a turn, or an abort, before it goes on.
        case continues
        /// Ended, the record written where there was one to write.
        case finished
        /// The address space is no more.
        case gone
    }

    var transfer: Transfer
    /// The descriptor has Block On Fault: a page that cannot be had is a page request that was refused.
    let blocksOnFault: Bool
    /// Pages of buffers that are not present are brought in.
    let bringsPagesIn: Bool
    /// Where the record goes, `nil` without one.
    let recordAddress: LinearAddress?
    let isRecordRequested: Bool
    /// The page of the record is brought in: page requests are on, whatever Block On Fault says (dsa-device 5.2).
    let bringsRecordIn: Bool
    /// The record has Fault Info.
    let reportsOperand: Bool
    var recordState = RecordState.notWritten

    /// What one call of ``run(in:through:byteCountMax:)`` may do before others get a turn.
    static let byteCountMax = 1 << 20

    /// The record of a transfer that has ended.
    static func record(of transfer: Transfer, reportsOperand: Bool) -> CompletionRecord {
        var record = transfer.completionRecord()
        switch record.status {
        case .pageFault, .pageRequestFailed:
            if reportsOperand { record.faultOperand = transfer.faultOperand }
        default:
            break
        }
        return record
    }

    private func needsRecord(_ status: CompletionStatus) -> Bool {
        recordAddress != nil && (isRecordRequested || !status.isQuietWithoutRequest)
    }
}

// MARK: The run

extension ForeignTransfer {
    /// Goes on until the transfer has ended or `byteCountMax` bytes are done.
    mutating func run(
        in memory: inout some ForeignMemory, through bounce: ForeignBounce,
        byteCountMax: Int = ForeignTransfer.byteCountMax
    ) -> Progress {
        var left = byteCountMax
        while transfer.status == .none {
            guard left > 0 else { return .continues }
            guard transfer.blocksLeft > 0 else {
                transfer.finish()
                break
            }
            if transfer.injectedFault != nil, meetsInjectedFault() { continue }
            guard let done = step(in: &memory, through: bounce) else { return .gone }
            left -= max(done, 4096)
        }
        if transfer.status == .pageFault, blocksOnFault, !transfer.isCutOff { transfer.refusePage() }
        guard recordState == .notWritten, needsRecord(transfer.status), let recordAddress else { return .finished }
        let record = Self.record(of: transfer, reportsOperand: reportsOperand)
        switch record.publish(at: recordAddress, in: &memory, through: bounce, bringsPagesIn: bringsRecordIn) {
        case .copied(let count): recordState = count == CompletionRecord.byteCount ? .written : .faulted
        case .gone: return .gone
        }
        return .finished
    }

    /// The next window. Returns the bytes that were done, or `nil` when the address space is no more.
    private mutating func step(in memory: inout some ForeignMemory, through bounce: ForeignBounce) -> Int? {
        if case .crc(let crc) = transfer.state, crc.awaitsSeed { return readSeed(crc, in: &memory, through: bounce) }
        switch transfer.kind {
        case .cacheFlush, .translationFetch: return touch(in: &memory, through: bounce)
        case .applyDelta: return applyEntries(in: &memory, through: bounce)
        default: return runWindow(in: &memory, through: bounce)
        }
    }

    /// Ends the transfer at the byte `offset` bytes into the buffer of an operand.
    private mutating func fail(_ operand: FaultOperand, _ address: UInt64, _ offset: Int, isWrite: Bool) {
        transfer.faultOperand = operand
        guard transfer.usesATS else {
            // Only a read comes here: its answer is all that the device sees.
            transfer.status = .hardwareError
            return
        }
        let (byte, isBeyond) = address.addingReportingOverflow(UInt64(offset))
        transfer.faultAddress = LinearAddress(rawValue: byte)
        transfer.faultWasWrite = isWrite
        let isCanonical = !isBeyond && (byte >> 47 == 0 || byte >> 47 == 0x1FFFF)
        transfer.status = isCanonical ? .pageFault : .translationError
    }

    /// Whether the transfer has come to its injected fault: it ends there, unless Block On Fault brings the page.
    private mutating func meetsInjectedFault() -> Bool {
        guard let fault = transfer.injectedFault,
            transfer.blocksBeforeInjectedFault(UInt64(transfer.blocksLeft)) == 0
        else { return false }
        transfer.injectedFault = nil
        guard fault.isFinal || !blocksOnFault else { return true }
        transfer.isCutOff = fault.isFinal
        fail(
            transfer.kind.name(ofOperand: 0), transfer.injectedFaultAddress.rawValue, 0, isWrite: transfer.writes(0))
        return true
    }

    private mutating func fail(operand: Int, _ offset: Int, isWrite: Bool) {
        fail(transfer.kind.name(ofOperand: operand), transfer.addresses[operand], offset, isWrite: isWrite)
    }

    /// Reads the listed pieces as far as they may be read.
    private func read(_ pieces: ForeignPieces, in memory: inout some ForeignMemory) -> ForeignCopy {
        if !bringsPagesIn {
            switch memory.presentByteCount(of: pieces, isWrite: false) {
            case .gone: return .gone
            case .copied(let count): pieces.truncate(to: count)
            }
        }
        return pieces.byteCount == 0 ? .copied(0) : memory.read(pieces)
    }

    private mutating func readSeed(
        _ progress: CRCProgress, in memory: inout some ForeignMemory, through bounce: ForeignBounce
    ) -> Int? {
        let byteCount = progress.isWide ? 8 : 4
        let seed = unsafe bounce.buffer(2)
        bounce.pieces.removeAll()
        unsafe bounce.pieces.append(seed, at: transfer.addresses[2], byteCount: byteCount)
        guard case .copied(let count) = read(bounce.pieces, in: &memory) else { return nil }
        guard count == byteCount else {
            fail(.secondSource, transfer.addresses[2], count, isWrite: false)
            return 0
        }
        var crc = progress
        crc.value =
            progress.isWide
            ? unsafe UInt64(littleEndian: seed.load(as: UInt64.self))
            : unsafe UInt64(UInt32(littleEndian: seed.load(as: UInt32.self)))
        crc.awaitsSeed = false
        transfer.state = .crc(crc)
        return 0
    }

    /// The operations to which the translation of their addresses is all: reads a byte of each page, or of each
    /// address.
    private mutating func touch(in memory: inout some ForeignMemory, through bounce: ForeignBounce) -> Int? {
        let isWrite = transfer.writes(0)
        let stride = UInt64(transfer.strides.first)
        let left = transfer.blocksBeforeInjectedFault(UInt64(transfer.blocksLeft))
        let start = UInt64(transfer.blocksDone)
        let base = transfer.addresses[0]
        var blocks: UInt64 = 0
        // What the pieces before this one stand for.
        var blocksBefore = InlineArray<64, UInt64>(repeating: 0)
        bounce.pieces.removeAll()
        while blocks < left, bounce.pieces.count < 64 {
            let offset = (start + blocks) * stride
            let (address, isBeyond) = base.addingReportingOverflow(offset)
            if isBeyond { break }
            blocksBefore[bounce.pieces.count] = blocks
            unsafe bounce.pieces.append(
                bounce.buffer(0) + bounce.pieces.count, at: address, byteCount: 1)
            blocks += stride == 1 ? min(4096 - address % 4096, left - blocks) : 1
        }
        let count = bounce.pieces.count
        let copy: ForeignCopy
        if bringsPagesIn {
            copy = count == 0 ? .copied(0) : memory.read(bounce.pieces)
        } else {
            copy = memory.presentByteCount(of: bounce.pieces, isWrite: isWrite)
        }
        guard case .copied(let touched) = copy else { return nil }
        let reached = touched == count ? blocks : blocksBefore[touched]
        var done = reached
        if touched < count, transfer.kind == .cacheFlush { done = transfer.wholeBlocks(in: reached, of: 0) }
        guard done > 0 else {
            fail(operand: 0, Int(truncatingIfNeeded: (start + reached) * stride), isWrite: isWrite)
            return 0
        }
        transfer.blocksDone += UInt32(truncatingIfNeeded: done)
        return count * 64
    }
}

extension CompletionRecord {
    /// Puts the record's bytes, and where they go, at the end of `pieces`: the status byte last.
    func append(to bounce: ForeignBounce, at address: LinearAddress) {
        let bytes = unsafe bounce.record
        unsafe bytes.storeBytes(of: word0.littleEndian, as: UInt64.self)
        unsafe bytes.storeBytes(of: word1.littleEndian, toByteOffset: 8, as: UInt64.self)
        unsafe bytes.storeBytes(of: word2.littleEndian, toByteOffset: 16, as: UInt64.self)
        unsafe bytes.storeBytes(of: word3.littleEndian, toByteOffset: 24, as: UInt64.self)
        unsafe bounce.pieces.append(bytes + 1, at: address.rawValue + 1, byteCount: Self.byteCount - 1)
        unsafe bounce.pieces.append(bytes, at: address.rawValue, byteCount: 1)
    }

    /// Writes the record into foreign memory, the status byte last. 32 bytes are copied, or fewer.
    func publish(
        at address: LinearAddress, in memory: inout some ForeignMemory, through bounce: ForeignBounce,
        bringsPagesIn: Bool
    ) -> ForeignCopy {
        bounce.pieces.removeAll()
        append(to: bounce, at: address)
        if !bringsPagesIn {
            let present = memory.presentByteCount(of: bounce.pieces, isWrite: true)
            guard present == .copied(Self.byteCount) else { return present }
        }
        return memory.write(bounce.pieces)
    }
}

// MARK: Windows

extension ForeignTransfer {
    /// Where the bytes of an operand lie while a window runs. What an operation copies needs one place only.
    private func place(_ operand: Int) -> Int {
        switch transfer.kind {
        case .memoryMove, .dualcast, .copyWithCRC: 0
        default: operand
        }
    }

    /// The blocks of the next window at most.
    private var blocksWanted: UInt64 {
        let places: Int =
            switch transfer.kind {
            case .compare, .difInsert, .difStrip, .difUpdate: 2
            case .createDelta: 4
            default: 1
            }
        let most = UInt64(max(transfer.strides.first, transfer.strides.others))
        let left = transfer.blocksBeforeInjectedFault(UInt64(transfer.blocksLeft))
        return min(left, UInt64(ForeignBounce.byteCountMax / places) / most)
    }

    /// Lists `blocks` blocks of an operand of the window that is `window` blocks long: in the order in which the
    /// operation goes over them. Fewer bytes are listed where addresses come to an end.
    private func list(_ operand: Int, blocks: UInt64, window: UInt64, in bounce: ForeignBounce) {
        let base = transfer.addresses[operand]
        let stride = transfer.strides[operand]
        let local = unsafe bounce.buffer(place(operand))
        guard transfer.isBackward else {
            let (address, isBeyond) = base.addingReportingOverflow(UInt64(transfer.blocksDone) * stride)
            if !isBeyond {
                unsafe bounce.pieces.append(local, at: address, byteCount: Int(truncatingIfNeeded: blocks * stride))
            }
            return
        }
        // Page by page from the end, so that a copy stops where the operation does.
        let end = base &+ UInt64(transfer.blocksLeft)
        let first = end &- window
        var covered: UInt64 = 0
        while covered < blocks {
            let last = end &- covered &- 1
            let count = min(last % 4096 + 1, blocks - covered)
            let address = last &- (count - 1)
            unsafe bounce.pieces.append(
                local + Int(truncatingIfNeeded: address &- first), at: address, byteCount: Int(count))
            covered += count
        }
    }

    /// Where the byte after `covered` bytes of the window lies in the buffer of an operand.
    private func offset(of operand: Int, after covered: Int) -> Int {
        transfer.isBackward
            ? Int(transfer.blocksLeft) - covered - 1
            : Int(UInt64(transfer.blocksDone) * transfer.strides[operand]) + covered
    }

    private mutating func runWindow(in memory: inout some ForeignMemory, through bounce: ForeignBounce) -> Int? {
        let window = blocksWanted
        var blocks = window
        let operandCount = transfer.kind.steppedOperandCount
        for operand in 0..<operandCount {
            let isWrite = transfer.writes(operand)
            let wanted = Int(truncatingIfNeeded: blocks * transfer.strides[operand])
            bounce.pieces.removeAll()
            list(operand, blocks: blocks, window: window, in: bounce)
            let copy: ForeignCopy
            if !isWrite {
                copy = read(bounce.pieces, in: &memory)
            } else if bringsPagesIn || !transfer.usesATS {
                // The write itself finds out.
                copy = .copied(bounce.pieces.byteCount)
            } else {
                copy = memory.presentByteCount(of: bounce.pieces, isWrite: true)
            }
            guard case .copied(let covered) = copy else { return nil }
            guard covered < wanted else { continue }
            blocks = transfer.wholeBlocks(in: UInt64(covered), of: operand)
            guard blocks > 0 else {
                fail(operand: operand, offset(of: operand, after: covered), isWrite: isWrite)
                return 0
            }
        }
        var room = 0
        if let loose = transfer.looseBuffer(blocks: blocks) {
            guard let present = self.room(in: loose, in: &memory, through: bounce) else { return nil }
            guard transfer.status == .none else { return 0 }
            room = present
        }
        return complete(blocks, of: window, room: room, in: &memory, through: bounce)
    }

    /// How much of the delta record's buffer a window may count on. Ends the transfer where that is too little.
    private mutating func room(
        in loose: LooseBuffer, in memory: inout some ForeignMemory, through bounce: ForeignBounce
    ) -> Int? {
        let (address, isBeyond) = transfer.addresses[loose.operand].addingReportingOverflow(loose.offset)
        bounce.pieces.removeAll()
        if !isBeyond {
            unsafe bounce.pieces.append(
                bounce.buffer(loose.operand), at: address, byteCount: Int(truncatingIfNeeded: loose.byteCount))
        }
        var room = bounce.pieces.byteCount
        if !bringsPagesIn, transfer.usesATS {
            guard case .copied(let present) = memory.presentByteCount(of: bounce.pieces, isWrite: true) else {
                return nil
            }
            room = present
        }
        if room < Int(loose.needed) {
            fail(operand: loose.operand, Int(loose.offset) + room, isWrite: true)
        }
        return room
    }

    /// Runs the kernels over the first blocks of the buffers' copies.
    private func runKernels(_ blocks: UInt64, room: Int, in bounce: ForeignBounce) {
        bounce.window.begin(transfer)
        bounce.window.blockCount = Int(truncatingIfNeeded: blocks)
        switch transfer.kind {
        case .memoryMove, .dualcast:
            // What was read is what is written.
            bounce.window.blocksDone = bounce.window.blockCount
            return
        case .copyWithCRC:
            bounce.window.kind = .crcGeneration
            provide(0, Int(truncatingIfNeeded: blocks), in: bounce)
        default:
            for operand in 0..<transfer.kind.steppedOperandCount {
                provide(operand, Int(truncatingIfNeeded: blocks * transfer.strides[operand]), in: bounce)
            }
            if transfer.kind == .createDelta { provide(2, room, in: bounce) }
        }
        Transfer.run(&bounce.window)
    }

    private func provide(_ operand: Int, _ byteCount: Int, in bounce: ForeignBounce) {
        unsafe bounce.window.append(bounce.buffer(operand), byteCount: byteCount, to: operand)
        bounce.window.byteCounts[operand] = byteCount
    }

    /// Runs a window whose sources were read, and writes what it did, with the record if it ended the transfer.
    private mutating func complete(
        _ blocks: UInt64, of window: UInt64, room: Int, in memory: inout some ForeignMemory,
        through bounce: ForeignBounce
    ) -> Int? {
        runKernels(blocks, room: room, in: bounce)
        var after = transfer
        var record: CompletionRecord?
        if after.absorb(bounce.window) == .finished, needsRecord(after.status), let recordAddress {
            record = Self.record(of: after, reportsOperand: reportsOperand)
            if !bringsRecordIn {
                bounce.pieces.removeAll()
                unsafe bounce.pieces.append(
                    bounce.record, at: recordAddress.rawValue, byteCount: CompletionRecord.byteCount)
                switch memory.presentByteCount(of: bounce.pieces, isWrite: true) {
                case .gone: return nil
                case .copied(CompletionRecord.byteCount): break
                case .copied:
                    record = nil
                    recordState = .faulted
                }
            }
        }
        let recordBefore = transfer.recordSize
        let done = bounce.window.blocksDone
        bounce.pieces.removeAll()
        for operand in 0..<transfer.kind.steppedOperandCount where transfer.kind.writes(operand) && done > 0 {
            list(operand, blocks: UInt64(done), window: window, in: bounce)
        }
        let entries = Int(after.recordSize - recordBefore)
        if entries > 0 {
            unsafe bounce.pieces.append(
                bounce.buffer(2), at: transfer.addresses[2] &+ UInt64(recordBefore), byteCount: entries)
        }
        let dataByteCount = bounce.pieces.byteCount
        if let record, let recordAddress { record.append(to: bounce, at: recordAddress) }
        let wanted = bounce.pieces.byteCount
        if wanted > 0 {
            guard case .copied(let written) = write(bounce.pieces, dataByteCount, in: &memory) else { return nil }
            if written < dataByteCount {
                recordState = .notWritten
                guard let rest = retreat(to: written, in: bounce) else { return dataByteCount }
                return complete(rest.blocks, of: window, room: rest.room, in: &memory, through: bounce)
            }
            if record != nil { recordState = written == wanted ? .written : .faulted }
        }
        transfer = after
        return done * Int(max(transfer.strides.first, 1))
    }

    /// Writes `pieces`, of which the first `dataByteCount` bytes are data. Without ATS, data whose page cannot be
    /// written are lost and the rest is written.
    private func write(
        _ pieces: ForeignPieces, _ dataByteCount: Int, in memory: inout some ForeignMemory
    ) -> ForeignCopy {
        guard case .copied(var done) = memory.write(pieces) else { return .gone }
        var taken = done
        while !transfer.usesATS, done < dataByteCount {
            pieces.drop(taken)
            let lost = pieces.byteCountToPageEnd
            pieces.drop(lost)
            done += lost
            guard pieces.byteCount > 0 else { break }
            guard case .copied(let more) = memory.write(pieces) else { return .gone }
            done += more
            taken = more
        }
        return .copied(done)
    }

    /// What of a window can be done whose data were written up to a byte; `nil` when that is nothing, and the transfer
    /// has ended there. Buffers behind that byte have got nothing yet.
    private mutating func retreat(to written: Int, in bounce: ForeignBounce) -> (blocks: UInt64, room: Int)? {
        var before = 0
        for operand in 0..<transfer.kind.steppedOperandCount where transfer.kind.writes(operand) {
            let byteCount = bounce.window.blocksDone * Int(transfer.strides[operand])
            guard written >= before + byteCount else {
                let covered = written - before
                let blocks = transfer.wholeBlocks(in: UInt64(covered), of: operand)
                guard blocks > 0 else {
                    fail(operand: operand, offset(of: operand, after: covered), isWrite: true)
                    return nil
                }
                return (blocks, 0)
            }
            before += byteCount
        }
        // Create Delta Record, at the buffer of the entries.
        let room = written - before
        let blocks = UInt64(bounce.window.blockCount)
        guard room >= Int(transfer.looseBuffer(blocks: blocks)?.needed ?? 0) else {
            fail(operand: 2, Int(transfer.recordSize) + room, isWrite: true)
            return nil
        }
        return (blocks, room)
    }
}

extension Transfer {
    /// Whether bytes of `range` may be written by the operation.
    func mayWrite(_ range: Range<UInt64>) -> Bool {
        (0..<3).contains { operand in
            guard kind.writes(operand) else { return false }
            let byteCount: UInt64 =
                switch state {
                case .createDelta(let creation): UInt64(creation.maximumSize)
                case .applyDelta(let application): UInt64(application.blockCount) * UInt64(DeltaRecord.blockByteCount)
                default: UInt64(blockCount) * strides[operand]
                }
            let (end, isBeyond) = addresses[operand].addingReportingOverflow(byteCount)
            return addresses[operand] < range.upperBound && (isBeyond || range.lowerBound < end)
        }
    }

    /// Bytes of the delta record that are written.
    fileprivate var recordSize: UInt32 {
        if case .createDelta(let creation) = state { creation.size } else { 0 }
    }
}

// MARK: Apply Delta Record

extension ForeignTransfer {
    /// Entries of one window: each is a piece of its own, for no byte between them may be written.
    private static let entryCountMax: UInt32 = 512

    private mutating func applyEntries(in memory: inout some ForeignMemory, through bounce: ForeignBounce) -> Int? {
        guard case .applyDelta(var application) = transfer.state else {
            preconditionFailure("Apply Delta Record has its state")
        }
        let entryByteCount = Int(DeltaRecord.entryByteCount)
        let blockByteCount = Int(DeltaRecord.blockByteCount)
        let wanted = Int(min(transfer.blocksLeft, Self.entryCountMax))
        let bytes = unsafe bounce.buffer(0)
        bounce.pieces.removeAll()
        list(0, blocks: UInt64(wanted), window: UInt64(wanted), in: bounce)
        guard case .copied(let covered) = read(bounce.pieces, in: &memory) else { return nil }
        let count = covered / entryByteCount
        guard count > 0 else {
            fail(operand: 0, offset(of: 0, after: covered), isWrite: false)
            return 0
        }

        var failure: CompletionStatus?
        var listed = 0
        bounce.pieces.removeAll()
        while listed < count {
            let entry = unsafe DeltaApplication.Entry(loading: bytes + listed * entryByteCount)
            if entry.block < application.nextBlock { failure = .deltaOffsetNotIncreasing }
            if failure == nil, entry.block >= application.blockCount { failure = .deltaOffsetOutOfRange }
            guard failure == nil else { break }
            let (address, isBeyond) = transfer.addresses[1].addingReportingOverflow(
                UInt64(entry.block) * UInt64(blockByteCount))
            if isBeyond { break }
            application.nextBlock = entry.block + 1
            unsafe bounce.pieces.append(
                bytes + listed * entryByteCount + 2, at: address, byteCount: blockByteCount)
            listed += 1
        }
        if !bringsPagesIn, transfer.usesATS {
            guard case .copied(let present) = memory.presentByteCount(of: bounce.pieces, isWrite: true) else {
                return nil
            }
            bounce.pieces.truncate(to: present)
        }
        var written = 0
        if bounce.pieces.byteCount > 0 {
            guard case .copied(let copied) = write(bounce.pieces, bounce.pieces.byteCount, in: &memory) else {
                return nil
            }
            written = copied
        }
        let applied = written / blockByteCount
        transfer.blocksDone += UInt32(truncatingIfNeeded: applied)
        if applied > 0 {
            let last = unsafe DeltaApplication.Entry(loading: bytes + (applied - 1) * entryByteCount)
            application.nextBlock = last.block + 1
        }
        transfer.state = .applyDelta(application)
        if applied < listed || (failure == nil && listed < count) {
            let entry = unsafe DeltaApplication.Entry(loading: bytes + applied * entryByteCount)
            fail(operand: 1, Int(entry.block) * blockByteCount + written % blockByteCount, isWrite: true)
        } else if let failure {
            transfer.status = failure
        }
        return written + count * entryByteCount
    }
}
