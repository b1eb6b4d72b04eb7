internal import DSA
internal import DSASpec
public import Machine
internal import PCIe

extension Driver {
    /// An object of the bus that a driver can be bound to, or not.
    enum BusObject {
        case device(Int)
        case workQueue(WorkQueueID)
        /// Groups and engines, which no driver takes.
        case other
    }

    /// Binds an object to a driver as at the start of a host: ``store(_:to:machine:)`` of its name.
    public mutating func bind(_ name: String, to driver: BusDriver, machine: inout Machine) -> Progress {
        bind(Array(name.utf8)[...], to: driver, result: name.utf8.count, machine: &machine)
    }

    /// Binds an object to a driver, as a write of its name to the driver's `bind` does (dsa-device 8.5).
    ///
    /// - Parameter result: What the write returns if the bind succeeds.
    mutating func bind(_ name: ArraySlice<UInt8>, to driver: BusDriver, result: Int, machine: inout Machine) -> Progress
    {
        guard let object = object(named: name) else { return .failed(.enodev) }
        switch (object, driver) {
        case (.device(let device), .idxd):
            guard !devices[device].isBound else { return .failed(.ebusy) }
            return bindDevice(device, result: result, machine: &machine)
        case (.workQueue(let queue), .user), (.workQueue(let queue), .dmaengine), (.workQueue(let queue), .crypto):
            guard workQueue(queue).driver == nil else { return .failed(.ebusy) }
            return bindWorkQueue(queue, to: driver, result: result, machine: &machine)
        case (.device(let device), .dsa):
            guard !devices[device].isBound else { return .failed(.enodev) }
            return bindDevice(device, result: result, machine: &machine)
        case (.workQueue(let queue), .dsa):
            guard workQueue(queue).driver == nil else { return .failed(.enodev) }
            switch workQueue(queue).type {
            case .none: return .failed(.enodev)
            case .kernel: return bindWorkQueue(queue, to: .dmaengine, result: result, machine: &machine)
            case .user: return bindWorkQueue(queue, to: .user, result: result, machine: &machine)
            }
        case (.device, _), (.workQueue, .idxd), (.other, _):
            return .failed(.enodev)
        }
    }

    /// Unbinds an object from a driver, as a write of its name to the driver's `unbind` does.
    mutating func unbind(
        _ name: ArraySlice<UInt8>, from driver: BusDriver, result: Int, machine: inout Machine
    ) -> Progress {
        switch object(named: name) {
        case .device(let device)? where devices[device].isBound && (driver == .idxd || driver == .dsa):
            return unbindDevice(device, result: result, machine: &machine)
        case .workQueue(let queue)?:
            guard let bound = workQueue(queue).driver, driver == bound || driver == .dsa else {
                return .failed(.enodev)
            }
            return unbindWorkQueue(queue, result: result, machine: &machine)
        default:
            return .failed(.enodev)
        }
    }

    /// The object that a name stands for, with a newline behind it or not.
    func object(named name: ArraySlice<UInt8>) -> BusObject? {
        for device in devices {
            if KernelText.matches(name, device.name) { return .device(device.index) }
            for queue in device.workQueues.indices where KernelText.matches(name, device.workQueueName(queue)) {
                return .workQueue(WorkQueueID(device: device.index, queue: queue))
            }
            let hasOther =
                device.groups.indices.contains { KernelText.matches(name, device.groupName($0)) }
                || device.engineGroups.indices.contains { KernelText.matches(name, device.engineName($0)) }
            if hasOther { return .other }
        }
        return nil
    }

    /// What the driver keeps of a WQ.
    public func workQueue(_ id: WorkQueueID) -> DriverWorkQueue { devices[id.device].workQueues[id.queue] }

    mutating func withWorkQueue(_ id: WorkQueueID, _ body: (inout DriverWorkQueue) -> Void) {
        withDevice(id.device) { body(&$0.workQueues[id.queue]) }
    }

    // MARK: Devices

    mutating func bindDevice(_ device: Int, result: Int, machine: inout Machine) -> Progress {
        guard machine.devices[device].state == .disabled else {
            return fail(.enxio, .deviceEnabled, device: device)
        }
        if devices[device].isConfigurable, let progress = configure(device, machine: &machine) { return progress }
        return run(
            Job([.command(.enableDevice, failure: .enxio), .change(.deviceBound)], result: result), device: device,
            machine: &machine)
    }

    /// Writes the configuration, or fails with ENXIO.
    private mutating func configure(_ device: Int, machine: inout Machine) -> Progress? {
        do throws(DriverDevice.ConfigurationProblem) {
            try withDevice(device) { (kept) throws(DriverDevice.ConfigurationProblem) in
                try kept.writeConfiguration(machine: &machine)
            }
            return nil
        } catch {
            switch error {
            case .sharedModeUnsupported: return fail(.enxio, .sharedModeUnsupported, device: device)
            case .noWorkQueueInGroup: return fail(.enxio, .nothingConfigured, device: device)
            case .noEngineInGroup: return .failed(.enxio)
            }
        }
    }

    private mutating func unbindDevice(_ device: Int, result: Int, machine: inout Machine) -> Progress {
        var steps: [Job.Step] = []
        for queue in devices[device].workQueues.indices where devices[device].workQueues[queue].driver != nil {
            steps += stepsOfUnbind(WorkQueueID(device: device, queue: queue))
        }
        steps.append(.command(.disableDevice, failure: nil))
        if devices[device].isConfigurable {
            steps += [.command(.resetDevice, failure: nil), .change(.deviceUnbound)]
        }
        withDevice(device) { $0.isBound = false }
        return run(Job(steps, result: result), device: device, machine: &machine)
    }

    private mutating func fail(_ error: Errno, _ status: CommandStatusCode, device: Int) -> Progress {
        withDevice(device) { $0.commandStatus = status }
        return .failed(error)
    }

    // MARK: WQs

    mutating func bindWorkQueue(
        _ id: WorkQueueID, to driver: BusDriver, result: Int, machine: inout Machine
    ) -> Progress {
        let device = id.device
        guard devices[device].isEnabled(machine) else { return .failed(.enxio) }
        // Its driver is for IAX devices.
        guard driver != .crypto else { return .failed(.enodev) }
        if driver == .user, !devices[device].isPASIDEnabled(machine) {
            return fail(.eopnotsupp, .userWithoutSVA, device: device)
        }
        guard workQueue(id).driverName.starts(with: driver.rawValue.utf8) else {
            return fail(.enodev, .driverNameMismatch, device: device)
        }
        withWorkQueue(id) { $0.type = driver == .user ? .user : .kernel }
        if let progress = checkBind(id, machine: machine) ?? configuration(device, machine: &machine) {
            withWorkQueue(id) { $0.type = .none }
            return progress
        }
        return run(
            Job(
                [.command(.enableWorkQueue(id.queue), failure: .enxio), .change(.workQueueBound(id.queue, driver))],
                undo: [.change(.typeCleared(id.queue))], result: result), device: device, machine: &machine)
    }

    private mutating func configuration(_ device: Int, machine: inout Machine) -> Progress? {
        devices[device].isConfigurable ? configure(device, machine: &machine) : nil
    }

    /// The checks between driver and Enable WQ, in their order.
    private mutating func checkBind(_ id: WorkQueueID, machine: borrowing Machine) -> Progress? {
        let queue = workQueue(id)
        let device = id.device
        guard devices[device].isDisabled(id.queue, machine) else {
            return fail(.ebusy, .workQueueEnabled, device: device)
        }
        guard queue.group != nil else { return fail(.enxio, .workQueueWithoutGroup, device: device) }
        guard !queue.name.isEmpty else { return fail(.enxio, .workQueueWithoutName, device: device) }
        if !queue.isDedicated {
            guard devices[device].supportsShared(machine) else {
                return fail(.enxio, .workQueueWithoutSVM, device: device)
            }
            guard queue.threshold > 0 else { return fail(.enxio, .workQueueWithoutThreshold, device: device) }
        }
        if queue.isDedicated, queue.type == .kernel, devices[device].isPASIDEnabled(machine),
            !machine.devices[device].function.isPrivilegedModeEnabled
        {
            return fail(.eopnotsupp, .privilegedModeNeeded, device: device)
        }
        return nil
    }

    /// The WQ is enabled: its node appears if it is for users.
    mutating func completeBind(_ id: WorkQueueID, to driver: BusDriver) {
        let minor = driver == .user ? freeMinor() : nil
        withWorkQueue(id) {
            $0.driver = driver
            $0.minor = minor
            $0.clientCount = 0
            $0.generation &+= 1
        }
        withDevice(id.device) { $0.commandStatus = .success }
    }

    private func freeMinor() -> Int {
        let taken = Set(devices.flatMap { $0.workQueues.compactMap(\.minor) })
        return (0...).first { !taken.contains($0) } ?? 0
    }

    private mutating func unbindWorkQueue(_ id: WorkQueueID, result: Int, machine: inout Machine) -> Progress {
        run(Job(stepsOfUnbind(id), result: result), device: id.device, machine: &machine)
    }

    /// Takes the node away at once; what is left is to drain and reset the WQ.
    private mutating func stepsOfUnbind(_ id: WorkQueueID) -> [Job.Step] {
        withWorkQueue(id) {
            $0.driver = nil
            $0.minor = nil
            $0.clientCount = 0
            $0.openingCount = 0
            $0.generation &+= 1
        }
        let mask: UInt64 = 1 << UInt64(id.queue)
        return [
            .command(.drainWorkQueues(mask), failure: nil), .command(.resetWorkQueues(mask), failure: nil),
            .change(.workQueueUnbound(id.queue)),
        ]
    }
}
