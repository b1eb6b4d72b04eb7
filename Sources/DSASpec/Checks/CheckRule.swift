/// The rules of descriptors, in the order in which they are checked.
///
/// The specification leaves the order open (DSA 3.0 §5.4); this is ``CheckOrder/listed``, the one of dsa-device §3.2,
/// with one change: the traffic class of the record is checked beside its alignment, since no other error can be put
/// into a record that must not be written.
public enum CheckRule: UInt8, CaseIterable, Hashable, Sendable, BitwiseCopyable {
    case privilegedWithoutMode
    case completionRecordMisaligned
    case completionRecordTrafficClass
    case unsupportedOperation
    case translationServiceDisabled
    case operationInBatch
    case undefinedFlag
    case fenceOutsideBatch
    case flagOfAnotherOperation
    case flagWithoutCapability
    case blockOnFaultDisabled
    case recordFlagWithoutAddress
    case userModeInterrupt
    case selectorOfUnusedAddress
    case missingRecordRequest
    case missingDrainReport
    case completionRecordAddressReserved
    case interruptHandleReserved
    case reservedByte
    case reservedDIFFlag
    case byteReservedByFlag
    case interruptHandleOutOfRange
    case interruptHandleNotGranted
    case trafficClass
    case transferSizeZero
    case transferSizeAboveMaximum
    case transferSizeAboveDeltaMaximum
    case transferSizeNotWholeBlocks
    case descriptorCountBelowMinimum
    case descriptorCountAboveMaximum
    case maximumDeltaRecordSize
    case deltaRecordSize
    case deltaRecordFragment
    case descriptorListMisaligned
    case dualcastMisaligned
    case deltaMisaligned
    case crcSeedMisaligned
    case regionStride
    case overlappingMove
    case overlappingBuffers
}

extension CheckRule {
    /// What a descriptor that breaks the rule ends with (DSA 3.0 table 5-6).
    public var status: CompletionStatus {
        switch self {
        case .privilegedWithoutMode: .invalidPrivilege
        case .completionRecordMisaligned: .completionRecordMisaligned
        case .completionRecordTrafficClass, .trafficClass: .invalidTrafficClass
        case .unsupportedOperation, .translationServiceDisabled, .operationInBatch: .unsupportedOperation
        case .undefinedFlag, .fenceOutsideBatch, .flagOfAnotherOperation, .flagWithoutCapability,
            .blockOnFaultDisabled, .recordFlagWithoutAddress, .userModeInterrupt, .selectorOfUnusedAddress,
            .missingRecordRequest, .missingDrainReport:
            .invalidFlags
        case .completionRecordAddressReserved, .interruptHandleReserved, .reservedByte, .reservedDIFFlag,
            .byteReservedByFlag:
            .nonZeroReserved
        case .interruptHandleOutOfRange, .interruptHandleNotGranted: .invalidInterruptHandle
        case .transferSizeZero, .transferSizeAboveMaximum, .transferSizeAboveDeltaMaximum,
            .transferSizeNotWholeBlocks:
            .invalidTransferSize
        case .descriptorCountBelowMinimum, .descriptorCountAboveMaximum: .invalidDescriptorCount
        case .maximumDeltaRecordSize, .deltaRecordSize, .deltaRecordFragment: .invalidDeltaRecordSize
        case .descriptorListMisaligned: .descriptorListMisaligned
        case .dualcastMisaligned: .dualcastMisaligned
        case .deltaMisaligned, .crcSeedMisaligned, .regionStride: .misalignedAddress
        case .overlappingMove, .overlappingBuffers: .overlappingBuffers
        }
    }

    /// The rule's stable name, for programs.
    public var identifier: String { text.identifier }

    /// Where the rule stands, with the document's name.
    public var section: String { "DSA 3.0 \(text.section)" }

    /// The rule in one sentence, for people.
    public var sentence: String { text.sentence }

    private var text: (identifier: String, section: String, sentence: String) {
        switch self {
        case .privilegedWithoutMode:
            (
                "privileged-without-mode", "table 5-6",
                "Priv may be 1 in a shared WQ only if the PASID capability's Privileged Mode Enable is 1."
            )
        case .completionRecordMisaligned:
            ("completion-record-misaligned", "§8.1", "The Completion Record Address is a multiple of 32.")
        case .completionRecordTrafficClass:
            (
                "completion-record-traffic-class", "table 5-6",
                "The traffic class that the completion record selects is enabled."
            )
        case .unsupportedOperation:
            ("unsupported-operation", "§9.2.6", "The operation is in OPCAP and in the WQ's OPCFG.")
        case .translationServiceDisabled:
            ("translation-service-disabled", "table 5-6", "Translation Fetch needs Address Translation Services.")
        case .operationInBatch:
            ("operation-in-batch", "§8.3.2, §8.3.3", "Batch and Drain are no members of a batch.")
        case .undefinedFlag:
            ("undefined-flag", "table 8-3", "Flags 5, 6 and 15 are reserved.")
        case .fenceOutsideBatch:
            ("fence-outside-batch", "table 5-4", "Fence is for members of a batch.")
        case .flagOfAnotherOperation:
            ("flag-of-another-operation", "table 5-3", "Flags that the operation does not define are 0.")
        case .flagWithoutCapability:
            ("flag-without-capability", "table 5-4", "A flag that a capability brings is 0 while GENCAP lacks it.")
        case .blockOnFaultDisabled:
            ("block-on-fault-disabled", "table 5-4", "Block On Fault is 0 while the WQ's BOF Enable is 0.")
        case .recordFlagWithoutAddress:
            (
                "record-flag-without-address", "table 5-4",
                "Request Completion Record and the record's TC selector are 0 while Completion Record Address Valid is"
                    + " 0."
            )
        case .userModeInterrupt:
            (
                "user-mode-interrupt", "table 5-4",
                "A user's Request Completion Interrupt needs GENCFG User-mode Interrupts Enable."
            )
        case .selectorOfUnusedAddress:
            (
                "selector-of-unused-address", "table 5-4",
                "The TC selector of an address that another flag leaves unused is 0."
            )
        case .missingRecordRequest:
            (
                "missing-record-request", "table 5-5",
                "The operation returns its result in the record: Completion Record Address Valid and Request Completion"
                    + " Record are 1."
            )
        case .missingDrainReport:
            (
                "missing-drain-report", "§8.3.3",
                "A Drain has Request Completion Record or Request Completion Interrupt."
            )
        case .completionRecordAddressReserved:
            (
                "completion-record-address-reserved", "table 5-4",
                "The Completion Record Address is 0 while Completion Record Address Valid is 0."
            )
        case .interruptHandleReserved:
            (
                "interrupt-handle-reserved", "table 5-4",
                "The Completion Interrupt Handle is 0 while Request Completion Interrupt is 0."
            )
        case .reservedByte:
            ("reserved-byte", "table 5-3", "Bytes that the operation does not define are 0.")
        case .reservedDIFFlag:
            (
                "reserved-dif-flag", "§8.3.14, §8.3.15",
                "Bits 7:4 of DIF Flags and bits 2:0 of Destination DIF Flags are 0."
            )
        case .byteReservedByFlag:
            ("byte-reserved-by-flag", "table 5-4", "A field that a flag leaves unused is 0.")
        case .interruptHandleOutOfRange:
            ("interrupt-handle-out-of-range", "§3.7", "The Completion Interrupt Handle names an entry of its table.")
        case .interruptHandleNotGranted:
            (
                "interrupt-handle-not-granted", "§9.2.21",
                "The interrupt entry's PASID Enable and PASID are the descriptor's."
            )
        case .trafficClass:
            ("traffic-class", "table 5-6", "The traffic class that each address selects is enabled.")
        case .transferSizeZero:
            ("transfer-size-zero", "table 5-6", "The Transfer Size is at least 1.")
        case .transferSizeAboveMaximum:
            ("transfer-size-above-maximum", "table 5-6", "The Transfer Size is at most the WQ's Maximum Transfer Size.")
        case .transferSizeAboveDeltaMaximum:
            (
                "transfer-size-above-delta-maximum", "§8.3.8, §8.3.9",
                "The Transfer Size of Create and Apply Delta Record is at most 0x80000."
            )
        case .transferSizeNotWholeBlocks:
            (
                "transfer-size-not-whole-blocks", "§8.3.14",
                "The Transfer Size of a DIF operation is a multiple of a block of its source."
            )
        case .descriptorCountBelowMinimum:
            (
                "descriptor-count-below-minimum", "§8.3.2",
                "The Descriptor Count is at least 2, or 1 on a device with GENCAP Batch1."
            )
        case .descriptorCountAboveMaximum:
            ("descriptor-count-above-maximum", "§8.3.2", "The Descriptor Count is at most the WQ's Maximum Batch Size.")
        case .maximumDeltaRecordSize:
            (
                "maximum-delta-record-size", "§8.3.8",
                "The Maximum Delta Record Size is at least 80 and at most the WQ's Maximum Transfer Size."
            )
        case .deltaRecordSize:
            (
                "delta-record-size", "§8.3.9",
                "The Delta Record Size is at least 10 and at most the WQ's Maximum Transfer Size."
            )
        case .deltaRecordFragment:
            ("delta-record-fragment", "§8.3.9", "The Delta Record Size is a multiple of 10.")
        case .descriptorListMisaligned:
            ("descriptor-list-misaligned", "§8.3.2", "The Descriptor List Address is a multiple of 64.")
        case .dualcastMisaligned:
            ("dualcast-misaligned", "table 5-6", "Both destinations of a Dualcast have the same bits 11:0.")
        case .deltaMisaligned:
            (
                "delta-misaligned", "§8.3.8, §8.3.9",
                "Both sources of Create Delta Record, the destination of Apply Delta Record and the Transfer Size are"
                    + " multiples of 8."
            )
        case .crcSeedMisaligned:
            ("crc-seed-misaligned", "§8.3.12", "The CRC Seed Address is a multiple of 4, with CRC64 of 8.")
        case .regionStride:
            (
                "region-stride", "table 5-6",
                "The Region Stride of Translation Fetch is a multiple of 4096, and not 0."
            )
        case .overlappingMove:
            (
                "overlapping-move", "§8.3.4",
                "Source and destination of a Memory Move share no byte, unless GENCAP supports overlapping moves."
            )
        case .overlappingBuffers:
            ("overlapping-buffers", "§5.4", "No buffer that is written shares a byte with another of the operation.")
        }
    }
}
