package import PCIe

/// What software configures of a WQ: the writable fields of WQCFG (DSA 3.0 §9.3, dsa-device 6.4).
package struct WorkQueueConfiguration: Hashable, Sendable {
    /// WQCFG Mode.
    package enum Mode: UInt8, Sendable {
        case shared = 0
        case dedicated = 1
    }

    /// Entries; 0 leaves the WQ unconfigured.
    package var size: UInt16
    /// Limited portals of an SWQ accept below this occupancy; 0 stops them.
    package var threshold: UInt16
    package var mode: Mode
    package var blockOnFaultEnable: Bool
    /// 1 to 15: the WQ's share among the WQs of its group.
    package var priority: UInt8
    /// The PASID of a DWQ's descriptors, used with ``pasidEnable``.
    package var pasid: HostPASID
    /// Required for an SWQ.
    package var pasidEnable: Bool
    /// Privilege of a DWQ's descriptors.
    package var isPrivileged: Bool
    /// Maximum Transfer Size is 2 to the power of this, in bytes.
    package var maximumTransferShift: UInt8
    /// Maximum Batch Size is 2 to the power of this, in descriptors.
    package var maximumBatchShift: UInt8

    /// The power-on value (dsa-device 7.5): every field 0.
    package init() {
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
    }
}

/// WQCFG WQ State.
package enum WorkQueueState: UInt8, Sendable {
    case disabled = 0
    case enabled = 1
    /// Disable was asked for and descriptors are still in the WQ or in its engines.
    case disabling = 2
}
