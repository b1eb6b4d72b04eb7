internal import DSA
internal import DSASpec
internal import Machine

/// The attributes of `wqN.M` (dsa-device 8.4), by their names.
public enum WorkQueueAttribute: String, Hashable, Sendable, CaseIterable {
    case state
    case clients
    case groupID = "group_id"
    case mode
    case size
    case priority
    case blockOnFault = "block_on_fault"
    case threshold
    case type
    case name
    case driverName = "driver_name"
    case cdevMinor = "cdev_minor"
    case maxTransferSize = "max_transfer_size"
    case maxBatchSize = "max_batch_size"
    case atsDisable = "ats_disable"
    case prsDisable = "prs_disable"
    case occupancy
    case enqcmdsRetries = "enqcmds_retries"
    case operationConfiguration = "op_config"

    /// The mode of its file.
    public var access: FileAccess {
        switch self {
        case .state, .clients, .cdevMinor, .occupancy: .readOnly
        default: .readWrite
        }
    }
}

extension DriverDevice {
    /// Whether the WQs have the attribute. `ats_disable` is there without WQCAP bit 50 too, as in earlier kernels:
    /// accel-config writes it whenever it loads a file that it saved.
    func has(_ attribute: WorkQueueAttribute) -> Bool {
        switch attribute {
        case .prsDisable: profile.workQueueFeatures.contains(.prsDisable)
        case .operationConfiguration: profile.workQueueFeatures.contains(.operationConfiguration)
        default: true
        }
    }

    /// The text of an attribute.
    ///
    /// - Throws: ENXIO for the minor number of a WQ without node, EOPNOTSUPP for an occupancy that the device does not
    ///   show.
    func show(
        _ attribute: WorkQueueAttribute, ofWorkQueue index: Int, _ machine: borrowing Machine
    ) throws(Errno) -> [UInt8] {
        let queue = workQueues[index]
        let text: String
        switch attribute {
        case .state: text = isDisabled(index, machine) ? "disabled" : "enabled"
        case .clients: text = "\(queue.clientCount)"
        case .groupID: text = "\(queue.group ?? -1)"
        case .mode: text = queue.isDedicated ? "dedicated" : "shared"
        case .size: text = "\(queue.size)"
        case .priority: text = "\(queue.priority)"
        case .blockOnFault: text = queue.blockOnFault ? "1" : "0"
        case .threshold: text = "\(queue.threshold)"
        case .type: text = queue.type.rawValue
        case .name: return queue.name
        case .driverName: return queue.driverName
        case .cdevMinor:
            guard let minor = queue.minor else { throw .enxio }
            text = "\(minor)"
        case .maxTransferSize: text = "\(1 << UInt64(queue.maximumTransferShift))"
        case .maxBatchSize: text = "\(1 << UInt64(queue.maximumBatchShift))"
        case .atsDisable: text = queue.atsDisable ? "1" : "0"
        case .prsDisable: text = queue.prsDisable ? "1" : "0"
        case .occupancy:
            guard profile.workQueueFeatures.contains(.occupancy) else { throw .eopnotsupp }
            text = "\(machine.devices[self.index].workQueues[index].occupancy)"
        case .enqcmdsRetries: text = "\(queue.retries)"
        case .operationConfiguration: text = Bitmap.text((queue.operations.bits, 0, 0, 0))
        }
        return Array(text.utf8)
    }
}
