internal import PCIe

extension CommandError {
    /// A non-zero reserved bit of the operand.
    public static let nonZeroReservedOperand = Self(rawValue: 0x04)

    /// What the code says, for people.
    public var name: String {
        switch self {
        case .none: "success"
        case .unsupportedCommand: "unsupported command"
        case .invalidWorkQueueIndex: "invalid WQ index"
        case .nonZeroReservedOperand: "non-zero reserved operand bits"
        case .deviceNotDisabled: "device not Disabled"
        case .totalSizeExceeded: "sum of WQ sizes exceeds the total"
        case .incompleteGroup: "group with WQs but no engines, or engines but no WQs"
        case .workQueueGroupConflict: "WQ in no group, in several, or without size in one"
        case .engineInSeveralGroups: "engine in several groups"
        case .invalidEventLog: "illegal event log configuration"
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
        case .disableOfDisabledDevice: "device not Enabled"
        case .workQueueNotEnabled: "WQ not Enabled"
        case .invalidInterruptIndex: "invalid interrupt table index or handle"
        case .noInterruptHandle: "no interrupt handle available"
        default: "error"
        }
    }
}

extension DeviceCommand {
    /// The command that CMD bits 24:20 and 19:0 ask for; `nil` for a code this version does not carry out, and for an
    /// operand with reserved bits (dsa-device 7.4).
    public init?(code: Int, operand: UInt32) {
        func bitmap() -> UInt64? {
            let group = UInt64(operand >> 16 & 0xF)
            // A device has at most 64 WQs: four groups of 16.
            guard operand >> 20 == 0, group < 4 else { return nil }
            return UInt64(operand & 0xFFFF) << (group * 16)
        }
        switch code {
        case 1, 2, 3, 4, 5:
            guard operand == 0 else { return nil }
            self = [.enableDevice, .disableDevice, .drainAll, .abortAll, .resetDevice][code - 1]
        case 6:
            guard operand >> 8 == 0 else { return nil }
            self = .enableWorkQueue(Int(operand))
        case 7, 8, 9, 10:
            guard let mask = bitmap() else { return nil }
            switch code {
            case 7: self = .disableWorkQueues(mask)
            case 8: self = .drainWorkQueues(mask)
            case 9: self = .abortWorkQueues(mask)
            default: self = .resetWorkQueues(mask)
            }
        case 11, 12:
            guard let pasid = HostPASID(rawValue: operand) else { return nil }
            self = code == 11 ? .drainPASID(pasid) : .abortPASID(pasid)
        case 13, 14:
            guard operand >> 17 == 0 else { return nil }
            let table: Portal.InterruptTable = operand >> 16 == 0 ? .msix : .ims
            let number = UInt16(truncatingIfNeeded: operand)
            self =
                code == 13
                ? .requestInterruptHandle(InterruptVector(table, number)) : .releaseInterruptHandle(number, table)
        default:
            return nil
        }
    }
}
