public import DSASpec
internal import PCIe

/// How a command began.
public enum CommandStart: Hashable, Sendable {
    /// With CMDSTATUS bits 23:8, 0 for commands that return nothing.
    case completed(CommandError, result: UInt16 = 0)
    /// It waits for descriptors; ``DeviceEffect/commandCompleted(_:)`` follows.
    case active
    /// Another command is active; this one is lost and SWERROR 0x52 recorded.
    case lost
}

/// A command that waits for descriptors to leave the device.
struct ActiveCommand: Sendable {
    let command: DeviceCommand
    let selection: DescriptorSelection
    let watermark: UInt64
}

extension Device {
    /// Carries out a command of the CMD register (DSA 3.0 §9.2.11; errors as in dsa-device 7.4). CMDSTATUS follows it.
    ///
    /// - Parameter requestsInterrupt: CMD bit 31: the end of the command is a cause for the miscellaneous interrupt.
    public mutating func execute(_ command: DeviceCommand, requestsInterrupt: Bool = false) -> CommandStart {
        guard beginCommand(requestsInterrupt: requestsInterrupt) else { return .lost }
        let start = begin(command)
        if case .completed(let error, let result) = start { endCommand(error, result: result) }
        return start
    }

    /// Software wrote CMD.
    public mutating func execute(_ register: CommandRegister) -> CommandStart {
        guard beginCommand(requestsInterrupt: register.requestsInterrupt) else { return .lost }
        let start: CommandStart
        do {
            start = begin(try DeviceCommand(code: register.code, operand: register.operand))
        } catch {
            start = .completed(state == .halted ? .deviceHalted : error)
        }
        if case .completed(let error, let result) = start { endCommand(error, result: result) }
        return start
    }

    /// Makes CMDSTATUS active. Returns whether the command goes on: one that comes while another is active is lost.
    private mutating func beginCommand(requestsInterrupt: Bool) -> Bool {
        guard !commandStatus.isActive else {
            record(SoftwareError(code: .commandWhileActive))
            return false
        }
        commandStatus = .active
        commandRequestsInterrupt = requestsInterrupt
        return true
    }

    /// Puts what became of the command into CMDSTATUS.
    private mutating func endCommand(_ error: CommandError, result: UInt16 = 0) {
        commandStatus = CommandStatus(error: error, result: result)
        if commandRequestsInterrupt { raise(.commandCompletion) }
    }

    /// Carries out a command as far as it needs to wait for nothing.
    private mutating func begin(_ command: DeviceCommand) -> CommandStart {
        if state == .halted {
            guard command == .resetDevice, haltReset == .resetDevice else { return .completed(.deviceHalted) }
        }
        switch command {
        case .enableDevice:
            return .completed(enableDevice())
        case .enableWorkQueue(let index):
            return .completed(enableWorkQueue(index))
        case .disableDevice:
            guard state == .enabled else { return .completed(.disableOfDisabledDevice) }
            state = .disabling
            return wait(for: command, selection: .all)
        case .disableWorkQueues(let mask), .drainWorkQueues(let mask), .abortWorkQueues(let mask):
            guard mask >> UInt64(workQueues.count) == 0 || workQueues.count == 64 else {
                return .completed(.invalidWorkQueueIndex)
            }
            guard forAll(mask, { workQueues[$0].state == .enabled }) else { return .completed(.workQueueNotEnabled) }
            if case .disableWorkQueues = command { setState(.disabling, of: mask) }
            if case .abortWorkQueues = command { abort(.workQueues(mask)) }
            return wait(for: command, selection: .workQueues(mask))
        case .resetWorkQueues(let mask):
            guard mask >> UInt64(workQueues.count) == 0 || workQueues.count == 64 else {
                return .completed(.invalidWorkQueueIndex)
            }
            let mayBeDisabled = profile.openPoints.resetOfDisabledWorkQueue == .success
            guard mayBeDisabled || forAll(mask, { workQueues[$0].state == .enabled }) else {
                return .completed(.workQueueNotEnabled)
            }
            for index in workQueues.indices where workQueues[index].state == .enabled {
                if mask >> UInt64(index) & 1 == 1 { workQueues[index].state = .disabling }
            }
            abort(.workQueues(mask))
            return wait(for: command, selection: .workQueues(mask))
        case .drainAll:
            return wait(for: command, selection: .all)
        case .abortAll:
            abort(.all)
            return wait(for: command, selection: .all)
        case .resetDevice:
            if state == .enabled { state = .disabling }
            abort(.all)
            return wait(for: command, selection: .all)
        case .requestInterruptHandle(let vector):
            return requestInterruptHandle(for: vector)
        case .releaseInterruptHandle(let handle, let table):
            return .completed(releaseInterruptHandle(handle, in: table))
        case .drainPASID(let pasid):
            return wait(for: command, selection: .pasid(pasid))
        case .abortPASID(let pasid):
            abort(.pasid(pasid))
            return wait(for: command, selection: .pasid(pasid))
        }
    }

    private func forAll(_ mask: UInt64, _ predicate: (Int) -> Bool) -> Bool {
        workQueues.indices.allSatisfy { mask >> UInt64($0) & 1 == 0 || predicate($0) }
    }

    private mutating func setState(_ state: WorkQueueState, of mask: UInt64) {
        for index in workQueues.indices where mask >> UInt64(index) & 1 == 1 { workQueues[index].state = state }
    }

    private mutating func wait(for command: DeviceCommand, selection: DescriptorSelection) -> CommandStart {
        let waiting = ActiveCommand(command: command, selection: selection, watermark: nextSequence - 1)
        guard holds(selection, upTo: waiting.watermark) else {
            finish(command)
            return .completed(.none)
        }
        activeCommand = waiting
        return .active
    }

    /// Ends the active command when its descriptors are gone.
    mutating func settleCommand() {
        guard let active = activeCommand, !holds(active.selection, upTo: active.watermark) else { return }
        activeCommand = nil
        finish(active.command)
        endCommand(.none)
        effects.append(.commandCompleted(.none))
    }

    /// Ends the active command, if there is one, with an error: what it waits for will not come.
    mutating func failCommand(_ error: CommandError) {
        guard activeCommand != nil else { return }
        activeCommand = nil
        endCommand(error)
        effects.append(.commandCompleted(error))
    }

    /// What a command does to states and configuration once its descriptors are gone.
    private mutating func finish(_ command: DeviceCommand) {
        switch command {
        case .disableDevice:
            disableAll()
        case .resetDevice:
            disableAll()
            resetRegisters()
        case .disableWorkQueues(let mask):
            setState(.disabled, of: mask)
        case .resetWorkQueues(let mask):
            setState(.disabled, of: mask)
            for index in workQueues.indices where mask >> UInt64(index) & 1 == 1 {
                let size = workQueues[index].configuration.size
                workQueues[index].resetConfiguration()
                workQueues[index].configuration.size = size
            }
        case .enableDevice, .enableWorkQueue, .drainAll, .abortAll, .drainWorkQueues, .abortWorkQueues, .drainPASID,
            .abortPASID, .requestInterruptHandle, .releaseInterruptHandle:
            break
        }
    }

    /// Leaves device and WQs Disabled.
    mutating func disableAll() {
        state = .disabled
        eventLog.isActive = false
        for index in workQueues.indices { workQueues[index].state = .disabled }
        for index in engines.indices { engines[index].group = -1 }
    }
}
