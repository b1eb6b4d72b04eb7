internal import DSASpec
internal import IOMMU
internal import PCIe

// What a lane does otherwise than an engine: where an engine translates and accesses, a lane hands work out, and goes
// on when that comes back.
extension Device {
    /// Hands out the rest of the data operation of lane `index`.
    mutating func handOutTransfer(lane index: Int) {
        let descriptor = engines[index].current
        let hasRecord = descriptor.flags.contains(.completionRecordAddressValid)
        let blocksOnFault = descriptor.flags.contains(.blockOnFault)
        let mayRequest = mayRequestPage(engine: index)
        if engines[index].isBatch, engines[index].transfer.mayWrite(remainingList(lane: index)) {
            forgetMembers(lane: index)
        }
        handOut(
            .transfer(
                ForeignTransfer(
                    transfer: engines[index].transfer, blocksOnFault: blocksOnFault,
                    bringsPagesIn: blocksOnFault && mayRequest,
                    recordAddress: hasRecord ? descriptor.completionRecordAddress : nil,
                    isRecordRequested: descriptor.flags.contains(.requestCompletionRecord),
                    bringsRecordIn: mayRequest, reportsOperand: profile.general.supportsFaultInfo)),
            lane: index)
    }

    /// Hands out the completion record of lane `index`.
    mutating func handOutRecord(_ record: CompletionRecord, lane index: Int) {
        let address = engines[index].current.completionRecordAddress
        if engines[index].isBatch, remainingList(lane: index).contains(address.rawValue) { forgetMembers(lane: index) }
        handOut(.record(record, at: address, bringsPagesIn: mayRequestPage(engine: index)), lane: index)
    }

    /// Hands out the readbacks of the Drain of lane `index`. Returns `false` when it has none.
    mutating func handOutReadback(lane index: Int) -> Bool {
        let drain = engines[index].current
        let readback = ForeignReadback(
            first: drain.flags.contains(.readbackAddress1Valid) ? drain.readbackAddress1 : nil,
            second: drain.flags.contains(.readbackAddress2Valid) ? drain.readbackAddress2 : nil,
            bringsPagesIn: mayRequestPage(engine: index))
        guard readback.first != nil || readback.second != nil else { return false }
        handOut(.readback(readback), lane: index)
        return true
    }

    /// The next member of the batch of lane `index`, if it was read ahead; hands out its reading otherwise.
    mutating func nextMember(lane index: Int) -> Descriptor? {
        if let member = lanes.members[index - profile.engineCount].popLast() { return member }
        let batch = engines[index].batch
        let list = engines[index].item.descriptor.descriptorListAddress
        let address = list.advanced(by: UInt64(batch.completed) * UInt64(Descriptor.byteCount))
        handOut(
            .members(
                ForeignMembers(
                    address: address, count: min(Int(batch.count - batch.completed), ForeignMembers.countMax),
                    bringsPagesIn: mayRequestPage(engine: index))),
            lane: index)
        return nil
    }

    /// Where the members of the batch of lane `index` lie that have not begun.
    private func remainingList(lane index: Int) -> Range<UInt64> {
        let batch = engines[index].batch
        let list = engines[index].item.descriptor.descriptorListAddress.rawValue
        let first = list &+ UInt64(batch.completed) * UInt64(Descriptor.byteCount)
        let (end, isBeyond) = list.addingReportingOverflow(UInt64(batch.count) * UInt64(Descriptor.byteCount))
        return isBeyond || end < first ? 0..<0 : first..<end
    }

    /// A member writes to the list: those behind it are read again. A device may do without; one that reads each when
    /// its turn comes does so, and is easier to understand.
    private mutating func forgetMembers(lane index: Int) {
        lanes.members[index - profile.engineCount].removeAll()
    }

    /// Goes on with lane `index` after its work.
    mutating func takeBack(_ work: ForeignWork, lane index: Int, iommu: inout IOMMU, memory: PhysicalMemory) {
        guard work.outcome != .gone else {
            abandon(engine: index)
            return
        }
        switch work.kind {
        case .transfer(let transfer):
            engines[index].transfer = transfer.transfer
            guard work.outcome == .finished else { return }
            engines[index].isTransferring = false
            let record = transferRecord(engine: index)
            switch transfer.recordState {
            case .notWritten: end(engine: index, with: record, iommu: &iommu, memory: memory)
            case .written: finishRecord(record, lane: index, iommu: &iommu, memory: memory)
            case .faulted: faultRecord(record, lane: index, iommu: &iommu, memory: memory)
            }
        case .record(let record, _, _):
            if work.outcome == .finished {
                finishRecord(record, lane: index, iommu: &iommu, memory: memory)
            } else {
                faultRecord(record, lane: index, iommu: &iommu, memory: memory)
            }
        case .members(let members):
            guard !members.descriptors.isEmpty else {
                let isFault = usesATS(engine: index)
                failList(
                    engine: index, status: isFault ? .batchListPageFault : .hardwareError, at: members.address,
                    iommu: &iommu, memory: memory)
                return
            }
            lanes.members[index - profile.engineCount] = members.descriptors.reversed()
        case .readback(let readback):
            var record = CompletionRecord(status: .success)
            if let address = readback.faultAddress {
                record =
                    usesATS(engine: index)
                    ? readbackFaultRecord(engine: index, at: address) : CompletionRecord(status: .hardwareError)
            }
            end(engine: index, with: record, iommu: &iommu, memory: memory)
        }
    }

    private mutating func finishRecord(
        _ record: CompletionRecord, lane index: Int, iommu: inout IOMMU, memory: PhysicalMemory
    ) {
        guard
            let status = reportBehindRecord(record, engine: index, iommu: &iommu, memory: memory)
        else { return }
        conclude(engine: index, status: status)
    }

    private mutating func faultRecord(
        _ record: CompletionRecord, lane index: Int, iommu: inout IOMMU, memory: PhysicalMemory
    ) {
        guard usesATS(engine: index) else {
            conclude(engine: index, status: record.status)
            return
        }
        loseRecord(engine: index, record: record, iommu: &iommu, memory: memory)
    }
}
