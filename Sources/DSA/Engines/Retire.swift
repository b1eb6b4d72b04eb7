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
    mutating func conclude(engine index: Int, status: CompletionStatus) {
        engines[index].pageWait.requestCount = 0
        interruptCompletion(engine: index)
        if engines[index].isBatch {
            engines[index].batch.completed += 1
            engines[index].hasMetInjector = false
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
        if isLane(index) {
            releaseLane(index)
        } else {
            busyEngines &= ~(1 << UInt64(index))
        }
    }

    /// Writes the completion record, or reports an event. Returns the status the descriptor ended with, which the
    /// failure to write the record may change, or `nil` when the engine waits for the page of the record or for room
    /// in the event log.
    private mutating func report(
        engine index: Int, record: CompletionRecord, iommu: inout IOMMU, memory: PhysicalMemory
    ) -> CompletionStatus? {
        let flags = engines[index].current.flags
        let status = record.status
        if let code = codeBehindOthers(engine: index, status: status) {
            return reportEvent(code, record: record, engine: index, iommu: &iommu, memory: memory)
        }
        guard flags.contains(.completionRecordAddressValid), !bypassesRecord(status, engine: index) else {
            guard !status.isQuietWithoutRequest else { return status }
            return reportEvent(status, record: record, engine: index, iommu: &iommu, memory: memory)
        }
        guard flags.contains(.requestCompletionRecord) || !status.isQuietWithoutRequest else { return status }

        guard !engines[index].isForeign else {
            handOutRecord(record, lane: index)
            return nil
        }
        let address = engines[index].current.completionRecordAddress
        let translation = translate(
            TranslationRequest(
                requester: requester, pasid: engines[index].pasid, address: address, isWrite: true,
                isPrivileged: engines[index].isPrivileged), engine: index, &iommu)
        if case .fault(let fault) = translation, fault.isPageFault,
            awaitPage(for: record, engine: index, at: address)
        {
            return nil
        }
        if case .fault = translation, !usesATS(engine: index) { return status }
        // A record is 32 bytes on a multiple of 32: it never leaves its page.
        guard case .translated(let target, _) = translation, memory.publish(record, at: target) else {
            return reportEvent(
                .completionRecordPageFault, record: record, engine: index, iommu: &iommu, memory: memory)
        }
        return reportBehindRecord(record, engine: index, iommu: &iommu, memory: memory)
    }

    /// Reports what is reported beside `record`, which is written. Returns the status as ``report`` does.
    mutating func reportBehindRecord(
        _ record: CompletionRecord, engine index: Int, iommu: inout IOMMU, memory: PhysicalMemory
    ) -> CompletionStatus? {
        recordCount &+= 1
        guard record.status == .invalidInterruptHandle, profile.openPoints.interruptHandleError == .recordAndEvent
        else { return record.status }
        return reportEvent(record.status, record: record, engine: index, iommu: &iommu, memory: memory)
    }

    /// Ends the current descriptor of engine `index`, whose `record` cannot be written (DSA 3.0 §3.13.3).
    mutating func loseRecord(
        engine index: Int, record: CompletionRecord, iommu: inout IOMMU, memory: PhysicalMemory
    ) {
        let status = reportEvent(
            .completionRecordPageFault, record: record, engine: index, iommu: &iommu, memory: memory)
        if let status { conclude(engine: index, status: status) }
    }

    /// Whether SWERROR reports `status` although the descriptor has a record address: the record's traffic class may be
    /// the one that is not enabled (dsa-device 3.2).
    private func bypassesRecord(_ status: CompletionStatus, engine index: Int) -> Bool {
        guard status == .invalidTrafficClass else { return status.bypassesRecord }
        let context = workQueues[engines[index].item.portal.workQueue].checkContext
        let usesClassB = engines[index].current.flags.contains(.completionRecordTrafficClass)
        return !(usesClassB ? context.isTrafficClassBEnabled : context.isTrafficClassAEnabled)
    }
}
