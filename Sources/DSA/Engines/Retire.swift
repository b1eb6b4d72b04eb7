internal import DSASpec
internal import IOMMU
internal import PCIe

extension Device {
    /// Ends the current descriptor of engine `index` with `record`: reports it as table 2.2 of the device reference
    /// says, then goes on with the batch or lets the engine take the next descriptor.
    mutating func end(
        engine index: Int, with record: CompletionRecord, iommu: inout IOMMU, memory: PhysicalMemory
    ) {
        guard let status = report(engine: index, record: record, iommu: &iommu, memory: memory) else { return }
        conclude(engine: index, status: status)
    }

    /// Goes on after the current descriptor of engine `index`, which ended with `status`.
    private mutating func conclude(engine index: Int, status: CompletionStatus) {
        engines[index].pageWait.requestCount = 0
        interruptCompletion(engine: index)
        if engines[index].isBatch {
            engines[index].batch.completed += 1
            engines[index].batch.isMemberCurrent = false
            if status != .success { engines[index].batch.hasFailure = true }
        } else {
            release(engine: index, wasAbandoned: false)
        }
    }

    /// Ends the batch of engine `index`: its own record comes after all members.
    mutating func endBatch(
        engine index: Int, with record: CompletionRecord, iommu: inout IOMMU, memory: PhysicalMemory
    ) {
        engines[index].isBatch = false
        engines[index].current = engines[index].item.descriptor
        engines[index].interrupt = engines[index].batch.interrupt
        end(engine: index, with: record, iommu: &iommu, memory: memory)
    }

    /// Ends what engine `index` has without record and interrupt (dsa-device 6.6).
    mutating func abandon(engine index: Int) {
        release(engine: index, wasAbandoned: true)
    }

    private mutating func release(engine index: Int, wasAbandoned: Bool) {
        let queue = engines[index].item.portal.workQueue
        withdrawPageRequest(engine: index)
        workQueues[queue].inProgress -= 1
        if wasAbandoned {
            workQueues[queue].counts.abandoned &+= 1
        } else {
            workQueues[queue].counts.completed &+= 1
        }
        engines[index].activity = .idle
        engines[index].isTransferring = false
        engines[index].isBatch = false
        busyEngines &= ~(1 << UInt64(index))
    }

    /// Writes the completion record or SWERROR. Returns the status the descriptor ended with, or `nil` when the engine
    /// waits for the page of the record.
    private mutating func report(
        engine index: Int, record: CompletionRecord, iommu: inout IOMMU, memory: PhysicalMemory
    ) -> CompletionStatus? {
        let flags = engines[index].current.flags
        let status = record.status
        guard flags.contains(.completionRecordAddressValid), !status.bypassesRecord else {
            if !status.isQuietWithoutRequest { recordError(engine: index, record: record) }
            return status
        }
        guard flags.contains(.requestCompletionRecord) || !status.isQuietWithoutRequest else { return status }

        let address = engines[index].current.completionRecordAddress
        let translation = iommu.translate(
            TranslationRequest(
                requester: requester, pasid: engines[index].pasid, address: address, isWrite: true,
                isPrivileged: engines[index].isPrivileged))
        if case .fault(let fault) = translation, fault.isPageFault,
            awaitPage(for: record, engine: index, at: address)
        {
            return nil
        }
        // A record is 32 bytes on a multiple of 32: it never leaves its page.
        guard case .translated(let target, _) = translation, memory.publish(record, at: target) else {
            recordError(engine: index, record: CompletionRecord(recordFaultAt: address))
            return .completionRecordPageFault
        }
        recordCount &+= 1
        if status == .invalidInterruptHandle { recordError(engine: index, record: record) }
        return status
    }

    /// Ends the current descriptor of engine `index`, whose record cannot be written: SWERROR says so (DSA 3.0
    /// §3.13.3).
    mutating func loseRecord(engine index: Int, at address: LinearAddress) {
        recordError(engine: index, record: CompletionRecord(recordFaultAt: address))
        conclude(engine: index, status: .completionRecordPageFault)
    }

    /// Reports the end of the current descriptor through SWERROR (DSA 3.0 §5.8.1).
    private mutating func recordError(engine index: Int, record: CompletionRecord) {
        let engine = engines[index]
        var error = SoftwareError(code: record.status)
        error.workQueue = engine.item.portal.workQueue
        error.setDescriptor(
            pasid: engine.pasid ?? HostPASID(truncating: 0), isPrivileged: engine.isPrivileged,
            opcode: engine.current.opcode, batchIndex: engine.isBatch ? Int(engine.batch.completed) : nil)
        switch record.status {
        case .pageFault, .pageRequestFailed, .batchListPageFault, .completionRecordPageFault, .readbackPageFault:
            error.faultWasWrite = record.faultWasWrite
            error.faultAddress = record.faultAddress
        default:
            break
        }
        self.record(error)
    }
}

extension CompletionRecord {
    /// 0x1A: what SWERROR tells when a record cannot be written.
    fileprivate init(recordFaultAt address: LinearAddress) {
        self.init(status: .completionRecordPageFault)
        faultWasWrite = true
        faultAddress = address
    }
}
