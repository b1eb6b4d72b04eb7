public import DSASpec
internal import IOMMU
public import PCIe

/// A reset from outside that waits for descriptors to leave.
struct PendingFunctionReset: Sendable {
    /// The greatest that was asked for.
    var reset: HaltReset
    /// The function's settings after it.
    var settings: FunctionSettings
}

extension Device {
    /// A function level reset (PCIe 6.0 §6.6.2): every descriptor is abandoned without a record, and once none is left
    /// the function is as after power-on, its configuration space included. It ends every halt that is not for a
    /// reset of the platform.
    public mutating func functionLevelReset() {
        resetFunction(by: .functionLevel, restoring: FunctionSettings())
    }

    /// The function is reset from outside, alone or with the platform: what is in the device is abandoned, and every
    /// register returns to power-on, also those that Reset Device leaves alone. A window that runs ends first. A halt
    /// that needs a greater reset lasts.
    ///
    /// - Parameters:
    ///   - reset: No command of the device.
    ///   - settings: What the host restores of the configuration space.
    public mutating func resetFunction(by reset: HaltReset, restoring settings: FunctionSettings) {
        precondition(reset != .resetDevice, "Reset Device is a command")
        failCommand(.deviceHalted)
        if state == .enabled { state = .disabling }
        for index in workQueues.indices { workQueues[index].state = .disabled }
        pendingFunctionReset = PendingFunctionReset(
            reset: max(pendingFunctionReset?.reset ?? reset, reset), settings: settings)
        abort(.all)
    }

    /// Ends a reset from outside when its descriptors are gone.
    mutating func settleFunctionReset() {
        guard let pending = pendingFunctionReset, !hasWork else { return }
        pendingFunctionReset = nil
        function = pending.settings
        pageRequests = PageRequestInterface()
        deviceTLB.invalidate(.global)
        if state != .halted || pending.reset >= haltReset {
            disableAll()
            haltReset = .resetDevice
        }
        resetRegisters()
        interrupts.powerOn()
        commandStatus = CommandStatus(error: .none)
        eventLog = EventLog()
        clearSoftwareError()
        effects.append(.functionReset)
    }
}
