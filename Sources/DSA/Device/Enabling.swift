internal import DSASpec
internal import PCIe

extension Device {
    /// Enable Device, with the checks of dsa-device 7.4.
    mutating func enableDevice() -> CommandError {
        guard state == .disabled else { return .deviceNotDisabled }
        guard function.isBusMasterEnabled else { return .busMasterDisabled }
        if function.isPageRequestEnabled {
            guard function.isATSEnabled else { return .invalidATS }
            guard function.pageRequestAllocation > 0,
                function.pageRequestAllocation <= profile.pageRequestCapacity
            else {
                return .invalidPageRequestAllocation
            }
        }
        guard function.isPASIDEnabled || !function.isPrivilegedModeEnabled else { return .invalidPASID }
        guard workQueues.reduce(0, { $0 + Int($1.configuration.size) }) <= profile.totalWorkQueueSize else {
            return .totalSizeExceeded
        }
        var queuesInGroups: UInt64 = 0
        var enginesInGroups: UInt64 = 0
        let existing = profile.workQueueCount == 64 ? UInt64.max : 1 << UInt64(profile.workQueueCount) - 1
        let existingEngines = profile.engineCount == 64 ? UInt64.max : 1 << UInt64(profile.engineCount) - 1
        for group in groups {
            guard (group.workQueues == 0) == (group.engines == 0) else { return .incompleteGroup }
            guard queuesInGroups & group.workQueues == 0, group.workQueues & ~existing == 0 else {
                return .workQueueGroupConflict
            }
            guard enginesInGroups & group.engines == 0, group.engines & ~existingEngines == 0 else {
                return .engineInSeveralGroups
            }
            queuesInGroups |= group.workQueues
            enginesInGroups |= group.engines
        }
        for index in workQueues.indices {
            let isInGroup = queuesInGroups >> UInt64(index) & 1 == 1
            guard isInGroup == (workQueues[index].configuration.size > 0) else { return .workQueueGroupConflict }
        }
        guard areReadBuffersLegal() else { return .invalidReadBuffers }
        if usesEventLog {
            guard
                isEventLogLegal(
                    isPASIDEnabled: function.isPASIDEnabled, isPrivilegedModeEnabled: function.isPrivilegedModeEnabled)
            else { return .invalidEventLog }
        }
        for index in groups.indices {
            for engine in engines.indices where groups[index].engines >> UInt64(engine) & 1 == 1 {
                engines[engine].group = index
            }
            arbiters[index] = Arbiter()
        }
        pageRequests.hasResponseFailure = false
        if usesEventLog { startEventLog() }
        state = .enabled
        return .none
    }

    /// Enable WQ, with the checks of dsa-device 6.4.
    mutating func enableWorkQueue(_ index: Int) -> CommandError {
        guard workQueues.indices.contains(index) else { return .invalidWorkQueueIndex }
        guard state == .enabled else { return .deviceNotEnabled }
        guard workQueues[index].state == .disabled else { return .workQueueNotDisabled }
        let configuration = workQueues[index].configuration
        let error = problem(of: configuration)
        guard error == .none else { return error }
        let group = groups.firstIndex { $0.workQueues >> UInt64(index) & 1 == 1 } ?? 0
        workQueues[index].checkContext = CheckContext(
            profile: profile, function: function, device: generalConfiguration, group: groupFlags[group],
            workQueue: configuration)
        workQueues[index].prepareStorage()
        workQueues[index].state = .enabled
        arbiters[group].add(workQueue: index, priority: configuration.priority)
        noteOccupancy(of: index)
        return .none
    }

    /// What Enable WQ finds wrong with a WQ's configuration by itself (dsa-device 6.4).
    private func problem(of configuration: WorkQueueConfiguration) -> CommandError {
        let features = profile.workQueueFeatures
        guard configuration.size > 0 else { return .workQueueSizeZero }
        guard (1...15).contains(configuration.priority) || !features.contains(.priority) else {
            return .workQueuePriorityZero
        }
        guard features.contains(configuration.mode == .shared ? .shared : .dedicated) else { return .unsupportedMode }
        if configuration.blockOnFaultEnable {
            guard profile.general.supportsBlockOnFault, function.isPageRequestEnabled, !configuration.prsDisable
            else { return .blockOnFaultUnsupported }
        }
        switch configuration.mode {
        case .shared:
            guard configuration.pasidEnable, function.isPASIDEnabled else { return .pasidEnableConflict }
        case .dedicated:
            guard !configuration.pasidEnable || function.isPASIDEnabled else { return .pasidEnableConflict }
        }
        guard configuration.maximumBatchShift > 0,
            configuration.maximumBatchShift <= profile.general.maximumBatchShift, configuration.maximumListShift == 0
        else { return .invalidMaximumBatch }
        guard configuration.maximumTransferShift <= profile.general.maximumTransferShift else {
            return .invalidMaximumTransfer
        }
        if configuration.mode == .dedicated, configuration.pasidEnable, configuration.isPrivileged {
            guard function.isPrivilegedModeEnabled else { return .privilegeUnsupported }
        }
        guard isOccupancyInterruptValid(configuration.occupancyInterrupt) else { return .invalidOccupancyInterrupt }
        guard !configuration.atsDisable || features.contains(.atsDisable) else { return .atsDisableUnsupported }
        let operations = configuration.operations ?? profile.operations
        guard operations.bits & ~profile.operations.bits == 0 else { return .invalidOperations }
        guard !configuration.prsDisable || features.contains(.prsDisable) else { return .prsDisableUnsupported }
        return .none
    }

    /// The rules of dsa-device 6.5. A group without engines occupies no read buffer, so that its Allowed, which
    /// power-on sets to all, breaks none.
    private func areReadBuffersLegal() -> Bool {
        guard profile.groupFeatures.contains(.readBufferControl) else { return true }
        let total = profile.readBufferCount
        let reserved = groupFlags.reduce(0) { $0 + Int($1.readBuffersReserved) }
        guard reserved <= total else { return false }
        var enginesUnderGlobalLimit = 0
        for index in groups.indices where groups[index].engines != 0 {
            let flags = groupFlags[index]
            let (own, allowed) = (Int(flags.readBuffersReserved), Int(flags.readBuffersAllowed))
            let engineCount = groups[index].engines.nonzeroBitCount
            guard allowed >= 4 * engineCount, allowed >= own, allowed <= own + total - reserved else { return false }
            if flags.usesGlobalReadBufferLimit { enginesUnderGlobalLimit += engineCount }
        }
        return Int(generalConfiguration.globalReadBufferLimit) >= 4 * enginesUnderGlobalLimit
    }
}

extension CheckContext {
    /// What the checks of a WQ's descriptors depend on.
    init(
        profile: DeviceProfile, function: FunctionSettings, device: GeneralConfiguration, group: GroupFlags,
        workQueue configuration: WorkQueueConfiguration
    ) {
        self.init(
            generalCapabilities: profile.general, operations: configuration.operations ?? profile.operations)
        isShared = configuration.mode == .shared
        isPASIDEnabled = configuration.pasidEnable
        isPrivileged = configuration.isPrivileged
        isPrivilegedModeEnabled = function.isPrivilegedModeEnabled
        isBlockOnFaultEnabled = configuration.blockOnFaultEnable
        isTranslationServiceEnabled = !configuration.atsDisable
        areUserInterruptsEnabled = device.areUserInterruptsEnabled
        isTrafficClassAEnabled = function.trafficClasses >> group.trafficClassA & 1 == 1
        isTrafficClassBEnabled = function.trafficClasses >> group.trafficClassB & 1 == 1
        maximumTransferShift = configuration.maximumTransferShift
        maximumBatchShift = configuration.maximumBatchShift
        openPoints = profile.openPoints
        if profile.version >= 0x200 { openPoints.steeringTags = .reserved }
    }
}
