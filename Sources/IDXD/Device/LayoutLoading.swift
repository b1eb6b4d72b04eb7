internal import DSA
public import DSASpec
public import Machine

/// How a WQ is configured at the start.
public struct WorkQueueLayout: Sendable {
    /// What WQCFG says of it.
    public var configuration: WorkQueueConfiguration
    /// Its group.
    public var group: Int?
    /// Whom it is for.
    public var type: WorkQueueType
    /// Its name.
    public var name: String
    /// The driver that may bind it.
    public var driverName: String
    /// How often the kernel executes ENQCMDS again; `nil` as often as it does by itself.
    public var retries: Int?

    /// A WQ of this configuration.
    public init(
        configuration: WorkQueueConfiguration, group: Int?, type: WorkQueueType, name: String, driverName: String,
        retries: Int? = nil
    ) {
        self.configuration = configuration
        self.group = group
        self.type = type
        self.name = name
        self.driverName = driverName
        self.retries = retries
    }
}

/// What a device is configured with at the start, before anything is bound, as if each value had been stored into its
/// attribute by somebody who keeps the rules.
extension Driver {
    /// Configures a WQ.
    public mutating func load(_ layout: WorkQueueLayout, into id: WorkQueueID) {
        withWorkQueue(id) { queue in
            let configuration = layout.configuration
            queue.group = layout.group
            queue.isDedicated = configuration.mode == .dedicated
            queue.size = Int(configuration.size)
            queue.threshold = Int(configuration.threshold)
            queue.priority = configuration.priority
            queue.blockOnFault = configuration.blockOnFaultEnable
            queue.maximumTransferShift = configuration.maximumTransferShift
            queue.maximumBatchShift = configuration.maximumBatchShift
            queue.atsDisable = configuration.atsDisable
            queue.prsDisable = configuration.prsDisable
            if let operations = configuration.operations { queue.operations = operations }
            queue.type = layout.type
            queue.name = Array(layout.name.utf8)
            queue.driverName = Array(layout.driverName.utf8)
            if let retries = layout.retries { queue.retries = min(retries, DriverWorkQueue.retriesMax) }
        }
    }

    /// Configures a group: its engines, and what it may use.
    public mutating func load(_ flags: GroupFlags, engines: UInt64, intoGroup group: Int, device: Int) {
        withDevice(device) { kept in
            for engine in kept.engineGroups.indices where engines >> UInt64(engine) & 1 == 1 {
                kept.engineGroups[engine] = group
            }
            kept.groups[group].readBuffersReserved = Int(flags.readBuffersReserved)
            kept.groups[group].readBuffersAllowed = Int(flags.readBuffersAllowed)
            kept.groups[group].usesReadBufferLimit = flags.usesGlobalReadBufferLimit
            kept.groups[group].trafficClassA = flags.trafficClassA
            kept.groups[group].trafficClassB = flags.trafficClassB
            kept.groups[group].workDescriptorLimitShift = flags.workDescriptorLimitShift
            kept.groups[group].batchDescriptorLimitShift = flags.batchDescriptorLimitShift
        }
    }

    /// Sets `read_buffer_limit`, 0 to leave the device's own.
    public mutating func load(readBufferLimit limit: Int, device: Int) {
        withDevice(device) { $0.readBufferLimit = limit }
    }

    /// Writes what was loaded into the registers of a device that is Disabled, so that it shows there before, or
    /// without, a bind.
    public mutating func writeConfiguration(device: Int, machine: inout Machine) {
        withDevice(device) { $0.writeTables(machine: &machine) }
        lookAtConfiguration(device: device, machine: machine)
    }

    /// Remembers what the registers say, so that what somebody else writes can be told from it.
    mutating func lookAtConfiguration(device: Int, machine: borrowing Machine) {
        let seen = DriverDevice.SeenConfiguration(
            workQueues: machine.devices[device].workQueues.map(\.configuration),
            groups: machine.devices[device].groups)
        withDevice(device) { $0.seen = seen }
    }

    /// Takes over what somebody wrote into the registers behind the driver's back. What was stored into attributes and
    /// has not reached the registers stays.
    public mutating func adoptConfiguration(device: Int, machine: borrowing Machine) {
        let seen = devices[device].seen
        withDevice(device) { kept in
            for queue in kept.workQueues.indices {
                let configuration = machine.devices[device].workQueues[queue].configuration
                guard configuration != seen.workQueues[queue] else { continue }
                kept.workQueues[queue].isDedicated = configuration.mode == .dedicated
                kept.workQueues[queue].size = Int(configuration.size)
                kept.workQueues[queue].threshold = Int(configuration.threshold)
                kept.workQueues[queue].priority = configuration.priority
                kept.workQueues[queue].blockOnFault = configuration.blockOnFaultEnable
                kept.workQueues[queue].maximumTransferShift = configuration.maximumTransferShift
                kept.workQueues[queue].maximumBatchShift = configuration.maximumBatchShift
                kept.workQueues[queue].atsDisable = configuration.atsDisable
                kept.workQueues[queue].prsDisable = configuration.prsDisable
            }
            guard machine.devices[device].groups != seen.groups else { return }
            for queue in kept.workQueues.indices {
                kept.workQueues[queue].group =
                    machine.devices[device].groups.firstIndex { $0.workQueues >> UInt64(queue) & 1 == 1 }
            }
            for engine in kept.engineGroups.indices {
                kept.engineGroups[engine] =
                    machine.devices[device].groups.firstIndex { $0.engines >> UInt64(engine) & 1 == 1 }
            }
        }
        lookAtConfiguration(device: device, machine: machine)
    }
}
