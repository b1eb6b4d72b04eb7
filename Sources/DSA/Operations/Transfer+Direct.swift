import CKernels
import DSASpec
public import IOMMU
public import PCIe

/// Short delta and DIF operations whose every buffer lies in one piece: carried out and ended in one go, without a
/// window. The plainer operations have a ``ShortOperation`` before they become a transfer.
extension Transfer {
    /// Carries the whole transfer out, unless it is long, has begun, is none of these operations, or a buffer of it
    /// lies in several pieces or cannot be accessed as a whole or is not translated yet: then nothing happens, and the
    /// transfer goes on by windows.
    ///
    /// What ends by this has ended as it would by windows: ``completionRecord()`` says how.
    ///
    /// - Parameters: As for ``ShortOperation/run(_:memory:requester:pasid:privileged:deviceTLB:)``.
    /// - Returns: Whether the transfer has ended.
    public mutating func runDirectly(
        memory: PhysicalMemory, requester: RequesterID, pasid: HostPASID?, privileged: Bool
    ) -> Bool {
        guard byteCount <= ShortOperation.byteCountMax, blocksDone == 0, status == .none, injectedFault == nil,
            let deviceTLB
        else { return false }
        let buffers = BufferLocator(
            memory: memory, requester: requester, pasid: pasid, privileged: privileged, deviceTLB: deviceTLB)
        switch state {
        case .dif(let progress): return runDirectly(progress, buffers)
        case .createDelta(let progress): return runDirectly(progress, buffers)
        case .applyDelta(let progress): return runDirectly(progress, buffers)
        case .none, .pattern, .crc: return false
        }
    }

    private mutating func runDirectly(
        _ progress: DIFProgress, _ buffers: BufferLocator
    ) -> Bool {
        guard let source = unsafe buffers.readable(addresses[0], UInt64(byteCount)) else { return false }
        var destination = unsafe source
        if kind != .difCheck {
            guard
                let located = unsafe buffers.writable(addresses[1], UInt64(blockCount) * strides[1])
            else { return false }
            unsafe destination = unsafe located
        }
        let (done, dif) = unsafe progress.run(kind, source, destination, Int(blockCount))
        state = .dif(dif)
        return absorb(blocksDone: done, ending: dif.status == [] ? .complete : .failed(.difError)) == .finished
    }

    private mutating func runDirectly(
        _ progress: DeltaCreation, _ buffers: BufferLocator
    ) -> Bool {
        var creation = progress
        let room = creation.recordBuffer(blocks: UInt64(blockCount))
        guard let first = unsafe buffers.readable(addresses[0], UInt64(byteCount)),
            let second = unsafe buffers.readable(addresses[1], UInt64(byteCount)),
            let record = unsafe buffers.writable(addresses[room.operand], room.byteCount)
        else { return false }
        var written = 0
        let done = unsafe ck_create_delta(first, second, Int(blockCount), 0, record, Int(room.byteCount), &written)
        creation.size = UInt32(truncatingIfNeeded: written)
        state = .createDelta(creation)
        // The room is all that there is, or enough for every block.
        return absorb(blocksDone: done, ending: done < Int(blockCount) ? .recordFull : .complete) == .finished
    }

    private mutating func runDirectly(
        _ progress: DeltaApplication, _ buffers: BufferLocator
    ) -> Bool {
        var application = progress
        let target = application.destinationBuffer
        guard target.byteCount == UInt64(application.blockCount) * UInt64(DeltaRecord.blockByteCount),
            // What is left over after the last whole entry is not looked at.
            let entries = unsafe buffers.readable(addresses[0], UInt64(byteCount)),
            let destination = unsafe buffers.writable(addresses[target.operand], target.byteCount)
        else { return false }
        var stopped = ck_delta_entry()
        let done = unsafe ck_apply_delta(
            entries, Int(blockCount), destination, 0, Int(application.blockCount), &application.nextBlock, &stopped)
        var ending = TransferWindow.Ending.complete
        if done < Int(blockCount), let refusal = application.refusal(of: DeltaApplication.Entry(stopped)) {
            ending = .failed(refusal)
        }
        state = .applyDelta(application)
        return absorb(blocksDone: done, ending: ending) == .finished
    }
}
