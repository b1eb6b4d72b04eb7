public import DSA

extension Machine {
    /// Makes a device show a failure.
    ///
    /// - Parameter id: What ``removeInjection(_:device:)`` names the rule by.
    public mutating func addInjection(_ rule: InjectionRule, id: UInt32, device index: Int) {
        devices[index].injector.add(rule, id: id)
    }

    /// Ends a rule; nothing happens when the device has none of this number.
    public mutating func removeInjection(_ id: UInt32, device index: Int) {
        _ = devices[index].injector.remove(id)
    }
}
