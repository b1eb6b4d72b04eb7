internal import DSA
internal import DSASpec
internal import Machine
internal import PCIe

/// What the driver writes into GRPCFG, WQCFG and GENCFG before it enables a device or a WQ.
extension DriverDevice {
    /// What stops the configuration from being written.
    enum ConfigurationProblem: Error {
        case sharedModeUnsupported
        case noWorkQueueInGroup
        case noEngineInGroup
    }

    private static let dwordsOfConfiguration = 0..<4
    private static let dwordsOfOperations = 8..<16

    /// Writes the whole configuration. What the present state does not admit, the device ignores.
    mutating func writeConfiguration(machine: inout Machine) throws(ConfigurationProblem) {
        try checkConfiguration(machine)
        writeTables(machine: &machine)
    }

    /// The tables, whether they can be enabled or not.
    mutating func writeTables(machine: inout Machine) {
        for queue in workQueues.indices where workQueues[queue].group != nil {
            if workQueues[queue].size == 0, workQueues[queue].type != .none {
                workQueues[queue].size = DriverWorkQueue.standardSize
            }
            writeWorkQueue(queue, machine: &machine)
        }
        for group in groups.indices { writeGroup(group, machine: &machine) }
        writeGeneralConfiguration(machine: &machine)
    }

    private func checkConfiguration(_ machine: borrowing Machine) throws(ConfigurationProblem) {
        for queue in workQueues where queue.group != nil && !queue.isDedicated {
            guard supportsShared(machine) else { throw .sharedModeUnsupported }
        }
        guard workQueues.contains(where: { $0.group != nil }) else { throw .noWorkQueueInGroup }
        guard engineGroups.contains(where: { $0 != nil }) else { throw .noEngineInGroup }
    }

    /// Read-modify-write, so that what the hardware kept stays.
    private func writeWorkQueue(_ queue: Int, machine: inout Machine) {
        let wanted = workQueues[queue]
        rewriteWorkQueue(queue, machine: &machine) { entry in
            entry.size = UInt16(wanted.size)
            entry.threshold = UInt16(wanted.threshold)
            entry.mode = wanted.isDedicated ? .dedicated : .shared
            // A dedicated WQ gets its PASID from the client that opens it.
            entry.pasidEnable = !wanted.isDedicated
            entry.isPrivileged = wanted.type == .kernel
            entry.priority = wanted.priority
            entry.blockOnFaultEnable = wanted.blockOnFault && profile.general.supportsBlockOnFault
            entry.atsDisable = wanted.atsDisable
            entry.prsDisable = wanted.prsDisable
            entry.maximumTransferShift = wanted.maximumTransferShift
            entry.maximumBatchShift = wanted.maximumBatchShift
            if profile.workQueueFeatures.contains(.operationConfiguration) { entry.operations = wanted.operations }
        }
    }

    /// Writes the PASID of a dedicated WQ that is Disabled, or takes it away.
    func write(pasid: HostPASID?, toWorkQueue queue: Int, machine: inout Machine) {
        rewriteWorkQueue(queue, machine: &machine) { entry in
            entry.pasidEnable = pasid != nil
            entry.pasid = pasid ?? HostPASID(truncating: 0)
        }
    }

    private func rewriteWorkQueue(
        _ queue: Int, machine: inout Machine, _ change: (inout WorkQueueConfiguration) -> Void
    ) {
        let layout = profile.registerLayout
        let base = layout.tables.workQueueConfiguration + queue * layout.workQueueEntryByteCount
        var dwords = Array(Self.dwordsOfConfiguration)
        if profile.workQueueFeatures.contains(.operationConfiguration) { dwords += Self.dwordsOfOperations }
        var entry = WorkQueueConfiguration()
        for dword in dwords {
            entry.setDword(dword, to: read(base + dword * 4, machine), supported: profile.operations)
        }
        change(&entry)
        for dword in dwords {
            write(base + dword * 4, entry.dword(dword, supported: profile.operations), machine: &machine)
        }
    }

    private func writeGroup(_ group: Int, machine: inout Machine) {
        var membership = GroupConfiguration()
        for queue in workQueues.indices where workQueues[queue].group == group {
            membership.workQueues |= 1 << UInt64(queue)
        }
        for engine in engineGroups.indices where engineGroups[engine] == group {
            membership.engines |= 1 << UInt64(engine)
        }
        let wanted = groups[group]
        let allowed = wanted.readBuffersAllowed == 0 ? profile.readBufferCount : wanted.readBuffersAllowed
        var flags = GroupFlags(readBuffersAllowed: allowed)
        flags.trafficClassA = wanted.trafficClassA ?? 0
        flags.trafficClassB = wanted.trafficClassB ?? 1
        flags.usesGlobalReadBufferLimit = wanted.usesReadBufferLimit
        flags.readBuffersReserved = UInt8(truncatingIfNeeded: wanted.readBuffersReserved)
        flags.workDescriptorLimitShift = wanted.workDescriptorLimitShift
        flags.batchDescriptorLimitShift = wanted.batchDescriptorLimitShift

        let base = profile.registerLayout.tables.groupConfiguration + group * RegisterLayout.groupEntryByteCount
        for (offset, qword) in [(0, membership.workQueues), (32, membership.engines), (40, flags.rawValue)] {
            write(base + offset, UInt32(truncatingIfNeeded: qword), machine: &machine)
            write(base + offset + 4, UInt32(qword >> 32), machine: &machine)
        }
    }

    /// Users may ask for interrupts; the limit is written when there is one.
    private func writeGeneralConfiguration(machine: inout Machine) {
        let offset = Register.generalConfiguration.offset
        var configuration = GeneralConfiguration(rawValue: read(offset, machine))
        configuration.areUserInterruptsEnabled = true
        if readBufferLimit > 0 { configuration.globalReadBufferLimit = UInt8(truncatingIfNeeded: readBufferLimit) }
        write(offset, configuration.rawValue, machine: &machine)
    }

    private func read(_ offset: Int, _ machine: borrowing Machine) -> UInt32 {
        do {
            return UInt32(truncatingIfNeeded: try machine.readRegister(at: offset, byteCount: 4, device: index))
        } catch { preconditionFailure("the layout names dwords of BAR0: \(error)") }
    }

    private func write(_ offset: Int, _ value: UInt32, machine: inout Machine) {
        do {
            try machine.writeRegister(at: offset, byteCount: 4, value: UInt64(value), device: index)
        } catch { preconditionFailure("the layout names dwords of BAR0: \(error)") }
    }
}
