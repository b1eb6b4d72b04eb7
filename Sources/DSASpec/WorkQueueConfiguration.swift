public import PCIe

/// What software configures of a WQ: the writable fields of WQCFG (DSA 3.0 §9.3, dsa-device 6.4).
public struct WorkQueueConfiguration: Hashable, Sendable {
    /// WQCFG Mode.
    public enum Mode: UInt8, Sendable {
        case shared = 0
        case dedicated = 1
    }

    /// Entries; 0 leaves the WQ unconfigured.
    public var size: UInt16
    /// Limited portals of an SWQ accept below this occupancy; 0 stops them.
    public var threshold: UInt16
    /// Whether many clients submit by DMWr or one by posted writes.
    public var mode: Mode
    /// BOF Enable: the WQ's descriptors may set Block On Fault.
    public var blockOnFaultEnable: Bool
    /// 1 to 15: the WQ's share among the WQs of its group.
    public var priority: UInt8
    /// The PASID of a DWQ's descriptors, used with ``pasidEnable``.
    public var pasid: HostPASID
    /// Required for an SWQ.
    public var pasidEnable: Bool
    /// Privilege of a DWQ's descriptors.
    public var isPrivileged: Bool
    /// Maximum Transfer Size is 2 to the power of this, in bytes.
    public var maximumTransferShift: UInt8
    /// Maximum Batch Size is 2 to the power of this, in descriptors.
    public var maximumBatchShift: UInt8
    /// What tells software that the WQ has run low.
    public var occupancyInterrupt: OccupancyInterrupt
    /// ATS Disable: the WQ's descriptors use no translations of the function's own. Needs WQCAP bit 50.
    public var atsDisable = false
    /// PRS Disable: the WQ's descriptors make no page requests. Needs WQCAP bit 55. DSA 2.0.
    public var prsDisable = false
    /// Maximum SGL Size is 2 to the power of this. DSA 3.0; 0 on earlier devices.
    public var maximumListShift: UInt8 = 0
    /// OPCFG: the operations that the WQ admits, a subset of OPCAP; `nil` is all of OPCAP, the power-on value. Needs
    /// WQCAP bit 54. DSA 2.0.
    public var operations: OpcodeSet?

    /// The power-on value (dsa-device 7.5): every field 0.
    public init() {
        size = 0
        threshold = 0
        mode = .shared
        blockOnFaultEnable = false
        priority = 0
        pasid = HostPASID(truncating: 0)
        pasidEnable = false
        isPrivileged = false
        maximumTransferShift = 0
        maximumBatchShift = 0
        occupancyInterrupt = OccupancyInterrupt()
    }
}

/// WQCFG WQ State.
public enum WorkQueueState: UInt8, Sendable {
    case disabled = 0
    case enabled = 1
    /// Disable was asked for and descriptors are still in the WQ or in its engines.
    case disabling = 2
}
