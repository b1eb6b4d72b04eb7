public import DSA
public import DSASpec
public import IOMMU
public import PCIe
public import Virtualization

/// What happened in the machine that is not the answer to a call. The driver empties ``Machine/effects``.
public enum MachineEffect: Sendable {
    /// The SWERROR register of a device took or lost an error.
    case softwareError(device: Int, SoftwareError)
    /// The command that a device answered with `.active` has ended.
    case commandCompleted(device: Int, CommandError)
    /// No descriptor of the unbind's PASID is left in any device, and its IOMMU entries are gone.
    case unbindDrained(BindingToken)
    /// Every window that was on a thread when the call was made has come back.
    case windowsReturned(token: UInt64)
    /// An interrupt table's entry of a device sent its message.
    case interrupt(device: Int, DeviceInterrupt)
    /// An entry was taken back from the PASID it had been set up for, without ``Machine/releaseInterrupt(_:)``.
    case interruptRevoked(ClaimedInterrupt)
    /// The drain of this token has ended on all devices.
    case drained(token: UInt64)
    /// A device asks the owner of an address space for a page; ``Machine/respond(to:with:)`` answers.
    case pageRequest(PendingPageRequest)
    /// An injected failure of a device is the driver's to carry out.
    case injected(device: Int, InjectedRequest)
    /// What ``Machine/resetFunction(device:by:)`` asked for is done.
    case functionReset(device: Int)
}

/// The whole platform as one value: processors, address spaces, IOASIDs, IOMMU, devices.
///
/// No I/O, no clock, no lock, no thread: the same calls give the same results. The daemon's loop owns one; so does the
/// simulator.
public struct Machine: ~Copyable {
    /// The host's physical memory, which devices, processors and IOMMU share.
    public let memory: PhysicalMemory
    /// The DMA remapping unit in front of every device.
    public var iommu: IOMMU
    /// Who has which IOASID, and who is told of it (virtualization §5).
    public var ioasids: IOASIDSpace
    /// The IOASIDs of host processes.
    public let hostSet: IOASIDSetID

    /// The plugged-in devices, by the index that ``addDevice(profile:requester:)`` returned.
    public internal(set) var devices = DenseStore<Device>()
    /// The ports between root complex and devices.
    public internal(set) var fabric = Fabric()
    /// Configuration space and place of each device, by its index.
    var functions: [FunctionSlot] = []
    /// Bit n: no DMWr reaches device n.
    var unreachableDevices: UInt64 = 0
    var processes = DenseStore<HostProcess>()
    var vms = DenseStore<VirtualMachine>()
    var processors = DenseStore<Processor>()
    var bindings = DenseStore<Binding>()
    var interfaces = DenseStore<Interface>()

    private var nextProcess: UInt32 = 1
    private var nextVM: UInt32 = 1
    var nextDrainToken: UInt64 = 1
    var drains: [PendingMachineDrain] = []
    var quiesces: [PendingQuiesce] = []
    /// Unanswered, the oldest first: at most one for each engine.
    var pendingPageRequests: [PendingPageRequest] = []
    var nextPageRequest: UInt64 = 1

    /// Which invalidations are done: all, but in tests that show that each is needed.
    var invalidationSteps = InvalidationSteps.all
    /// The last faults of all address spaces.
    var recordedFaults = RecentElements<RecordedFault>(capacity: Machine.faultCountOfAll)
    /// How many of the IOMMU's faults ``recordedFaults`` has taken over.
    var seenFaultCount: UInt64 = 0

    /// What happened since the driver last emptied it. Keeps its capacity.
    public var effects: [MachineEffect] = []

    /// A machine without devices.
    ///
    /// - Parameters:
    ///   - hostQuota: The quota of the host's IOASID set, at least 1.
    ///   - ioasidCapacity: How many IOASIDs there are, 1 to 2^20; a small one is quickly checked as a whole.
    ///   - notifierOrder: The order in which devices and IOMMU hear of the end of a PASID (virtualization §5.6).
    /// - Returns: `nil` when `memory` has no frames for the IOMMU's root, or the quota exceeds the IOASID space.
    public init?(
        memory: PhysicalMemory, hostQuota: UInt32, ioasidCapacity: UInt32 = IOASIDSpace.capacityMax,
        notifierOrder: NotifierOrder = .deviceBeforeIOMMU
    ) {
        guard let iommu = IOMMU(memory: memory) else { return nil }
        var ioasids = IOASIDSpace(capacity: ioasidCapacity, order: notifierOrder)
        do { try ioasids.registerGlobally(IOASIDSubscriber(.iommu, instance: 0)) } catch {
            preconditionFailure("an empty chain takes a subscriber: \(error)")
        }
        guard let hostSet = try? ioasids.allocateSet(token: .null, quota: hostQuota) else { return nil }
        self.memory = memory
        self.iommu = iommu
        self.ioasids = ioasids
        self.hostSet = hostSet
    }
}

// MARK: Devices

extension Machine {
    /// Plugs a device in and gives its requester a context entry. Returns its index, or `nil` when the machine has
    /// ``HostAddressLayout/deviceCountMax`` devices or no frame is free.
    ///
    /// - Parameter port: The port that ``Fabric/attachEndpoint(to:)`` gave; `nil` for an endpoint of the root complex.
    public mutating func addDevice(profile: DeviceProfile, requester: RequesterID, port: Int? = nil) -> Int? {
        guard devices.count < HostAddressLayout.deviceCountMax, iommu.enableRequester(requester) else { return nil }
        let index = devices.insert(Device(profile: profile, requester: requester))
        // As the kernel does for a function whose users share their address spaces with it.
        _ = devices[index].setPageRequests(isEnabled: true, allocation: profile.pageRequestCapacity)
        var configuration = ConfigurationSpace(Self.identity(of: profile, device: index), isIntegrated: port == nil)
        configuration.settings = devices[index].function
        // Devices are never unplugged, so that their indices follow each other.
        functions.append(
            FunctionSlot(
                configuration: configuration, port: port,
                interfaceCounts: Array(repeating: 0, count: profile.workQueueCount)))
        updatePath(toDevice: index)
        return index
    }

    /// Carries out a command of device `index`.
    public mutating func execute(_ command: DeviceCommand, device index: Int) -> CommandStart {
        let start = devices[index].execute(command)
        collectEffects(ofDevice: index)
        return start
    }

    /// Carries out what software writes to the CMD register of device `index`.
    public mutating func execute(_ register: CommandRegister, device index: Int) -> CommandStart {
        let start = devices[index].execute(register)
        collectEffects(ofDevice: index)
        return start
    }

    /// Writes a WQ's configuration; see ``Device/configure(workQueue:as:)``.
    public mutating func configure(
        workQueue queue: Int, as configuration: WorkQueueConfiguration, device index: Int
    ) -> Bool {
        devices[index].configure(workQueue: queue, as: configuration)
    }

    /// Writes a group's membership; see ``Device/configure(group:as:)``.
    public mutating func configure(group: Int, as configuration: GroupConfiguration, device index: Int) -> Bool {
        devices[index].configure(group: group, as: configuration)
    }

    /// Writes what a group may use; see ``Device/configure(group:flags:)``.
    public mutating func configure(group: Int, flags: GroupFlags, device index: Int) -> Bool {
        devices[index].configure(group: group, flags: flags)
    }

    /// Holds or releases an engine; see ``Device/setHold(_:engine:)``.
    public mutating func setHold(_ isHeld: Bool, engine: Int, device index: Int) {
        devices[index].setHold(isHeld, engine: engine)
    }

    /// Writes GENCFG of device `index`; see ``Device/configure(_:)``.
    public mutating func configure(_ wanted: GeneralConfiguration, device index: Int) -> Bool {
        devices[index].configure(wanted)
    }

    /// Writes GENCFG User-mode Interrupts Enable of device `index`; see ``Device/enableUserInterrupts(_:)``.
    public mutating func enableUserInterrupts(_ isEnabled: Bool, device index: Int) -> Bool {
        devices[index].enableUserInterrupts(isEnabled)
    }

    /// Clears the SWERROR of device `index`.
    public mutating func clearSoftwareError(device index: Int) {
        devices[index].clearSoftwareError()
    }
}

// MARK: Processes, VMs, processors

extension Machine {
    /// Makes a process without memory and threads.
    ///
    /// - Parameter hasForeignMemory: Whether devices reach its memory through the driver, by
    ///   ``takeForeignWork()``.
    public mutating func makeProcess(
        hasForeignMemory: Bool = false
    ) throws(MachineError) -> (index: Int, id: ProcessID) {
        let id = ProcessID(rawValue: nextProcess)
        guard let process = HostProcess(id: id, hasForeignMemory: hasForeignMemory, memory: memory) else {
            throw .outOfFrames
        }
        nextProcess += 1
        return (processes.insert(process), id)
    }

    /// Makes a VM without memory and vCPUs, with its own IOASID set.
    ///
    /// - Parameters:
    ///   - quota: The most IOASIDs the VM may have, at least 1.
    ///   - settings: What its hypervisor does.
    public mutating func makeVM(
        quota: UInt32, settings: VMSettings = VMSettings()
    ) throws(MachineError) -> (index: Int, id: VMID) {
        let set: IOASIDSetID
        do { set = try ioasids.allocateSet(token: .null, quota: quota) } catch { throw .ioasid(error) }
        let id = VMID(rawValue: nextVM)
        guard let machine = VirtualMachine(id: id, set: set, settings: settings, memory: memory) else {
            releaseSet(set)
            throw .outOfFrames
        }
        nextVM += 1
        let index = vms.insert(machine)
        // Its hypervisor hears of the set's events from the first on, so that it misses none.
        subscribe(IOASIDSubscriber(.cpu, instance: UInt32(index)), to: set)
        return (index, id)
    }

    /// Adds a thread to a process. Its IA32_PASID is invalid (C-13).
    public mutating func addThread(toProcess index: Int) -> Int {
        var processor = Processor(
            core: LogicalProcessor(mode: .native(processes[index].id)), space: .process(index))
        processor.thread = processes[index].nextThread
        processes[index].nextThread += 1
        let processorIndex = processors.insert(processor)
        processes[index].threads.append(processorIndex)
        return processorIndex
    }

    /// Adds a vCPU to a VM, with PASID translation by the VM's table, and enters its guest.
    ///
    /// - Parameter isEntered: `false` leaves it outside, for a driver that makes VM entries in steps.
    public mutating func addVCPU(toVM index: Int, isEntered: Bool = true) -> Int {
        let vcpu = VCPUID(rawValue: vms[index].nextVCPU)
        vms[index].nextVCPU += 1
        var processor = Processor(
            core: LogicalProcessor(mode: .nonRoot(vms[index].id, vcpu)), space: .virtualMachine(index))
        processor.vmcs = VMCS(translatingBy: vms[index].translations)
        if !vms[index].settings.translatesPASIDs { processor.vmcs.secondaryControls.remove(.pasidTranslation) }
        processor.vmcs.primaryControls.insert(.useMSRBitmaps)
        processor.vmcs.msrBitmap = vms[index].msrBitmap.address
        let processorIndex = processors.insert(processor)
        vms[index].vcpus.append(processorIndex)
        if isEntered { enterGuest(processorIndex) }
        return processorIndex
    }

    /// Takes a processor away. Returns whether it was the last of its process or VM.
    public mutating func removeProcessor(_ index: Int) -> Bool {
        let processor = processors.remove(index)
        switch processor.space {
        case .process(let process):
            processes[process].threads.removeAll { $0 == index }
            return processes[process].threads.isEmpty
        case .virtualMachine(let machine):
            vms[machine].vcpus.removeAll { $0 == index }
            return vms[machine].vcpus.isEmpty
        }
    }

    /// The registers and counters of a processor.
    public func processorStatus(_ index: Int) -> ProcessorStatus {
        ProcessorStatus(core: processors[index].core, thread: processors[index].thread)
    }

    /// Sets a processor's CPL. Who may is the driver's to decide.
    public mutating func setPrivilegeLevel(_ level: PrivilegeLevel, on index: Int) {
        processors[index].core.privilegeLevel = level
    }

    /// Sets the root of a vCPU's page tables, or takes them away.
    public mutating func setPageTables(_ tables: (root: GuestPhysicalAddress, levels: PagingLevels)?, on index: Int) {
        processors[index].core.hasPageTables = tables != nil
        processors[index].core.pageTableRoot = tables?.root ?? GuestPhysicalAddress(rawValue: 0)
        processors[index].core.pagingLevels = tables?.levels ?? .four
    }

    /// Ends a process that has no threads and no binding, and gives its page table back.
    ///
    /// - Precondition: Its memory was unmapped.
    public mutating func removeProcess(_ index: Int) {
        precondition(processes[index].threads.isEmpty && processes[index].boundDevices == 0, "the process is in use")
        _ = processes.remove(index)
    }

    /// Ends a VM that has no vCPUs and no binding, and returns its quota.
    ///
    /// - Precondition: Its memory was unmapped and its IOASIDs were freed.
    public mutating func removeVM(_ index: Int) {
        precondition(vms[index].vcpus.isEmpty && vms[index].translations.mappingCount == 0, "the VM is in use")
        let set = vms[index].set
        _ = vms.remove(index)
        releaseSet(set)
    }

    private mutating func releaseSet(_ set: IOASIDSetID) {
        do {
            try ioasids.freeSet(set)
        } catch {
            preconditionFailure("a set whose IOASIDs were all freed can be freed: \(error)")
        }
    }
}
