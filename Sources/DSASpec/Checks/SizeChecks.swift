extension Examination {
    @inline(__always)
    func visitSize(_ report: (CheckFailure) -> Visit) -> Visit {
        switch rule.size {
        case .reserved:
            return .proceed
        case .descriptorCount:
            let count = descriptor.descriptorCount
            if count < (context.generalCapabilities.supportsBatchOfOne ? 1 : 2) {
                return report(CheckFailure(.descriptorCountBelowMinimum, bytes: 32...35))
            }
            guard UInt64(count) > 1 << UInt64(context.maximumBatchShift) else { return .proceed }
            return report(CheckFailure(.descriptorCountAboveMaximum, bytes: 32...35))
        case .transferSize, .deltaBlocks, .difData, .difBlocks:
            break
        }
        let size = descriptor.transferSize
        if size == 0 { return report(CheckFailure(.transferSizeZero, bytes: 32...35)) }
        if exceedsMaximumTransfer(size) {
            if report(CheckFailure(.transferSizeAboveMaximum, bytes: 32...35)) == .stop { return .stop }
        }
        if rule.size == .deltaBlocks, size > DeltaRecord.transferSizeMax {
            return report(CheckFailure(.transferSizeAboveDeltaMaximum, bytes: 32...35))
        }
        guard rule.size == .difData || rule.size == .difBlocks,
            context.openPoints.difTransferSize == .wholeBlocks, !size.isMultiple(of: difBlockByteCount)
        else { return .proceed }
        return report(CheckFailure(.transferSizeNotWholeBlocks, bytes: 32...35))
    }

    @inline(__always)
    func visitDeltaRecordSize(_ report: (CheckFailure) -> Visit) -> Visit {
        switch rule.deltaRecordSize {
        case .none:
            return .proceed
        case .maximum:
            let size = descriptor.maximumDeltaRecordSize
            guard size < DeltaRecord.maximumSizeMin || exceedsMaximumTransfer(size) else { return .proceed }
            return report(CheckFailure(.maximumDeltaRecordSize, bytes: 48...51))
        case .actual:
            let size = descriptor.deltaRecordSize
            if size < DeltaRecord.entryByteCount || exceedsMaximumTransfer(size) {
                return report(CheckFailure(.deltaRecordSize, bytes: 40...43))
            }
            guard context.openPoints.deltaFragment == .refused, !size.isMultiple(of: DeltaRecord.entryByteCount)
            else { return .proceed }
            return report(CheckFailure(.deltaRecordFragment, bytes: 40...43))
        }
    }

    @inline(__always)
    private func exceedsMaximumTransfer(_ size: UInt32) -> Bool {
        UInt64(size) > 1 << UInt64(context.maximumTransferShift)
    }

    /// Bytes of a block of a DIF operation's source: with its field, unless the operation inserts that.
    @inline(__always) var difBlockByteCount: UInt32 {
        descriptor.difFlags.blockByteCount + (rule.size == .difBlocks ? DIFFlags.fieldByteCount : 0)
    }
}
