internal import DSA
internal import DSASpec
internal import Machine
internal import PCIe

extension DeviceSetup {
    /// The bus that the devices are on: integrated endpoints of the root complex, device numbers from 1 (dsa-device
    /// 7.8).
    private static let bus: UInt8 = 0x6A

    /// Plugs the devices in and enables what their layouts ask for.
    static func plug(_ setups: [DeviceSetup], into machine: inout Machine) throws(DaemonError) {
        for (number, setup) in setups.enumerated() {
            guard let requester = RequesterID(bus: bus, device: UInt8(number + 1), function: 0),
                let index = machine.addDevice(profile: setup.profile, requester: requester, port: setup.port)
            else { throw .device(name: setup.name, problem: "the machine has no place for it") }
            for queue in setup.workQueues {
                guard machine.configure(workQueue: queue.index, as: queue.configuration, device: index) else {
                    throw .device(name: setup.name, problem: "WQ \(queue.index) does not take its configuration")
                }
            }
            for (group, membership) in setup.groups.enumerated() {
                guard machine.configure(group: group, as: membership, device: index) else {
                    throw .device(name: setup.name, problem: "group \(group) does not take its members")
                }
                guard machine.configure(group: group, flags: setup.groupFlags[group], device: index) else {
                    throw .device(name: setup.name, problem: "group \(group) does not take its limits")
                }
            }
            // As a driver does that gives WQs to users.
            guard machine.enableUserInterrupts(true, device: index) else {
                preconditionFailure("a device that was plugged in is Disabled")
            }
            for command in setup.commands {
                guard case .completed(let error, _) = machine.execute(command, device: index) else {
                    preconditionFailure("a device without descriptors completes its commands at once")
                }
                guard error == .none else {
                    throw .device(name: setup.name, problem: setup.explanation(of: error, from: command))
                }
            }
        }
    }
}
