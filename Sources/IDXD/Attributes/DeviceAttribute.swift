internal import DSA
internal import DSASpec
internal import Machine

/// What a file may be used for, by everyone and by root.
public enum FileAccess: UInt16, Hashable, Sendable {
    /// Everyone reads.
    case readOnly = 0o444
    /// Everyone reads, root writes.
    case readWrite = 0o644
    /// Root writes.
    case writeOnly = 0o200
}

/// The attributes of `dsaN` (dsa-device 8.2), by their names; those with tokens in it are old names.
public enum DeviceAttribute: String, Hashable, Sendable, CaseIterable {
    case version
    case maxGroups = "max_groups"
    case maxWorkQueues = "max_work_queues"
    case maxEngines = "max_engines"
    case maxWorkQueuesSize = "max_work_queues_size"
    case maxBatchSize = "max_batch_size"
    case maxTransferSize = "max_transfer_size"
    case maxReadBuffers = "max_read_buffers"
    case maxTokens = "max_tokens"
    case numaNode = "numa_node"
    case operationCapabilities = "op_cap"
    case generalCapabilities = "gen_cap"
    case configurable
    case pasidEnabled = "pasid_enabled"
    case clients
    case state
    case errors
    case commandStatus = "cmd_status"
    case cdevMajor = "cdev_major"
    case readBufferLimit = "read_buffer_limit"
    case tokenLimit = "token_limit"
    case eventLogSize = "event_log_size"

    /// The mode of its file.
    public var access: FileAccess {
        switch self {
        case .commandStatus, .readBufferLimit, .tokenLimit, .eventLogSize: .readWrite
        default: .readOnly
        }
    }
}

extension DriverDevice {
    /// Whether the device has the attribute.
    func has(_ attribute: DeviceAttribute) -> Bool { attribute != .eventLogSize || hasEventLog }

    /// The text of an attribute.
    func show(_ attribute: DeviceAttribute, _ machine: borrowing Machine) -> String {
        switch attribute {
        case .version: Text.prefixed(UInt64(profile.version))
        case .maxGroups: "\(profile.groupCount)"
        case .maxWorkQueues: "\(profile.workQueueCount)"
        case .maxEngines: "\(profile.engineCount)"
        case .maxWorkQueuesSize: "\(profile.totalWorkQueueSize)"
        case .maxBatchSize: "\(1 << UInt64(profile.general.maximumBatchShift))"
        case .maxTransferSize: "\(1 << UInt64(profile.general.maximumTransferShift))"
        case .maxReadBuffers, .maxTokens: "\(profile.readBufferCount)"
        // Programs pick a device on the node that they run on, and every machine has node 0.
        case .numaNode: "0"
        case .operationCapabilities: Bitmap.text((profile.operations.bits, 0, 0, 0))
        case .generalCapabilities: Text.prefixed(profile.general.rawValue)
        case .configurable: isConfigurable ? "1" : "0"
        case .pasidEnabled: isPASIDEnabled(machine) ? "1" : "0"
        case .clients: "\(workQueues.reduce(0) { $0 + $1.clientCount })"
        case .state: stateText(machine)
        case .errors:
            Bitmap.text((softwareError.word0, softwareError.word1, softwareError.word2, softwareError.word3))
        case .commandStatus: Text.prefixed(UInt64(commandStatus.rawValue))
        case .cdevMajor: "\(Driver.major)"
        case .readBufferLimit, .tokenLimit: "\(readBufferLimit)"
        case .eventLogSize: "\(eventLogSize)"
        }
    }

    private func stateText(_ machine: borrowing Machine) -> String {
        switch machine.devices[index].state {
        // A Disable Device that drains has not returned to the driver.
        case .enabled, .disabling: "enabled"
        case .disabled: "disabled"
        case .halted: "halted"
        }
    }

    /// Stores into an attribute that can be written.
    mutating func store(
        _ text: ArraySlice<UInt8>, in attribute: DeviceAttribute, _ machine: borrowing Machine
    ) throws(Errno) {
        switch attribute {
        case .commandStatus:
            commandStatus = .success
        case .readBufferLimit, .tokenLimit:
            let value = try Text.invalid { () throws(Errno) in try KernelText.unsigned(text) }
            guard !isEnabled(machine), isConfigurable, profile.groupFeatures.contains(.globalReadBufferLimit) else {
                throw .eperm
            }
            guard value <= UInt64(profile.readBufferCount) else { throw .einval }
            readBufferLimit = Int(value)
        case .eventLogSize:
            let value = try Text.invalid { () throws(Errno) in try KernelText.unsigned(text) }
            guard !isEnabled(machine), isConfigurable else { throw .eperm }
            guard let size = Int(exactly: value), Self.eventLogSizes.contains(size) else { throw .einval }
            eventLogSize = size
        default:
            throw .eio
        }
    }
}

/// How numbers look in sysfs, and how their errors.
enum Text {
    /// `%#x`: 0 has no prefix.
    static func prefixed(_ value: UInt64) -> String { value == 0 ? "0" : "0x" + String(value, radix: 16) }

    /// The driver answers EINVAL whatever is wrong with a number.
    static func invalid<Value>(_ read: () throws(Errno) -> Value) throws(Errno) -> Value {
        do throws(Errno) { return try read() } catch { throw .einval }
    }
}
