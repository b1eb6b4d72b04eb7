internal import CKernels
public import DSASpec
internal import IOMMU
public import PCIe

/// One DSA function: portals, WQs, groups and engines (DSA 3.0 §3).
///
/// The device has no thread and no clock. ``enqueue(_:to:)`` and ``post(_:to:)`` take a descriptor;
/// ``step(iommu:memory:budget:runsInline:)`` lets the engines work; windows too long for the caller's thread wait in
/// ``readyWindows`` for the driver.
@safe
public struct Device: ~Copyable {
    /// What the device was built with.
    public let profile: DeviceProfile
    /// The function's identity on the bus, under which all of its memory requests go out.
    public let requester: RequesterID
    /// GENSTS bits 1:0 (DSA 3.0 §9.2.9).
    public internal(set) var state = DeviceState.disabled
    /// WQ n at index n, ``DeviceProfile/workQueueCount`` of them.
    public internal(set) var workQueues: FixedStore<WorkQueue>
    /// GRPCFG of group n at index n, ``DeviceProfile/groupCount`` of them.
    public internal(set) var groups: [GroupConfiguration]
    /// The sixth qword of GRPCFG of group n at index n.
    public internal(set) var groupFlags: [GroupFlags]
    /// What the host has set in the function's configuration space.
    public internal(set) var function: FunctionSettings
    /// GENCFG (DSA 3.0 §9.2.7).
    public internal(set) var generalConfiguration: GeneralConfiguration
    /// GENCTRL (DSA 3.0 §9.2.8).
    public internal(set) var generalControl: GeneralControl = []
    /// GENSTS bits 3:2. Meaningful in Halt.
    public internal(set) var haltReset = HaltReset.resetDevice
    /// INTCAUSE (DSA 3.0 §9.2.10).
    public internal(set) var interruptCause: InterruptCause = []
    /// CMDSTATUS (DSA 3.0 §9.2.12).
    public internal(set) var commandStatus = CommandStatus(error: .none)
    /// SWERROR (DSA 3.0 §9.2.15). Holds the first error until ``clearSoftwareError()``.
    public internal(set) var softwareError = SoftwareError()
    /// The Page Request capability of the function.
    public internal(set) var pageRequests = PageRequestInterface()
    var eventLog = EventLog()
    /// The translations that the function has been given (ATS).
    var deviceTLB = DeviceTLB()
    /// The failures that the device is made to show.
    public var injector = FaultInjector()

    var interrupts: InterruptTables
    /// The engines, and behind them the lanes of ``lanes``.
    var engines: FixedStore<Engine>
    var lanes: Lanes
    var arbiters: FixedStore<Arbiter>
    /// Bit n: WQ n has a descriptor.
    var workMask: UInt64 = 0
    /// Bit n: engine n is not idle.
    var busyEngines: UInt64 = 0
    /// The engine whose turn it is.
    var nextEngine = 0
    var nextSequence: UInt64 = 1
    let windows: UnsafeMutablePointer<TransferWindow>

    /// What happened since the caller last emptied it. Keeps its capacity.
    public var effects: [DeviceEffect] = []
    /// Engines whose window waits for a thread; the driver takes them with ``takeReadyWindow()``.
    var readyWindows: [Int] = []
    /// How many completion records were written, for those who poll them.
    public internal(set) var recordCount: UInt64 = 0

    var pendingDrains: [PendingDrain] = []
    var activeCommand: ActiveCommand?
    /// A reset from outside that waits for the windows that run.
    var pendingFunctionReset: PendingFunctionReset?
    /// CMD bit 31 of the command that CMDSTATUS is about.
    var commandRequestsInterrupt = false

    /// A device in its power-on state.
    ///
    /// - Precondition: `profile` stays within the limits its fields name.
    public init(profile: DeviceProfile, requester: RequesterID) {
        precondition((1...64).contains(profile.workQueueCount) && (1...64).contains(profile.engineCount))
        precondition((1...2048).contains(profile.msixVectorCount))
        precondition((1...64).contains(profile.groupCount))
        precondition((0...255).contains(profile.readBufferCount))
        self.profile = profile
        self.requester = requester
        workQueues = FixedStore(repeating: WorkQueue(), count: profile.workQueueCount)
        groups = Array(repeating: GroupConfiguration(), count: profile.groupCount)
        interrupts = InterruptTables(profile: profile)
        groupFlags = Array(repeating: profile.powerOnGroupFlags, count: profile.groupCount)
        function = profile.functionSettings
        generalConfiguration = profile.powerOnConfiguration
        engines = FixedStore(repeating: Engine(), count: profile.engineCount + Lanes.count)
        lanes = Lanes(behind: profile.engineCount)
        arbiters = FixedStore(repeating: Arbiter(), count: profile.groupCount)
        unsafe windows = .allocate(capacity: profile.engineCount)
        for index in 0..<profile.engineCount {
            unsafe (windows + index).initialize(to: TransferWindow())
        }
    }

    deinit {
        unsafe windows.deinitialize(count: profile.engineCount)
        unsafe windows.deallocate()
        workQueues.deallocate()
        engines.deallocate()
        arbiters.deallocate()
    }
}

// MARK: Submission

extension Device {
    /// A DMWr of 64 bytes to a portal (DSA 3.0 §5.3). The descriptor is not looked at.
    public mutating func enqueue(_ descriptor: Descriptor, to portal: Portal) -> DMWrCompletion {
        guard portal.workQueue < workQueues.count else { return .requestRetryStatus }
        let index = portal.workQueue
        guard state == .enabled, workQueues[index].state == .enabled,
            workQueues[index].configuration.mode == .shared,
            portal.interruptTable == .msix || profile.general.interruptMessageStorageEntryCount > 0,
            workQueues[index].occupancy < workQueues[index].capacity(through: portal.limit)
        else {
            workQueues[index].counts.retried &+= 1
            return .requestRetryStatus
        }
        if injector.guardsPortals, injectsRetry(descriptor, to: portal) {
            workQueues[index].counts.retried &+= 1
            return .requestRetryStatus
        }
        accept(descriptor, from: portal)
        return .successfulCompletion
    }

    /// A posted, aligned 64-byte write to a portal (MOVDIR64B). Lost in silence unless the WQ is an enabled DWQ; a full
    /// one records SWERROR 0x53.
    public mutating func post(_ descriptor: Descriptor, to portal: Portal) {
        guard portal.workQueue < workQueues.count else { return }
        let index = portal.workQueue
        guard state == .enabled, workQueues[index].state == .enabled,
            workQueues[index].configuration.mode == .dedicated,
            portal.interruptTable == .msix || profile.general.interruptMessageStorageEntryCount > 0
        else {
            workQueues[index].counts.dropped &+= 1
            return
        }
        guard workQueues[index].occupancy < workQueues[index].capacity(through: portal.limit) else {
            workQueues[index].counts.dropped &+= 1
            var error = SoftwareError(code: .postedToFullQueue)
            error.workQueue = index
            record(error)
            return
        }
        accept(descriptor, from: portal)
    }

    private mutating func accept(_ descriptor: Descriptor, from portal: Portal) {
        workQueues[portal.workQueue].append(
            WorkItem(descriptor: descriptor, sequence: nextSequence, portal: portal))
        nextSequence += 1
        workMask |= 1 << UInt64(portal.workQueue)
    }

    /// Latches `error`, or marks the overflow when one is held. What does not change the register is not reported: a
    /// client that makes errors without end makes two effects.
    mutating func record(_ error: SoftwareError) {
        if !softwareError.isValid {
            let overflow = softwareError.overflow
            softwareError = error
            softwareError.overflow = overflow
            raise(.softwareError)
        } else if !softwareError.overflow {
            softwareError.overflow = true
        } else {
            return
        }
        effects.append(.softwareError(softwareError))
    }

    /// Clears Valid and Overflow, as software does by writing 1 to both.
    public mutating func clearSoftwareError() {
        clearSoftwareError(valid: true, overflow: true)
    }

    /// Software wrote 1 to Valid or Overflow. Without Valid the rest means nothing and reads as 0.
    mutating func clearSoftwareError(valid: Bool, overflow: Bool) {
        let lost = softwareError.overflow && !overflow
        if valid { softwareError = SoftwareError() }
        softwareError.overflow = lost
    }
}

// MARK: Engines from outside

extension Device {
    /// What an engine shows.
    public struct EngineStatus: Sendable {
        /// Whether ``Device/setHold(_:engine:)`` keeps the engine from taking descriptors.
        public let isHeld: Bool
        /// Whether the engine has a descriptor.
        public let isBusy: Bool
        /// Descriptors the engine has taken from WQs; members of batches do not count.
        public let dispatched: UInt64
        /// The group the engine serves, `nil` when it is in none.
        public let group: Int?
    }

    /// The state of engine `index`.
    public func engineStatus(_ index: Int) -> EngineStatus {
        let engine = engines[index]
        return EngineStatus(
            isHeld: engine.isHeld, isBusy: engine.activity != .idle, dispatched: engine.dispatched,
            group: engine.group < 0 ? nil : engine.group)
    }

    /// Holds or releases engine `index`: a held engine takes no descriptor from a WQ, so that tests can stop the device
    /// at an exact point. What it has taken it completes.
    public mutating func setHold(_ isHeld: Bool, engine index: Int) {
        engines[index].isHeld = isHeld
    }

    /// Whether any descriptor is stored in a WQ or held by an engine.
    public var hasWork: Bool { workMask != 0 || busyEngines != 0 || !lanes.busy.isEmpty }
}

extension Device {
    /// The engines whose window is out on a thread, or waits for one.
    public var enginesWithWindowOut: [Int] {
        engines.indices.filter { engines[$0].activity == .windowOut }
    }
}
