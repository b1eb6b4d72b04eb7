public import DSASpec
internal import PCIe

extension Device {
    /// Writes a WQ's configuration. Fields that the present state does not let software write keep their value
    /// (dsa-device 6.4): the size needs a Disabled device, threshold and occupancy interrupt may always be written,
    /// the others need a Disabled WQ. A device without Configuration Support takes nothing.
    ///
    /// - Returns: Whether every field was taken.
    public mutating func configure(workQueue index: Int, as wanted: WorkQueueConfiguration) -> Bool {
        guard profile.general.supportsConfiguration else { return false }
        var configuration = workQueues[index].configuration
        if workQueues[index].state == .disabled, state != .halted {
            let size = configuration.size
            configuration = wanted
            configuration.size = size
        }
        configuration.threshold = wanted.threshold
        configuration.occupancyInterrupt = wanted.occupancyInterrupt
        if state == .disabled { configuration.size = wanted.size }
        workQueues[index].configuration = configuration
        noteOccupancy(of: index)
        return configuration == wanted
    }

    /// Writes a group's membership. Needs a Disabled device with Configuration Support.
    ///
    /// - Returns: Whether it was taken.
    public mutating func configure(group index: Int, as wanted: GroupConfiguration) -> Bool {
        guard state == .disabled, profile.general.supportsConfiguration else { return false }
        groups[index] = wanted
        return true
    }

    /// Writes what a group may use. Needs a Disabled device with Configuration Support; bits that the device's
    /// capabilities do not define stay 0.
    ///
    /// - Returns: Whether every bit was taken.
    public mutating func configure(group index: Int, flags wanted: GroupFlags) -> Bool {
        guard state == .disabled, profile.general.supportsConfiguration else { return false }
        groupFlags[index] = GroupFlags(
            rawValue: wanted.rawValue & GroupFlags.defined(by: profile.groupCapabilities.features))
        return groupFlags[index] == wanted
    }

    /// Writes GENCFG. Needs a Disabled device; bits that the device's capabilities do not define stay 0.
    ///
    /// - Returns: Whether every bit was taken.
    public mutating func configure(_ wanted: GeneralConfiguration) -> Bool {
        guard state == .disabled else { return false }
        var mask: UInt32 = 1 << 12
        if profile.groupFeatures.contains(.globalReadBufferLimit) { mask |= 0xFF }
        if profile.general.eventLogEntryByteCount != nil { mask |= 1 << 13 }
        generalConfiguration = GeneralConfiguration(rawValue: wanted.rawValue & mask)
        return generalConfiguration == wanted
    }
}

extension DeviceProfile {
    /// What a group may use after power-on (dsa-device 7.5).
    public var powerOnGroupFlags: GroupFlags {
        GroupFlags(readBuffersAllowed: groupFeatures.contains(.readBufferControl) ? readBufferCount : 0)
    }

    /// GENCFG after power-on (dsa-device 7.5).
    public var powerOnConfiguration: GeneralConfiguration {
        GeneralConfiguration(
            rawValue: groupFeatures.contains(.globalReadBufferLimit) ? UInt32(readBufferCount & 0xFF) : 0)
    }
}
