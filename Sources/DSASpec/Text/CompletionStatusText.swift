extension CompletionStatus {
    /// What the status says, in a phrase (DSA 3.0 tables 5-6 and 5-7), or `nil` for a code without a meaning.
    public var meaning: String? {
        switch self {
        case .none: "not complete: the device never writes this"
        case .success: "success"
        case .successFalsePredicate: "success, and the predicate is false"
        case .pageFault: "page fault; Block On Fault was 0"
        case .pageRequestFailed: "page fault; the page request was refused"
        case .batchError: "at least one member of the batch did not end with success"
        case .batchListPageFault: "page fault on the descriptor list"
        case .deltaOffsetNotIncreasing: "an offset of the delta record is not above the one before it"
        case .deltaOffsetOutOfRange: "an offset of the delta record is not below the transfer size"
        case .difError: "a data integrity field failed a check"
        case .unsupportedOperation: "operation not supported, or not allowed here"
        case .invalidFlags: "invalid flags"
        case .nonZeroReserved: "non-zero reserved field"
        case .invalidTransferSize: "transfer size out of range"
        case .invalidDescriptorCount: "descriptor count out of range"
        case .invalidDeltaRecordSize: "delta record size out of range"
        case .overlappingBuffers: "overlapping buffers"
        case .dualcastMisaligned: "bits 11:0 of the Dualcast destinations differ"
        case .descriptorListMisaligned: "descriptor list address is no multiple of 64"
        case .invalidInterruptHandle: "invalid interrupt handle"
        case .completionRecordPageFault: "page fault on the completion record"
        case .completionRecordMisaligned: "completion record address is no multiple of 32"
        case .misalignedAddress: "misaligned address or size"
        case .invalidPrivilege: "Priv is 1 without privileged mode"
        case .invalidTrafficClass: "traffic class not enabled"
        case .readbackPageFault: "page fault on a readback address"
        case .hardwareError: "hardware error on a read"
        case .hardwareErrorOnWrite: "hardware error on a write"
        case .translationError: "address translation failed"
        case .configurationChanged: "PCI configuration changed while the device was not Disabled"
        case .commandWhileActive: "command written while another was active"
        case .postedToFullQueue: "descriptor posted to a full dedicated WQ"
        default: nil
        }
    }

    /// Whether a record of this status carries Fault Address and the access's direction in bit 7.
    public var isPageFault: Bool {
        switch self {
        case .pageFault, .pageRequestFailed, .batchListPageFault, .completionRecordPageFault, .readbackPageFault: true
        default: false
        }
    }
}
