internal import DSA
internal import DSASpec
internal import Machine

/// The attributes of `groupN.M` (dsa-device 8.3), by their names; those with tokens in it are old names.
public enum GroupAttribute: String, Hashable, Sendable, CaseIterable {
    case workQueues = "work_queues"
    case engines
    case readBuffersReserved = "read_buffers_reserved"
    case tokensReserved = "tokens_reserved"
    case readBuffersAllowed = "read_buffers_allowed"
    case tokensAllowed = "tokens_allowed"
    case useReadBufferLimit = "use_read_buffer_limit"
    case useTokenLimit = "use_token_limit"
    case trafficClassA = "traffic_class_a"
    case trafficClassB = "traffic_class_b"
    case descriptorProgressLimit = "desc_progress_limit"
    case batchProgressLimit = "batch_progress_limit"

    /// The mode of its file.
    public var access: FileAccess {
        switch self {
        case .workQueues, .engines: .readOnly
        default: .readWrite
        }
    }
}

extension DriverDevice {
    /// Whether the groups have the attribute.
    func has(_ attribute: GroupAttribute) -> Bool {
        switch attribute {
        case .descriptorProgressLimit, .batchProgressLimit: profile.groupFeatures.contains(.progressLimits)
        default: true
        }
    }

    /// The text of an attribute; `nil` for an empty file.
    func show(_ attribute: GroupAttribute, ofGroup index: Int) -> String? {
        let group = groups[index]
        return switch attribute {
        case .workQueues:
            Self.list(workQueues.indices.filter { workQueues[$0].group == index }.map(workQueueName))
        case .engines:
            Self.list(engineGroups.indices.filter { engineGroups[$0] == index }.map(engineName))
        case .readBuffersReserved, .tokensReserved: "\(group.readBuffersReserved)"
        case .readBuffersAllowed, .tokensAllowed: "\(group.readBuffersAllowed)"
        case .useReadBufferLimit, .useTokenLimit: group.usesReadBufferLimit ? "1" : "0"
        case .trafficClassA: group.trafficClassA.map { "\($0)" } ?? "-1"
        case .trafficClassB: group.trafficClassB.map { "\($0)" } ?? "-1"
        case .descriptorProgressLimit: "\(group.workDescriptorLimitShift)"
        case .batchProgressLimit: "\(group.batchDescriptorLimitShift)"
        }
    }

    private static func list(_ names: [String]) -> String? { names.isEmpty ? nil : names.joined(separator: " ") }

    /// Stores into an attribute that can be written.
    ///
    /// - Parameter overridesTrafficClasses: The module's parameter `tc_override`.
    mutating func store(
        _ text: ArraySlice<UInt8>, in attribute: GroupAttribute, ofGroup index: Int, overridesTrafficClasses: Bool,
        _ machine: borrowing Machine
    ) throws(Errno) {
        switch attribute {
        case .workQueues, .engines:
            throw .eio
        case .readBuffersReserved, .tokensReserved:
            let value = try number(text, machine)
            let own = groups[index].readBuffersReserved
            guard value <= UInt64(profile.readBufferCount), value <= UInt64(max(0, freeReadBuffers + own)) else {
                throw .einval
            }
            groups[index].readBuffersReserved = Int(value)
        case .readBuffersAllowed, .tokensAllowed:
            let value = try number(text, machine)
            let own = groups[index].readBuffersReserved
            guard value >= UInt64(4 * engineCount(inGroup: index)), value <= UInt64(max(0, own + freeReadBuffers))
            else { throw .einval }
            groups[index].readBuffersAllowed = Int(value)
        case .useReadBufferLimit, .useTokenLimit:
            let value = try number(text, machine)
            guard readBufferLimit > 0 else { throw .eperm }
            groups[index].usesReadBufferLimit = value != 0
        case .trafficClassA:
            groups[index].trafficClassA = try trafficClass(text, isOverridden: overridesTrafficClasses, machine)
        case .trafficClassB:
            groups[index].trafficClassB = try trafficClass(text, isOverridden: overridesTrafficClasses, machine)
        case .descriptorProgressLimit:
            groups[index].workDescriptorLimitShift = try progressLimit(text, machine)
        case .batchProgressLimit:
            groups[index].batchDescriptorLimitShift = try progressLimit(text, machine)
        }
    }

    /// A number, written while the device is configurable and disabled.
    private func number(_ text: ArraySlice<UInt8>, _ machine: borrowing Machine) throws(Errno) -> UInt64 {
        let value = try Text.invalid { () throws(Errno) in try KernelText.unsigned(text) }
        guard isConfigurable, !isEnabled(machine) else { throw .eperm }
        return value
    }

    private func trafficClass(
        _ text: ArraySlice<UInt8>, isOverridden: Bool, _ machine: borrowing Machine
    ) throws(Errno) -> UInt8 {
        let value = try Text.invalid { () throws(Errno) in try KernelText.signed(text) }
        guard isConfigurable, !isEnabled(machine),
            isOverridden || profile.version > Self.lastVersionOfFixedTrafficClasses
        else { throw .eperm }
        guard (0...7).contains(value) else { throw .einval }
        return UInt8(value)
    }

    private func progressLimit(_ text: ArraySlice<UInt8>, _ machine: borrowing Machine) throws(Errno) -> UInt8 {
        let value = try Text.invalid { () throws(Errno) in try KernelText.unsigned(text) }
        guard isConfigurable, !isEnabled(machine) else { throw .eperm }
        guard value <= 3 else { throw .einval }
        return UInt8(value)
    }

    // MARK: Engines

    /// The text of `group_id` of an engine, its one attribute.
    func showGroup(ofEngine engine: Int) -> String { "\(engineGroups[engine] ?? -1)" }

    /// Stores into `group_id` of an engine, whatever the state of the device.
    mutating func storeGroup(_ text: ArraySlice<UInt8>, ofEngine engine: Int) throws(Errno) {
        let value = try Text.invalid { () throws(Errno) in try KernelText.signed(text) }
        guard isConfigurable else { throw .eperm }
        guard (-1..<Int64(profile.groupCount)).contains(value) else { throw .einval }
        engineGroups[engine] = value < 0 ? nil : Int(value)
    }
}
