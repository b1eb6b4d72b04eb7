internal import DSASpec

extension Device {
    /// Notes a cause for the miscellaneous interrupt and signals it, unless its enable, where GENCTRL has one, is off
    /// (dsa-device 7.3). The enables of WQCFG and CMD are the caller's to test.
    mutating func raise(_ cause: InterruptCause) {
        guard isEnabled(cause) else { return }
        interruptCause.formUnion(cause)
        raise(.miscellaneous)
    }

    private func isEnabled(_ cause: InterruptCause) -> Bool {
        switch cause {
        case .softwareError: generalControl.contains(.softwareErrorInterrupt)
        case .halt: generalControl.contains(.haltInterrupt)
        case .eventLog: generalControl.contains(.eventLogInterrupt)
        default: true
        }
    }
}
