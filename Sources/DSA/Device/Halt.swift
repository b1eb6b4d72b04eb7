public import DSASpec
internal import IOMMU
public import PCIe

extension Device {
    /// Stops the device after an error that it cannot recover from (DSA 3.0 §5.7, dsa-device 7.6). Nothing happens in
    /// Halt.
    ///
    /// Submissions get Retry, commands fail with 0x05, WQs read as Disabled. What was in the device is abandoned: a
    /// window that runs ends first, and nobody is told.
    ///
    /// - Parameter reset: What makes the device usable again.
    public mutating func halt(until reset: HaltReset) {
        guard state != .halted else { return }
        state = .halted
        haltReset = reset
        for index in workQueues.indices { workQueues[index].state = .disabled }
        raise(.halt)
        failCommand(.deviceHalted)
        abort(.all)
    }

    /// The host wrote the function's configuration space. Unless the device is Disabled it relies on what it found
    /// there at Enable Device: turning bus mastering off, and any change of ATS, PASID or page requests, halts it with
    /// SWERROR 0x51.
    public mutating func pciConfigurationChanged(to settings: FunctionSettings) {
        let old = function
        function = settings
        if !settings.isATSEnabled { deviceTLB.invalidate(.global) }
        guard state != .disabled, state != .halted else { return }
        var harmless = settings
        harmless.trafficClasses = old.trafficClasses
        harmless.isBusMasterEnabled = settings.isBusMasterEnabled || old.isBusMasterEnabled
        guard harmless != old || !settings.isBusMasterEnabled else { return }
        record(SoftwareError(code: .configurationChanged))
        halt(until: .resetDevice)
    }
}
