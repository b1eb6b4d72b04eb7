internal import DSASpec
internal import IOMMU
internal import PCIe

extension Device {
    /// Reads the next member of the batch in engine `index`, or ends the batch: after the last member, at a fence
    /// behind a failure, or when the list cannot be read (DSA 3.0 §3.9, §8.3.2).
    mutating func fetchMember(engine index: Int, iommu: inout IOMMU, memory: PhysicalMemory) {
        let batch = engines[index].batch
        guard batch.completed < batch.count else {
            let record = batchRecord(engine: index, status: batch.hasFailure ? .batchError : .success)
            endBatch(engine: index, with: record, iommu: &iommu, memory: memory)
            return
        }
        guard !engines[index].isForeign else {
            if let member = nextMember(lane: index) { begin(member, engine: index, iommu: &iommu, memory: memory) }
            return
        }
        let list = engines[index].item.descriptor.descriptorListAddress
        let address = list.advanced(by: UInt64(batch.completed) * UInt64(Descriptor.byteCount))
        let translation = translate(
            TranslationRequest(
                requester: requester, pasid: engines[index].pasid, address: address, isWrite: false,
                isPrivileged: engines[index].isPrivileged), engine: index, &iommu)
        switch translation {
        case .translated(let source, _):
            // A member is 64 bytes on a multiple of 64: it never leaves its page.
            guard let member = memory.loadDescriptor(at: source) else {
                failList(engine: index, status: .hardwareError, iommu: &iommu, memory: memory)
                return
            }
            begin(member, engine: index, iommu: &iommu, memory: memory)
        case .fault where !usesATS(engine: index):
            failList(engine: index, status: .hardwareError, iommu: &iommu, memory: memory)
        case .fault(let fault):
            if fault.isPageFault, awaitPage(.list, engine: index, at: address, isWrite: false) { return }
            failList(
                engine: index, status: fault.isPageFault ? .batchListPageFault : .translationError, at: address,
                iommu: &iommu, memory: memory)
        }
    }

    /// Makes `member` the current one, unless it has a fence that ends the batch.
    private mutating func begin(_ member: Descriptor, engine index: Int, iommu: inout IOMMU, memory: PhysicalMemory) {
        let batch = engines[index].batch
        // A record that waits in the event log is not written yet, so that no fence can be passed.
        if member.flags.contains(.fence), batch.hasFailure || batch.hasRecordInLog {
            engines[index].batch.hasFailure = true
            let record = batchRecord(engine: index, status: .batchError)
            endBatch(engine: index, with: record, iommu: &iommu, memory: memory)
            return
        }
        engines[index].pageWait.requestCount = 0
        engines[index].current = member
        engines[index].batch.isMemberCurrent = true
    }

    /// Ends the batch whose next member cannot be read; `at` names the byte of a page fault.
    mutating func failList(
        engine index: Int, status: CompletionStatus, at address: LinearAddress? = nil, iommu: inout IOMMU,
        memory: PhysicalMemory
    ) {
        var record = batchRecord(engine: index, status: status)
        if status == .batchListPageFault, let address {
            record.faultAddress = address
            if profile.general.supportsFaultInfo { record.faultOperand = .source }
        }
        endBatch(engine: index, with: record, iommu: &iommu, memory: memory)
    }

    /// The record of the batch in engine `index` with its members so far. Result tells what a continuation has to put
    /// into the flag Batch Error (dsa-device 2.1).
    private func batchRecord(engine index: Int, status: CompletionStatus) -> CompletionRecord {
        let batch = engines[index].batch
        var record = CompletionRecord(status: status)
        record.bytesCompleted = batch.completed
        if profile.general.supportsBatchContinuation { record.result = batch.hasFailure ? 1 : 0 }
        return record
    }
}
