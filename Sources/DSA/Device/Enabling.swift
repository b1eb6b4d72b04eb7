public import DSASpec
internal import PCIe

extension Device {
    /// Writes a WQ's configuration. Fields that the present state does not let software write keep their value
    /// (dsa-device 6.4): the size needs a Disabled device, threshold and occupancy interrupt may always be written,
    /// the others need a Disabled WQ.
    ///
    /// - Returns: Whether every field was taken.
    public mutating func configure(workQueue index: Int, as wanted: WorkQueueConfiguration) -> Bool {
        var configuration = workQueues[index].configuration
        if workQueues[index].state == .disabled {
            let size = configuration.size
            configuration = wanted
            configuration.size = size
        }
        configuration.threshold = wanted.threshold
        configuration.occupancyInterrupt = wanted.occupancyInterrupt
        if state == .disabled { configuration.size = wanted.size }
        workQueues[index].configuration = configuration
        noteOccupancy(of: index)
        return configuration == wanted
    }

    /// Writes a group's membership. Needs a Disabled device.
    ///
    /// - Returns: Whether it was taken.
    public mutating func configure(group index: Int, as wanted: GroupConfiguration) -> Bool {
        guard state == .disabled else { return false }
        groups[index] = wanted
        return true
    }

    /// Enable Device, with the checks of dsa-device 7.4.
    mutating func enableDevice() -> CommandError {
        guard state == .disabled else { return .deviceNotDisabled }
        if pageRequests.isEnabled {
            guard (1...profile.pageRequestCapacity).contains(pageRequests.allocation) else {
                return .invalidPageRequestAllocation
            }
        }
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
        if usesEventLog {
            guard
                isEventLogLegal(
                    isPASIDEnabled: profile.isPASIDEnabled, isPrivilegedModeEnabled: profile.isPrivilegedModeEnabled)
            else { return .invalidEventLog }
        }
        for index in groups.indices {
            for engine in engines.indices where groups[index].engines >> UInt64(engine) & 1 == 1 {
                engines[engine].group = index
            }
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
        guard configuration.size > 0 else { return .workQueueSizeZero }
        guard (1...15).contains(configuration.priority) else { return .workQueuePriorityZero }
        if configuration.blockOnFaultEnable {
            guard profile.general.supportsBlockOnFault, pageRequests.isEnabled else { return .blockOnFaultUnsupported }
        }
        switch configuration.mode {
        case .shared:
            guard configuration.pasidEnable, profile.isPASIDEnabled else { return .pasidEnableConflict }
        case .dedicated:
            guard !configuration.pasidEnable || profile.isPASIDEnabled else { return .pasidEnableConflict }
        }
        guard configuration.maximumBatchShift > 0,
            configuration.maximumBatchShift <= profile.general.maximumBatchShift
        else { return .invalidMaximumBatch }
        guard configuration.maximumTransferShift <= profile.general.maximumTransferShift else {
            return .invalidMaximumTransfer
        }
        if configuration.mode == .dedicated, configuration.pasidEnable, configuration.isPrivileged {
            guard profile.isPrivilegedModeEnabled else { return .privilegeUnsupported }
        }
        guard isOccupancyInterruptValid(configuration.occupancyInterrupt) else { return .invalidOccupancyInterrupt }
        workQueues[index].checkContext = CheckContext(profile: profile, configuration: configuration)
        workQueues[index].checkContext.areUserInterruptsEnabled = areUserInterruptsEnabled
        workQueues[index].prepareStorage()
        workQueues[index].state = .enabled
        for group in groups.indices where groups[group].workQueues >> UInt64(index) & 1 == 1 {
            loadArbiter(of: group)
        }
        noteOccupancy(of: index)
        return .none
    }

    /// Loads the credit counters of a group from the priorities of its enabled WQs.
    private mutating func loadArbiter(of group: Int) {
        arbiters[group].load(
            workQueues.indices.compactMap { index in
                let isMember = groups[group].workQueues >> UInt64(index) & 1 == 1
                guard isMember, workQueues[index].state != .disabled else { return nil }
                return (workQueue: index, priority: workQueues[index].configuration.priority)
            })
    }
}

extension CheckContext {
    /// What the checks of a WQ's descriptors depend on.
    init(profile: DeviceProfile, configuration: WorkQueueConfiguration) {
        self.init(generalCapabilities: profile.general, operations: profile.operations)
        isShared = configuration.mode == .shared
        isPASIDEnabled = configuration.pasidEnable
        isPrivileged = configuration.isPrivileged
        isPrivilegedModeEnabled = profile.isPrivilegedModeEnabled
        isBlockOnFaultEnabled = configuration.blockOnFaultEnable
        maximumTransferShift = configuration.maximumTransferShift
        maximumBatchShift = configuration.maximumBatchShift
        openPoints = profile.openPoints
        if profile.version >= 0x200 { openPoints.steeringTags = .reserved }
    }
}
