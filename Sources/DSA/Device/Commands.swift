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
    /// Carries out a command of the CMD register (DSA 3.0 §9.2.11; errors as in dsa-device 7.4).
    public mutating func execute(_ command: DeviceCommand) -> CommandStart {
        guard activeCommand == nil else {
            record(SoftwareError(code: .commandWhileActive))
            return .lost
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
        effects.append(.commandCompleted(.none))
    }

    /// What a command does to states and configuration once its descriptors are gone.
    private mutating func finish(_ command: DeviceCommand) {
        switch command {
        case .disableDevice:
            disableAll()
        case .resetDevice:
            disableAll()
            for index in workQueues.indices { workQueues[index].configuration = WorkQueueConfiguration() }
            for index in groups.indices { groups[index] = GroupConfiguration() }
            for index in workQueues.indices { workQueues[index].isOccupancyInterruptGenerated = false }
            areUserInterruptsEnabled = false
            interrupts.reset()
            effects.append(.interruptHandlesVoided)
            eventLog.configuration = EventLogConfiguration()
            usesEventLog = false
        case .disableWorkQueues(let mask):
            setState(.disabled, of: mask)
        case .resetWorkQueues(let mask):
            setState(.disabled, of: mask)
            for index in workQueues.indices where mask >> UInt64(index) & 1 == 1 {
                let size = workQueues[index].configuration.size
                workQueues[index].configuration = WorkQueueConfiguration()
                workQueues[index].configuration.size = size
                workQueues[index].isOccupancyInterruptGenerated = false
            }
        case .enableDevice, .enableWorkQueue, .drainAll, .abortAll, .drainWorkQueues, .abortWorkQueues, .drainPASID,
            .abortPASID, .requestInterruptHandle, .releaseInterruptHandle:
            break
        }
    }

    private mutating func disableAll() {
        state = .disabled
        eventLog.isActive = false
        for index in workQueues.indices { workQueues[index].state = .disabled }
        for index in engines.indices { engines[index].group = -1 }
    }
}
