public import PCIe

/// A command of the CMD register with its operand (DSA 3.0 §9.2.11, dsa-device 7.4).
public enum DeviceCommand: Hashable, Sendable {
    case enableDevice
    case disableDevice
    case drainAll
    case abortAll
    case resetDevice
    /// By index.
    case enableWorkQueue(Int)
    /// By bitmap: bit n for WQ n.
    case disableWorkQueues(UInt64)
    case drainWorkQueues(UInt64)
    case abortWorkQueues(UInt64)
    case resetWorkQueues(UInt64)
    case drainPASID(HostPASID)
    case abortPASID(HostPASID)
    /// By entry.
    case requestInterruptHandle(InterruptVector)
    case releaseInterruptHandle(UInt16, Portal.InterruptTable)

    /// CMD bits 24:20.
    public var code: UInt8 {
        switch self {
        case .enableDevice: 1
        case .disableDevice: 2
        case .drainAll: 3
        case .abortAll: 4
        case .resetDevice: 5
        case .enableWorkQueue: 6
        case .disableWorkQueues: 7
        case .drainWorkQueues: 8
        case .abortWorkQueues: 9
        case .resetWorkQueues: 10
        case .drainPASID: 11
        case .abortPASID: 12
        case .requestInterruptHandle: 13
        case .releaseInterruptHandle: 14
        }
    }
}

/// CMDSTATUS bits 7:0 (dsa-device 6.4 and 7.4). Open: other parts know more.
public struct CommandError: RawRepresentable, Hashable, Sendable, Error {
    /// The code, 0 to 0xFF.
    public let rawValue: UInt8

    /// The error with this code, defined or not.
    public init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// The command did what it was asked for.
    public static let none = Self(rawValue: 0x00)
    /// The command is not one that the device has.
    public static let unsupportedCommand = Self(rawValue: 0x01)
    /// The operand names a WQ that does not exist.
    public static let invalidWorkQueueIndex = Self(rawValue: 0x02)
    /// An error of the device itself.
    public static let hardwareError = Self(rawValue: 0x03)
    /// A reserved bit of the operand is 1.
    public static let nonZeroReservedOperand = Self(rawValue: 0x04)
    /// The device is in Halt.
    public static let deviceHalted = Self(rawValue: 0x05)
    /// Enable Device of a device that is not Disabled.
    public static let deviceNotDisabled = Self(rawValue: 0x10)
    /// The configuration is wrong in a way that has no code of its own.
    public static let invalidConfiguration = Self(rawValue: 0x11)
    /// Enable Device while Bus Master Enable of the function is off.
    public static let busMasterDisabled = Self(rawValue: 0x12)
    /// The function makes page requests and may have none outstanding, or more than it can.
    public static let invalidPageRequestAllocation = Self(rawValue: 0x13)
    /// The sum of the WQ sizes exceeds WQCAP's total.
    public static let totalSizeExceeded = Self(rawValue: 0x14)
    /// A group has WQs without engines or engines without WQs.
    public static let incompleteGroup = Self(rawValue: 0x15)
    /// A WQ with a size is in no group or in several, or one without a size is in a group.
    public static let workQueueGroupConflict = Self(rawValue: 0x16)
    /// An engine is in more than one group.
    public static let engineInSeveralGroups = Self(rawValue: 0x17)
    /// The read buffers of the groups break a rule (dsa-device 6.5).
    public static let invalidReadBuffers = Self(rawValue: 0x18)
    /// The event log is enabled and its configuration illegal. DSA 2.0.
    public static let invalidEventLog = Self(rawValue: 0x19)
    /// The ATS settings of the function are illegal.
    public static let invalidATS = Self(rawValue: 0x1A)
    /// The PASID settings of the function are illegal.
    public static let invalidPASID = Self(rawValue: 0x1B)
    /// Enable WQ on a device that is not Enabled.
    public static let deviceNotEnabled = Self(rawValue: 0x20)
    /// Enable WQ of a WQ that is not Disabled.
    public static let workQueueNotDisabled = Self(rawValue: 0x21)
    /// Enable WQ of a WQ of Size 0.
    public static let workQueueSizeZero = Self(rawValue: 0x22)
    /// Enable WQ of a WQ whose Priority is not 1 to 15.
    public static let workQueuePriorityZero = Self(rawValue: 0x23)
    /// WQCAP does not offer the WQ's Mode.
    public static let unsupportedMode = Self(rawValue: 0x24)
    /// BOF Enable without the capability or without page requests.
    public static let blockOnFaultUnsupported = Self(rawValue: 0x25)
    /// PASID Enable is 0 for an SWQ, or 1 while the function's PASID capability is off.
    public static let pasidEnableConflict = Self(rawValue: 0x26)
    /// The WQ's Maximum Batch Size exponent is 0 or above that of GENCAP.
    public static let invalidMaximumBatch = Self(rawValue: 0x27)
    /// The WQ's Maximum Transfer Size is above that of GENCAP.
    public static let invalidMaximumTransfer = Self(rawValue: 0x28)
    /// A DWQ with PASID and Priv while privileged mode is off.
    public static let privilegeUnsupported = Self(rawValue: 0x2A)
    /// The occupancy interrupt is enabled without the capability, or its handle names no entry.
    public static let invalidOccupancyInterrupt = Self(rawValue: 0x2B)
    /// ATS Disable without WQCAP bit 50.
    public static let atsDisableUnsupported = Self(rawValue: 0x2C)
    /// OPCFG names an operation that OPCAP does not. DSA 2.0.
    public static let invalidOperations = Self(rawValue: 0x2D)
    /// PRS Disable without WQCAP bit 55, or with BOF Enable. DSA 2.0.
    public static let prsDisableUnsupported = Self(rawValue: 0x2E)
    /// Disable Device of a device that is not Enabled.
    public static let disableOfDisabledDevice = Self(rawValue: 0x31)
    /// Disable WQ of a WQ that is not Enabled.
    public static let workQueueNotEnabled = Self(rawValue: 0x32)
    /// Request Interrupt Handle for an entry that does not exist, Release Interrupt Handle of one not given out.
    public static let invalidInterruptIndex = Self(rawValue: 0x41)
    /// Request Interrupt Handle while every handle is given out.
    public static let noInterruptHandle = Self(rawValue: 0x42)
}
