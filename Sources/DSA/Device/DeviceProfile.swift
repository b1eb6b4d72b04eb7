public import DSASpec
public import PCIe

/// What a device is built with: its capabilities and its place on the bus. Fixed for the life of the device.
public struct DeviceProfile: Sendable {
    /// Bits 15:8 major, 7:0 minor.
    public var version: UInt16
    /// GENCAP (DSA 3.0 §9.2.2).
    public var general: GeneralCapabilities
    /// OPCAP (DSA 3.0 §9.2.6).
    public var operations: OpcodeSet
    /// At most 64.
    public var workQueueCount: Int
    /// Entries over all WQs.
    public var totalWorkQueueSize: Int
    /// GRPCAP bits 7:0: how many groups there are.
    public var groupCount: Int
    /// At most 64.
    public var engineCount: Int
    /// GRPCAP bits 15:8: read buffers over all groups.
    public var readBufferCount: Int
    /// Entries of the MSI-X table, 1 to 2048. Vector 0 carries the device's own causes too.
    public var msixVectorCount: Int
    /// Interrupt handles of each table, at most its entries, where descriptors name an entry by a handle that the
    /// command Request Interrupt Handle gives. 0: the commands do not exist, and the entry's index is the handle.
    /// Counts only with a CMDCAP register (GENCAP bit 4).
    public var interruptHandleCount: Int
    /// The host enables the PASID capability of the function.
    public var isPASIDEnabled: Bool
    /// The host sets its Privileged Mode Enable.
    public var isPrivilegedModeEnabled: Bool
    /// What the device decides where the specification does not.
    public var openPoints = OpenPoints()
    /// Outstanding Page Request Capacity of the function; 0 for one that cannot ask for pages.
    public var pageRequestCapacity = 512
    /// How often in a row success may be the answer to a page request without the access getting through; then the
    /// fault is reported. A descriptor touches at most eight pages at a time.
    public var pageRequestRetryLimit = 16
    /// WQCAP bits 63:48.
    public var workQueueFeatures = WorkQueueFeatures.dsa1
    /// GRPCAP bits 19:16.
    public var groupFeatures = GroupFeatures.dsa1
    /// ENGCAP bits 15:8: work descriptors that an engine can have in progress. Counts with GRPCAP bit 18.
    public var workDescriptorCount = 128
    /// ENGCAP bits 23:16: batch descriptors that an engine can have in progress. Counts with GRPCAP bit 18.
    public var batchDescriptorCount = 16

    /// TotalVFs: into how many virtual functions the function can be divided; 0 for one without SR-IOV.
    public var virtualFunctionCountMax = 0

    /// A DSA 1.0 part (dsa-device 7.8), with all operations that DSA 1.0 defines.
    public static let dsa1 = DeviceProfile(
        version: 0x100, general: .dsa1, operations: .architectural1, workQueueCount: 8, totalWorkQueueSize: 128,
        groupCount: 4, engineCount: 4, readBufferCount: 96, msixVectorCount: 9, interruptHandleCount: 0,
        isPASIDEnabled: true, isPrivilegedModeEnabled: true)

    /// CMDCAP lists Request and Release Interrupt Handle (dsa-device 6.7).
    public var usesInterruptHandles: Bool { general.hasCommandCapabilities && interruptHandleCount > 0 }
}

extension DeviceProfile {
    /// One of `count` functions that this one is divided into: each has its part of the WQs, entries, engines, groups,
    /// read buffers and interrupts, and none of the others'. What does not come out even is nobody's.
    ///
    /// - Parameter count: 1 to ``virtualFunctionCountMax``.
    public func dividedAmongVirtualFunctions(_ count: Int) -> DeviceProfile {
        var share = self
        share.virtualFunctionCountMax = 0
        share.workQueueCount = max(1, workQueueCount / count)
        share.totalWorkQueueSize = totalWorkQueueSize / count
        share.engineCount = max(1, engineCount / count)
        share.groupCount = max(1, groupCount / count)
        share.readBufferCount = readBufferCount / count
        share.msixVectorCount = max(1, msixVectorCount / count)
        return share
    }

    /// WQCAP.
    public var workQueueCapabilities: WorkQueueCapabilities {
        let isWide =
            workQueueFeatures.contains(.operationConfiguration)
            || openPoints.workQueueConfigurationStride == .bytes64
        return WorkQueueCapabilities(
            totalSize: totalWorkQueueSize, count: workQueueCount, entryByteCount: isWide ? 64 : 32,
            features: workQueueFeatures)
    }

    /// GRPCAP.
    public var groupCapabilities: GroupCapabilities {
        GroupCapabilities(count: groupCount, readBufferCount: readBufferCount, features: groupFeatures)
    }

    /// ENGCAP.
    public var engineCapabilities: EngineCapabilities {
        let isLimited = groupFeatures.contains(.progressLimits)
        return EngineCapabilities(
            count: engineCount, workDescriptorCount: isLimited ? workDescriptorCount : 0,
            batchDescriptorCount: isLimited ? batchDescriptorCount : 0)
    }

    /// CMDCAP, or what it would say on a device without it.
    public var commandCapabilities: CommandCapabilities { usesInterruptHandles ? .withInterruptHandles : .basic }

    /// Where the registers and tables lie in BAR0.
    public var registerLayout: RegisterLayout {
        RegisterLayout(
            groupCount: groupCount, workQueueCount: workQueueCount,
            workQueueEntryByteCount: workQueueCapabilities.entryByteCount, messageCount: msixVectorCount,
            messageStorageCount: general.interruptMessageStorageEntryCount)
    }

    /// What the host has set in the function's configuration space when its driver takes the device over: all but page
    /// requests, which that driver enables.
    public var functionSettings: FunctionSettings {
        var settings = FunctionSettings()
        settings.isBusMasterEnabled = true
        settings.isATSEnabled = true
        settings.isPASIDEnabled = isPASIDEnabled
        settings.isPrivilegedModeEnabled = isPASIDEnabled && isPrivilegedModeEnabled
        return settings
    }
}

/// GENSTS state.
public enum DeviceState: UInt8, Sendable {
    case disabled = 0
    case enabled = 1
    /// Disable was asked for; descriptors are still in the device.
    case disabling = 2
    /// Stopped by an error, or by a change of the function's configuration (dsa-device 7.6).
    case halted = 3
}

/// Something the device did that is not the answer to a call. Collected in ``Device/effects``.
public enum DeviceEffect: Sendable {
    /// SWERROR became valid, or lost its first error.
    case softwareError(SoftwareError)
    /// The command started with ``Device/execute(_:)`` and answered `.active` has ended.
    case commandCompleted(CommandError)
    /// What ``Device/drain(_:token:)`` waited for is gone.
    case drained(token: UInt64)
    /// An entry of an interrupt table sent its message.
    case interrupt(DeviceInterrupt)
    /// The function asks for a page; ``Device/respond(to:with:)`` answers.
    case pageRequest(PageRequest)
    /// Nobody waits for the answer to the request of this group any more.
    case pageRequestWithdrawn(PageRequestGroup)
    /// All interrupt handles, and with Reset Device all permissions, are gone.
    case interruptHandlesVoided
    /// An injected failure is the driver's to carry out.
    case injected(InjectedRequest)
    /// What ``Device/resetFunction(by:restoring:)`` asked for is done.
    case functionReset
}
