internal import DSASpec
internal import IOMMU
internal import PCIe

extension Device {
    /// What the log has to say of the current descriptor of engine `index` when its record must not be written before
    /// those that software still has to write: 0x26 for a Drain without page requests, whose predecessors' records may
    /// be in the log; 0x27 for a Batch whose members' are (dsa-device 4.7, 5.4). `nil` when its record can be written.
    func codeBehindOthers(engine index: Int, status: CompletionStatus) -> CompletionStatus? {
        guard eventLog.isActive else { return nil }
        let flags = engines[index].current.flags
        guard flags.contains(.completionRecordAddressValid) || flags.contains(.requestCompletionInterrupt) else {
            return nil
        }
        if engines[index].isBatch { return nil }
        switch engines[index].current.opcode {
        case .drain where status == .success && !mayRequestPage(engine: index): return .drainInLog
        case .batch where engines[index].batch.hasRecordInLog: return .batchInLog
        default: return nil
        }
    }

    /// Reports the end of the current descriptor of engine `index` through the event log, or through SWERROR where none
    /// is in use (DSA 3.0 §5.8.1, §5.9).
    ///
    /// - Parameters:
    ///   - code: What is reported: the status of `record`, or 0x1A, 0x26 or 0x27 when the log takes the record in.
    ///   - record: What the descriptor ended with.
    /// - Returns: The status it ended with after all, or `nil` when the engine waits for room in the log.
    mutating func reportEvent(
        _ code: CompletionStatus, record: CompletionRecord, engine index: Int, iommu: inout IOMMU,
        memory: PhysicalMemory
    ) -> CompletionStatus? {
        let error = softwareError(code, record: record, engine: index)
        guard eventLog.isActive else {
            self.record(error)
            return code == .completionRecordPageFault ? code : record.status
        }
        let isOfBatch = engines[index].isBatch || engines[index].current.opcode == .batch
        // An engine has one batch at a time, so its index tells them apart.
        var entry = EventLogEntry(error, batchIdentifier: isOfBatch ? UInt8(truncatingIfNeeded: index) : 0)
        if code.leavesRecordInLog {
            entry.pending = pendingCompletion(code, record: record, engine: index)
            entry.word2 = engines[index].current.completionRecordAddress.rawValue
        }
        if code.leavesRecordInLog || code == .invalidInterruptHandle { entry.record = record }
        engines[index].pendingEvent = PendingEvent(entry: entry, status: record.status)
        return logPendingEvent(engine: index, iommu: &iommu, memory: memory)
    }

    /// Tries again to log the event that engine `index` waits with, and goes on when that is done.
    ///
    /// - Returns: Whether the engine went on.
    mutating func retryEvent(engine index: Int, iommu: inout IOMMU, memory: PhysicalMemory) -> Bool {
        guard let status = logPendingEvent(engine: index, iommu: &iommu, memory: memory) else { return false }
        engines[index].activity = .working
        conclude(engine: index, status: status)
        return true
    }

    private mutating func logPendingEvent(
        engine index: Int, iommu: inout IOMMU, memory: PhysicalMemory
    ) -> CompletionStatus? {
        let event = engines[index].pendingEvent
        let code = event.entry.code
        switch log(event.entry, iommu: &iommu, memory: memory) {
        case .full:
            engines[index].activity = .awaitingLog
            return nil
        case .lost:
            return code == .completionRecordPageFault ? code : event.status
        case .logged:
            // Software sends the interrupt too, behind the record.
            if code.leavesRecordInLog { engines[index].interrupt = nil }
            if code == .completionRecordPageFault, engines[index].isBatch {
                engines[index].batch.hasRecordInLog = true
            }
            return event.status
        }
    }

    /// The first three words of an event, in the form of SWERROR.
    private func softwareError(
        _ code: CompletionStatus, record: CompletionRecord, engine index: Int
    ) -> SoftwareError {
        let engine = engines[index]
        var error = SoftwareError(code: code)
        error.workQueue = engine.item.portal.workQueue
        error.setDescriptor(
            pasid: engine.pasid ?? HostPASID(truncating: 0), isPrivileged: engine.isPrivileged,
            opcode: engine.current.opcode, batchIndex: engine.isBatch ? Int(engine.batch.completed) : nil)
        switch code {
        case .pageFault, .pageRequestFailed, .batchListPageFault, .readbackPageFault:
            error.faultWasWrite = record.faultWasWrite
            error.faultAddress = record.faultAddress
            if profile.general.supportsFaultInfo { error.faultOperand = record.faultOperand }
        case .completionRecordPageFault:
            error.faultWasWrite = true
            error.faultAddress = engine.current.completionRecordAddress
            if profile.general.supportsFaultInfo { error.faultOperand = .completionRecord }
        case .invalidFlags:
            error.errorInformation = record.invalidFlags.rawValue
        case .invalidInterruptHandle:
            error.errorInformation = UInt32(engine.current.completionInterruptHandle)
        default:
            return error
        }
        error.isErrorInformationValid = profile.isGeneration2
        return error
    }

    /// What is left to software when the record of the current descriptor goes into the log.
    private func pendingCompletion(
        _ code: CompletionStatus, record: CompletionRecord, engine index: Int
    ) -> EventLogEntry.PendingCompletion {
        let descriptor = engines[index].current
        var pending = EventLogEntry.PendingCompletion()
        pending.interruptHandle = descriptor.completionInterruptHandle
        pending.requiresInterrupt =
            descriptor.flags.contains(.requestCompletionInterrupt) && engines[index].interrupt != nil
        pending.usesInterruptMessageStorage = engines[index].item.portal.interruptTable == .ims
        pending.requiresRecord =
            descriptor.flags.contains(.completionRecordAddressValid)
            && (descriptor.flags.contains(.requestCompletionRecord) || !record.status.isQuietWithoutRequest)
        pending.isFirstErrorInBatch =
            code == .completionRecordPageFault && engines[index].isBatch && !engines[index].batch.hasRecordInLog
        if code == .completionRecordPageFault, profile.general.supportsFaultInfo { pending.operand = .completionRecord }
        return pending
    }
}

/// An event of the descriptor in an engine that is not in the log yet.
struct PendingEvent: Sendable, BitwiseCopyable {
    var entry = EventLogEntry(SoftwareError())
    /// What the descriptor ended with.
    var status = CompletionStatus.none
}
