internal import DSASpec
internal import IOMMU
internal import PCIe

extension Device {
    /// Reads the next member of the batch in engine `index`, or ends the batch: after the last member, at a fence
    /// behind a failure, or when the list cannot be read (DSA 3.0 §3.9, §8.3.2).
    mutating func fetchMember(engine index: Int, iommu: inout IOMMU, memory: PhysicalMemory) {
        let batch = engines[index].batch
        guard batch.completed < batch.count else {
            var record = CompletionRecord(status: batch.hasFailure ? .batchError : .success)
            record.bytesCompleted = batch.completed
            endBatch(engine: index, with: record, iommu: &iommu, memory: memory)
            return
        }
        let list = engines[index].item.descriptor.descriptorListAddress
        let address = list.advanced(by: UInt64(batch.completed) * UInt64(Descriptor.byteCount))
        let translation = iommu.translate(
            TranslationRequest(
                requester: requester, pasid: engines[index].pasid, address: address, isWrite: false,
                isPrivileged: engines[index].isPrivileged))
        switch translation {
        case .translated(let source, _):
            // A member is 64 bytes on a multiple of 64: it never leaves its page.
            guard let member = memory.loadDescriptor(at: source) else {
                failList(engine: index, status: .hardwareError, iommu: &iommu, memory: memory)
                return
            }
            if member.flags.contains(.fence), batch.hasFailure {
                var record = CompletionRecord(status: .batchError)
                record.bytesCompleted = batch.completed
                endBatch(engine: index, with: record, iommu: &iommu, memory: memory)
                return
            }
            engines[index].pageWait.requestCount = 0
            engines[index].current = member
            engines[index].batch.isMemberCurrent = true
        case .fault(let fault):
            if fault.isPageFault, awaitPage(.list, engine: index, at: address, isWrite: false) { return }
            failList(
                engine: index, status: fault.isPageFault ? .batchListPageFault : .translationError, at: address,
                iommu: &iommu, memory: memory)
        }
    }

    /// Ends the batch whose next member cannot be read; `at` names the byte of a page fault.
    mutating func failList(
        engine index: Int, status: CompletionStatus, at address: LinearAddress? = nil, iommu: inout IOMMU,
        memory: PhysicalMemory
    ) {
        var record = CompletionRecord(status: status)
        record.bytesCompleted = engines[index].batch.completed
        if status == .batchListPageFault, let address { record.faultAddress = address }
        endBatch(engine: index, with: record, iommu: &iommu, memory: memory)
    }
}
