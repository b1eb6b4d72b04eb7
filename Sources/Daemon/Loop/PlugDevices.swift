internal import DSA
internal import DSASpec
internal import IDXD
internal import Machine
internal import PCIe
internal import Protocol

extension DeviceSetup {
    /// The bus that the devices are on: integrated endpoints of the root complex, device numbers from 1 (dsa-device
    /// 7.8).
    private static let bus: UInt8 = 0x6A

    /// Plugs the devices in, and lets their driver configure and enable what their layouts ask for.
    static func plug(
        _ setups: [DeviceSetup], into machine: inout Machine, driver: inout Driver
    ) throws(DaemonError) {
        for (number, setup) in setups.enumerated() {
            guard let requester = RequesterID(bus: bus, device: UInt8(number + 1), function: 0),
                let index = machine.addDevice(profile: setup.profile, requester: requester, port: setup.port)
            else { throw .device(name: setup.name, problem: "the machine has no place for it") }
            driver.probe(name: setup.name, index: index, machine: machine)
            setup.load(into: &driver, device: index)
            driver.writeConfiguration(device: index, machine: &machine)
            guard setup.isEnabled else { continue }
            try setup.bind(driver.devices[index].name, to: .idxd, .enableDevice, &driver, &machine, device: index)
            for queue in setup.workQueues where queue.isEnabled {
                try setup.bind(
                    driver.devices[index].workQueueName(queue.index),
                    to: WorkQueueIdentity.driver(of: queue.identity.type) ?? .user, .enableWorkQueue(queue.index),
                    &driver, &machine, device: index)
            }
        }
    }

    /// Gives the driver what it would have been told through sysfs.
    private func load(into driver: inout Driver, device: Int) {
        for queue in workQueues {
            driver.load(
                WorkQueueLayout(
                    configuration: queue.configuration,
                    group: groups.firstIndex { $0.workQueues >> UInt64(queue.index) & 1 == 1 },
                    type: queue.identity.type, name: queue.identity.name, driverName: queue.identity.driverName,
                    retries: queue.identity.retries),
                into: WorkQueueID(device: device, queue: queue.index))
        }
        for (index, group) in groups.enumerated() {
            driver.load(groupFlags[index], engines: group.engines, intoGroup: index, device: device)
        }
        if let limit = globalReadBufferLimit { driver.load(readBufferLimit: Int(limit), device: device) }
    }

    /// Binds a device or WQ, which issues a command.
    private func bind(
        _ object: String, to kind: BusDriver, _ command: DeviceCommand, _ driver: inout Driver,
        _ machine: inout Machine, device: Int
    ) throws(DaemonError) {
        switch driver.bind(object, to: kind, machine: &machine) {
        case .finished:
            return
        case .failed(let errno):
            let status = driver.devices[device].commandStatus.rawValue
            let problem =
                status >> 31 == 0 && status != 0
                ? explanation(of: CommandError(rawValue: UInt8(truncatingIfNeeded: status)), from: command)
                : "\(object) cannot be bound to \(kind.rawValue): error \(errno.rawValue), "
                    + "cmd_status \(Hexadecimal.text(status))"
            throw .device(name: name, problem: problem)
        case .waits:
            preconditionFailure("a device without descriptors completes its commands at once")
        }
    }
}
