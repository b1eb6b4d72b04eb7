internal import DSA
internal import DSASpec
internal import IDXD
internal import Machine
internal import PCIe
internal import Protocol
internal import ProtocolMessages

extension Server {
    /// The place of the device of that name.
    func deviceIndex(_ name: String) throws(WireError) -> Int {
        guard let index = deviceNames.firstIndex(of: name) else {
            throw WireError(
                .notFound, "there is no device \(JSONValue.quoted(name)); query-devices lists all",
                path: "arguments.device")
        }
        return index
    }

    func queryDevices(_ arguments: WireQueryDevicesArguments, _ id: RequestID, _ session: Session) throws(WireError) {
        var chosen = deviceNames.indices.sorted { deviceNames[$0] < deviceNames[$1] }
        if arguments.hasDevice { chosen = [try deviceIndex(arguments.device)] }
        var result = WireQueryDevicesReturn()
        result.items = chosen.map { status(ofDevice: $0) }
        reply(result, to: session, id: id)
    }

    private func status(ofDevice index: Int) -> WireDeviceStatus {
        let profile = machine.devices[index].profile
        var status = WireDeviceStatus()
        status.name = deviceNames[index]
        status.profile = profile.version < 0x200 ? .dsa1 : .dsa2
        status.version = Hexadecimal.text(profile.version)
        status.rid = machine.devices[index].requester.text
        status.state = WireDeviceStatus.State(machine.devices[index].state)
        status.maxTransferShift = UInt32(profile.general.maximumTransferShift)
        status.maxBatchShift = UInt32(profile.general.maximumBatchShift)
        status.totalWqSize = UInt32(profile.totalWorkQueueSize)
        let digits = String(profile.operations.bits, radix: 16)
        status.operations = "0x" + String(repeating: "0", count: 64 - digits.count) + digits
        let portals = portalCounts(ofDevice: index)
        for queue in 0..<profile.workQueueCount {
            var item = WireWqStatus(machine.devices[index].workQueues[queue], index: queue)
            let bit = UInt64(1) << UInt64(queue)
            if let group = machine.devices[index].groups.firstIndex(where: { $0.workQueues & bit != 0 }) {
                item.group = UInt32(group)
            }
            item.portals = UInt32(portals[queue])
            status.wqs.append(item)
        }
        for group in 0..<profile.groupCount {
            var item = WireGroupStatus()
            item.index = UInt32(group)
            let membership = machine.devices[index].groups[group]
            item.wqs = (0..<64).filter { membership.workQueues >> UInt64($0) & 1 == 1 }.map { UInt32($0) }
            item.engines = (0..<64).filter { membership.engines >> UInt64($0) & 1 == 1 }.map { UInt32($0) }
            status.groups.append(item)
        }
        for engine in 0..<profile.engineCount {
            let state = machine.devices[index].engineStatus(engine)
            var item = WireEngineStatus()
            item.index = UInt32(engine)
            if let group = state.group { item.group = UInt32(group) }
            item.held = state.isHeld
            item.busy = state.isBusy
            item.dispatched = state.dispatched
            status.engines.append(item)
        }
        let error = machine.devices[index].softwareError
        if error.isValid { status.softwareError = WireSoftwareError(error) }
        return status
    }

    private func portalCounts(ofDevice index: Int) -> [Int] {
        var counts = Array(repeating: 0, count: machine.devices[index].profile.workQueueCount)
        for space in Array(processes.values) + Array(vms.values) {
            for mapping in machine.mappings(of: space.index) {
                if case .portal(index, let portal) = mapping.content { counts[portal.workQueue] += 1 }
            }
        }
        return counts
    }

    func deviceCommand(_ arguments: WireDeviceCommandArguments, _ id: RequestID, _ session: Session) throws(WireError) {
        let index = try deviceIndex(arguments.device)
        let operand = arguments.hasOperand ? try address(arguments.operand, "operand") : 0
        let register = CommandRegister(
            code: UInt8(truncatingIfNeeded: arguments.command.rawValue), operand: UInt32(truncatingIfNeeded: operand))
        let answer: (CommandError, UInt16) -> Void = { [self] error, value in
            announceStates(ofDevice: index)
            noteForeignChange(device: index)
            var result = WireDeviceCommandReturn()
            result.error = UInt32(error.rawValue)
            result.name = error.name
            result.result = UInt32(value)
            reply(result, to: session, id: id)
        }
        switch machine.execute(register, device: index) {
        case .completed(let error, let value):
            answer(error, value)
        case .active:
            session.isParked = true
            commandContinuations[index] = { [self] error in
                answer(error, 0)
                unpark(session)
            }
        case .lost:
            deliverEffects()
            throw WireError(
                .wrongState,
                "a command of \(arguments.device) is active, so this one was lost and SWERROR 0x52 recorded;"
                    + " wait for it")
        }
        deliverEffects()
    }

    /// The command that a device answered with `.active` has ended. Whoever wrote it into the CMD register polls
    /// CMDSTATUS and is told nothing.
    func finishDeviceCommand(device: Int, error: CommandError) {
        if let answer = commandContinuations.removeValue(forKey: device) {
            answer(error)
        } else {
            announceStates(ofDevice: device)
        }
        resumeDriver(device: device, after: error)
    }

    func configureWQ(_ arguments: WireConfigureWqArguments, _ id: RequestID, _ session: Session) throws(WireError) {
        let index = try deviceIndex(arguments.device)
        let queue = Int(arguments.wq)
        guard queue < machine.devices[index].profile.workQueueCount else {
            throw WireError(
                .notFound,
                "\(arguments.device) has WQs 0 to \(machine.devices[index].profile.workQueueCount - 1)",
                path: "arguments.wq")
        }
        let old = machine.devices[index].workQueues[queue].configuration
        var wanted = old
        if arguments.hasMode {
            wanted.mode = arguments.mode == .dedicated ? .dedicated : .shared
            if wanted.mode == .shared { wanted.pasidEnable = true }
        }
        if arguments.hasSize { wanted.size = UInt16(arguments.size) }
        if arguments.hasThreshold { wanted.threshold = UInt16(arguments.threshold) }
        if arguments.hasPriority { wanted.priority = UInt8(arguments.priority) }
        if arguments.hasMaxTransferShift { wanted.maximumTransferShift = UInt8(arguments.maxTransferShift) }
        if arguments.hasMaxBatchShift { wanted.maximumBatchShift = UInt8(arguments.maxBatchShift) }
        if arguments.hasBlockOnFault { wanted.blockOnFaultEnable = arguments.blockOnFault }
        if arguments.hasPasid, let pasid = HostPASID(rawValue: arguments.pasid) {
            wanted.pasid = pasid
            wanted.pasidEnable = true
        }
        let isEnabled = machine.devices[index].state != .disabled
        var sameButThreshold = wanted
        sameButThreshold.threshold = old.threshold
        if sameButThreshold != old {
            guard wanted.size == old.size || !isEnabled else {
                throw WireError(
                    .wrongState, "the size of a WQ changes only while its device is disabled", path: "arguments.size")
            }
            guard machine.devices[index].workQueues[queue].state == .disabled else {
                throw WireError(
                    .wrongState, "WQ \(queue) is not disabled; only its threshold may change", path: "arguments.wq")
            }
        }
        if arguments.hasGroup {
            let group = Int(arguments.group)
            guard !isEnabled else {
                throw WireError(
                    .wrongState, "groups change only while the device is disabled", path: "arguments.group")
            }
            guard group < machine.devices[index].profile.groupCount else {
                throw WireError(
                    .notFound,
                    "\(arguments.device) has groups 0 to \(machine.devices[index].profile.groupCount - 1)",
                    path: "arguments.group")
            }
            for other in machine.devices[index].groups.indices {
                var membership = machine.devices[index].groups[other]
                membership.workQueues &= ~(1 << UInt64(queue))
                if other == group { membership.workQueues |= 1 << UInt64(queue) }
                _ = machine.configure(group: other, as: membership, device: index)
            }
        }
        let isTaken = machine.configure(workQueue: queue, as: wanted, device: index)
        precondition(isTaken, "every field was checked to be writable")
        noteForeignChange(device: index)
        replyEmpty(to: session, id: id)
    }

    func clearSoftwareError(
        _ arguments: WireClearSoftwareErrorArguments, _ id: RequestID, _ session: Session
    ) throws(WireError) {
        let index = try deviceIndex(arguments.device)
        machine.clearSoftwareError(device: index)
        driver.forgetSoftwareError(device: index)
        replyEmpty(to: session, id: id)
    }

    func holdEngine(_ arguments: WireXEngineHoldArguments, _ id: RequestID, _ session: Session) throws(WireError) {
        let index = try deviceIndex(arguments.device)
        let count = machine.devices[index].profile.engineCount
        if arguments.hasEngine {
            guard arguments.engine < count else {
                throw WireError(
                    .notFound, "\(arguments.device) has engines 0 to \(count - 1)", path: "arguments.engine")
            }
            machine.setHold(arguments.hold, engine: Int(arguments.engine), device: index)
        } else {
            for engine in 0..<count { machine.setHold(arguments.hold, engine: engine, device: index) }
        }
        replyEmpty(to: session, id: id)
    }
}
