internal import PCIe

extension CommandError {
    /// What the code says, for people.
    public var name: String {
        switch self {
        case .none: "success"
        case .unsupportedCommand: "unsupported command"
        case .invalidWorkQueueIndex: "invalid WQ index"
        case .hardwareError: "hardware error"
        case .nonZeroReservedOperand: "non-zero reserved operand bits"
        case .deviceHalted: "device halted"
        case .deviceNotDisabled: "device not Disabled"
        case .invalidConfiguration: "configuration error"
        case .busMasterDisabled: "bus mastering off"
        case .invalidPageRequestAllocation: "page request allocation out of range"
        case .totalSizeExceeded: "sum of WQ sizes exceeds the total"
        case .incompleteGroup: "group with WQs but no engines, or engines but no WQs"
        case .workQueueGroupConflict: "WQ in no group, in several, or without size in one"
        case .engineInSeveralGroups: "engine in several groups"
        case .invalidReadBuffers: "read buffer settings illegal"
        case .invalidEventLog: "event log configuration illegal"
        case .invalidATS: "ATS settings illegal"
        case .invalidPASID: "PASID settings illegal"
        case .deviceNotEnabled: "device not Enabled"
        case .workQueueNotDisabled: "WQ not Disabled"
        case .workQueueSizeZero: "WQ size 0"
        case .workQueuePriorityZero: "WQ priority 0"
        case .unsupportedMode: "WQ mode unsupported"
        case .blockOnFaultUnsupported: "block on fault without page requests"
        case .pasidEnableConflict: "PASID Enable conflicts with mode or function"
        case .invalidMaximumBatch: "invalid maximum batch size"
        case .invalidMaximumTransfer: "invalid maximum transfer size"
        case .privilegeUnsupported: "privileged WQ without privileged mode"
        case .invalidOccupancyInterrupt: "occupancy interrupt unsupported or its handle invalid"
        case .atsDisableUnsupported: "ATS Disable unsupported"
        case .invalidOperations: "OPCFG not a subset of OPCAP"
        case .prsDisableUnsupported: "PRS Disable unsupported or in conflict"
        case .disableOfDisabledDevice: "device not Enabled"
        case .workQueueNotEnabled: "WQ not Enabled"
        case .invalidInterruptIndex: "invalid interrupt table index or handle"
        case .noInterruptHandle: "no interrupt handle available"
        default: "error"
        }
    }
}

extension DeviceCommand {
    /// The command that CMD bits 24:20 and 19:0 ask for (dsa-device 7.4).
    ///
    /// - Throws: 0x01 for a code without command, 0x02 for a bitmap of WQs that no device here can have, 0x04 for
    ///   reserved bits of the operand.
    public init(code: UInt8, operand: UInt32) throws(CommandError) {
        let reserved: UInt32 =
            switch code {
            case 1...5: 0xF_FFFF
            case 6: 0xF_FF00
            case 13, 14: 0xE_0000
            default: 0
            }
        guard operand & reserved == 0, operand >> 20 == 0 else { throw .nonZeroReservedOperand }
        switch code {
        case 1: self = .enableDevice
        case 2: self = .disableDevice
        case 3: self = .drainAll
        case 4: self = .abortAll
        case 5: self = .resetDevice
        case 6: self = .enableWorkQueue(Int(operand))
        case 7: self = .disableWorkQueues(try Self.mask(of: operand))
        case 8: self = .drainWorkQueues(try Self.mask(of: operand))
        case 9: self = .abortWorkQueues(try Self.mask(of: operand))
        case 10: self = .resetWorkQueues(try Self.mask(of: operand))
        case 11: self = .drainPASID(HostPASID(truncating: operand))
        case 12: self = .abortPASID(HostPASID(truncating: operand))
        case 13: self = .requestInterruptHandle(InterruptVector(Self.table(of: operand), UInt16(operand & 0xFFFF)))
        case 14: self = .releaseInterruptHandle(UInt16(operand & 0xFFFF), Self.table(of: operand))
        default: throw .unsupportedCommand
        }
    }

    /// Operand bit 16.
    private static func table(of operand: UInt32) -> Portal.InterruptTable { operand >> 16 == 0 ? .msix : .ims }

    /// WQs by bitmap: operand bits 15:0 are the mask, 19:16 the group of 16 WQs that it is of.
    private static func mask(of operand: UInt32) throws(CommandError) -> UInt64 {
        let (mask, group) = (UInt64(operand & 0xFFFF), UInt64(operand >> 16))
        // A device has at most 64 WQs, so a WQ of the groups above does not exist.
        guard group < 4 || mask == 0 else { throw .invalidWorkQueueIndex }
        return mask << (group * 16 & 63)
    }
}
