public import DSA
public import DSASpec
public import PCIe

extension Machine {
    /// Reads BAR0 of device `index`; see ``Device/readRegister(at:byteCount:)``.
    public func readRegister(
        at offset: Int, byteCount: Int, device index: Int
    ) throws(RegisterAccessError) -> UInt64 {
        try devices[index].readRegister(at: offset, byteCount: byteCount)
    }

    /// Writes BAR0 of device `index`; see ``Device/writeRegister(at:byteCount:value:)``.
    public mutating func writeRegister(
        at offset: Int, byteCount: Int, value: UInt64, device index: Int
    ) throws(RegisterAccessError) {
        try devices[index].writeRegister(at: offset, byteCount: byteCount, value: value)
        collectEffects(ofDevice: index)
    }

    /// Writes the configuration space of device `index`; see ``Device/pciConfigurationChanged(to:)``.
    public mutating func configureFunction(_ settings: FunctionSettings, device index: Int) {
        functions[index].configuration.settings = settings
        devices[index].pciConfigurationChanged(to: settings)
        collectEffects(ofDevice: index)
    }

    /// Halts device `index`; see ``Device/halt(until:)``.
    public mutating func halt(device index: Int, until reset: HaltReset) {
        devices[index].halt(until: reset)
        collectEffects(ofDevice: index)
    }

    /// Resets the function of device `index` from outside; see ``Device/resetFunction(by:restoring:)``. The host
    /// restores its configuration space.
    public mutating func resetFunction(device index: Int, by reset: HaltReset) {
        devices[index].resetFunction(by: reset, restoring: devices[index].function)
        collectEffects(ofDevice: index)
    }
}
