internal import DSASpec
internal import IOMMU
internal import PCIe

extension Device {
    /// A function level reset (PCIe 6.0 §6.6.2): every descriptor is abandoned without a record, and once none is left
    /// the function is as after power-on, its configuration space included. It ends every halt that is not for a
    /// reset of the platform.
    public mutating func functionLevelReset() {
        failCommand(.deviceHalted)
        if state == .enabled { state = .disabling }
        for index in workQueues.indices { workQueues[index].state = .disabled }
        isBeingReset = true
        abort(.all)
    }

    /// Ends a function level reset when its descriptors are gone.
    mutating func settleReset() {
        guard isBeingReset, !hasWork else { return }
        isBeingReset = false
        function = FunctionSettings()
        pageRequests = PageRequestInterface()
        deviceTLB.invalidate(.global)
        if !(state == .halted && (haltReset == .warm || haltReset == .cold)) { disableAll() }
        resetRegisters()
        interrupts.powerOn()
        clearSoftwareError()
    }
}
