internal import DSA
internal import DSASpec
internal import IDXD
internal import Protocol

/// Turns one device of a layout file into a setup. What a member means, its default where it is absent and its range
/// are those of the Linux driver's attribute of that name (dsa-device §8.2 to §8.4).
struct LayoutReader {
    private let device: LayoutObject
    /// The device's name in the file.
    private let name: String
    private let profile: DeviceProfile

    private var workQueues: [Int: DeviceSetup.WorkQueueSetup] = [:]
    private var groups: [GroupConfiguration]
    private var groupFlags: [GroupFlags]
    private var seen: Set<String> = []

    init(_ element: LayoutElement, device name: String, profile: DeviceProfile) throws(ConfigurationError) {
        device = try LayoutObject(element, known: LayoutMembers.device)
        self.name = name
        self.profile = profile
        groups = Array(repeating: GroupConfiguration(), count: profile.groupCount)
        groupFlags = Array(repeating: DeviceSetup.driverGroupFlags(profile), count: profile.groupCount)
    }

    /// The setup of the device, under the name that the daemon gives it.
    mutating func setup(named configuredName: String) throws(ConfigurationError) -> DeviceSetup {
        let limit = try device.integer(LayoutMembers.readBufferLimit, in: 0...profile.readBufferCount) ?? 0
        if device.has("event_log_size") {
            throw device.refused(
                "event_log_size",
                profile.general.eventLogEntryByteCount == nil
                    ? "is not accepted: a device of version 1 has no event log"
                    : "is not accepted: an event log lies in the memory of the client that writes EVLCFG")
        }
        let flagsReader = GroupFlagsReader(profile: profile, deviceLimit: limit)
        for element in try device.elements("groups") { try readGroup(element, flagsReader) }
        // The driver writes a WQ or engine that is in no group to the device as absent.
        for member in ["ungrouped_workqueues", "ungrouped workqueues"] {
            for element in try device.elements(member) { _ = try readWorkQueue(element, group: nil) }
        }
        for element in try device.elements("ungrouped_engines") { _ = try readEngine(element, group: nil) }
        let state = try device.choice("state", of: ["enabled", "disabled"])
        return DeviceSetup(
            name: configuredName, profile: profile, workQueues: workQueues.values.sorted { $0.index < $1.index },
            groups: groups, groupFlags: groupFlags, globalReadBufferLimit: limit == 0 ? nil : UInt8(limit),
            isEnabled: state != "disabled" && !workQueues.isEmpty)
    }

    private mutating func readGroup(
        _ element: LayoutElement, _ flagsReader: GroupFlagsReader
    ) throws(ConfigurationError) {
        let group = try LayoutObject(element, known: LayoutMembers.group)
        let index = try component("group", of: group, count: profile.groupCount)
        groupFlags[index] = try flagsReader.flags(of: group)
        for element in try group.elements("grouped_workqueues") {
            guard let queue = try readWorkQueue(element, group: index) else { continue }
            workQueues[queue.index] = queue
            groups[index].workQueues |= 1 << UInt64(queue.index)
        }
        for element in try group.elements("grouped_engines") {
            groups[index].engines |= 1 << UInt64(try readEngine(element, group: index))
        }
    }

    private mutating func readEngine(_ element: LayoutElement, group: Int?) throws(ConfigurationError) -> Int {
        let engine = try LayoutObject(element, known: LayoutMembers.engine)
        let index = try component("engine", of: engine, count: profile.engineCount)
        try checkGroup(of: engine, is: group)
        return index
    }

    /// Reads a WQ; one in no group has no effect.
    private mutating func readWorkQueue(
        _ element: LayoutElement, group: Int?
    ) throws(ConfigurationError) -> DeviceSetup.WorkQueueSetup? {
        let queue = try LayoutObject(element, known: LayoutMembers.workQueue)
        let index = try component("wq", of: queue, count: profile.workQueueCount)
        try checkGroup(of: queue, is: group)
        guard group != nil else { return nil }

        var configuration = WorkQueueConfiguration()
        let isShared = try queue.choice("mode", of: ["shared", "dedicated"]) != "dedicated"
        configuration.mode = isShared ? .shared : .dedicated
        // The PASID of a dedicated WQ comes with the client that opens it.
        configuration.pasidEnable = isShared
        let size = try queue.requiredInteger("size", in: 1...profile.totalWorkQueueSize)
        configuration.size = UInt16(size)
        configuration.threshold = UInt16(
            isShared
                ? try queue.requiredInteger("threshold", in: 1...size, because: "a shared WQ needs one up to its size")
                : try queue.integer("threshold", in: 0...size) ?? 0)
        configuration.priority = UInt8(try queue.requiredInteger("priority", in: 1...15))
        configuration.maximumTransferShift = try shift(
            "max_transfer_size", of: queue, standard: 2_097_152, in: 1...1 << Int(profile.general.maximumTransferShift))
        configuration.maximumBatchShift = try shift(
            "max_batch_size", of: queue, standard: 32, in: 2...1 << Int(profile.general.maximumBatchShift))
        try readFaultHandling(of: queue, into: &configuration)
        configuration.operations = try readOperations(of: queue)

        let type = try queue.choice("type", of: ["none", "kernel", "user"])
        let state = try queue.choice("state", of: ["enabled", "disabled"])
        return DeviceSetup.WorkQueueSetup(
            index: index, configuration: configuration, isEnabled: type != "none" && state != "disabled",
            identity: try readIdentity(of: queue, index: index, type: type))
    }

    /// What the Linux driver calls the WQ. A WQ that is enabled needs a type, a name and a driver, and gets those that
    /// the file leaves out.
    private func readIdentity(
        of queue: LayoutObject, index: Int, type: String?
    ) throws(ConfigurationError) -> WorkQueueIdentity {
        var identity = WorkQueueIdentity(type: .user, name: "wq\(name.dropFirst(3)).\(index)")
        if let type { identity = WorkQueueIdentity(type: WorkQueueType(rawValue: type) ?? .none, name: identity.name) }
        let name = try readText("name", of: queue, byteCountMax: DriverWorkQueue.nameByteCountMax)
        if let name, identity.type == .none || !name.isEmpty { identity.name = name }
        let driverName = try readText("driver_name", of: queue, byteCountMax: DriverWorkQueue.driverNameByteCountMax)
        if let driverName, !driverName.isEmpty { identity.driverName = driverName }
        identity.retries = try queue.integer("enqcmds_retries", in: 0...Int(UInt32.max))
        return identity
    }

    private func readText(
        _ member: String, of queue: LayoutObject, byteCountMax: Int
    ) throws(ConfigurationError) -> String? {
        guard let text = try queue.text(member) else { return nil }
        guard text.utf8.count <= byteCountMax else {
            throw queue.refused(member, "has \(text.utf8.count) bytes; up to \(byteCountMax) are accepted")
        }
        return text
    }

    private func readFaultHandling(
        of queue: LayoutObject, into configuration: inout WorkQueueConfiguration
    ) throws(ConfigurationError) {
        let features = profile.workQueueFeatures
        configuration.atsDisable =
            try queue.integer(
                "ats_disable", in: -1...(features.contains(.atsDisable) ? 1 : 0),
                because: features.contains(.atsDisable)
                    ? nil : "a device of version 1 cannot switch ATS off for a WQ") == 1
        configuration.prsDisable =
            try queue.integer(
                "prs_disable", in: -1...(features.contains(.prsDisable) ? 1 : 0),
                because: features.contains(.prsDisable)
                    ? nil : "a device of version 1 cannot switch page requests off for a WQ") == 1
        configuration.blockOnFaultEnable =
            try queue.integer(
                "block_on_fault", in: 0...(configuration.prsDisable ? 0 : 1),
                because: configuration.prsDisable ? "prs_disable is 1" : nil) == 1
    }

    /// OPCFG as the driver prints it: the 256 bits as groups of 8 hexadecimal digits with commas between them, the most
    /// significant first.
    private func readOperations(of queue: LayoutObject) throws(ConfigurationError) -> OpcodeSet? {
        guard let text = try queue.text("op_config") else { return nil }
        guard profile.workQueueFeatures.contains(.operationConfiguration) else {
            throw queue.refused("op_config", "is not accepted: a device of version 1 has no OPCFG")
        }
        let groups = text.split(separator: ",", omittingEmptySubsequences: false)
        let bits: [UInt32] = groups.compactMap { $0.utf8.count <= 8 ? UInt32($0, radix: 16) : nil }
        guard (1...8).contains(groups.count), bits.count == groups.count, !text.contains("+") else {
            throw queue.refused(
                "op_config",
                "is \"\(text)\"; up to eight groups of 8 hexadecimal digits, separated by commas, are accepted")
        }
        let operations = OpcodeSet(bits: bits.suffix(2).reduce(0) { $0 << 32 | UInt64($1) })
        guard bits.dropLast(2).allSatisfy({ $0 == 0 }), operations.isSubset(of: profile.operations) else {
            throw queue.refused(
                "op_config", "is \"\(text)\"; bits of \(Hexadecimal.text(profile.operations.bits)) are accepted")
        }
        return operations
    }

    /// A size whose power of two, rounded up, the device keeps.
    private func shift(
        _ member: String, of queue: LayoutObject, standard: Int, in range: ClosedRange<Int>
    ) throws(ConfigurationError) -> UInt8 {
        let size = try queue.integer(member, in: range) ?? standard
        return UInt8(Int.bitWidth - (size - 1).leadingZeroBitCount)
    }

    /// The index in a name such as `wq0.1`, for the only component of that name.
    private mutating func component(
        _ kind: String, of object: LayoutObject, count: Int
    ) throws(ConfigurationError) -> Int {
        let prefix = "\(kind)\(name.dropFirst(3))."
        let text = try object.requiredText("dev")
        guard let index = (0..<count).first(where: { text == "\(prefix)\($0)" }) else {
            throw object.refused(
                "dev", "is \"\(text)\"; \(prefix)0 to \(prefix)\(count - 1) are the names of that kind on \(name)")
        }
        guard seen.insert(text).inserted else {
            throw object.refused("dev", "is \(text), which the file has already put elsewhere; once is accepted")
        }
        return index
    }

    /// A component's own word on its group must agree with the place where it stands.
    private func checkGroup(of object: LayoutObject, is group: Int?) throws(ConfigurationError) {
        let expected = group ?? -1
        let place = group.map { "it stands in group \($0)" } ?? "it stands among the ungrouped"
        try object.integer("group_id", in: expected...expected, because: place)
    }
}
