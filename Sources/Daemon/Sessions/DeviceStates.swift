internal import DSA
internal import DSASpec
internal import Machine
internal import ProtocolMessages

/// The states of a device and its WQs as the clients know them.
struct DeviceStates: Equatable {
    let device: DeviceState
    /// By index.
    let workQueues: [WorkQueueState]
}

extension Server {
    /// The states of device `index` now.
    private func states(ofDevice index: Int) -> DeviceStates {
        DeviceStates(
            device: machine.devices[index].state, workQueues: machine.devices[index].workQueues.map(\.state))
    }

    /// What clients know of the devices before anything was announced.
    func initialStates() -> [DeviceStates] { deviceNames.indices.map(states(ofDevice:)) }

    /// Tells of the states of device `index` that differ from what was told last, whatever changed them.
    func announceStates(ofDevice index: Int) {
        let (old, new) = (announcedStates[index], states(ofDevice: index))
        guard old != new else { return }
        announcedStates[index] = new
        for queue in new.workQueues.indices where new.workQueues[queue] != old.workQueues[queue] {
            var event = WireWqStateEvent()
            event.device = deviceNames[index]
            event.wq = UInt32(queue)
            event.state = WireWqStatus.State(new.workQueues[queue])
            announce(.wqState(event), about: nil)
        }
        guard new.device != old.device else { return }
        var event = WireDeviceStateEvent()
        event.device = deviceNames[index]
        event.state = WireDeviceStatus.State(new.device)
        announce(.deviceState(event), about: nil)
    }
}
