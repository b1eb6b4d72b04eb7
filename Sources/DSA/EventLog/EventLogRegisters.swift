public import DSASpec
internal import PCIe

extension Device {
    /// EVLCFG.
    public var eventLogConfiguration: EventLogConfiguration { eventLog.configuration }

    /// EVLSTATUS.
    public var eventLogStatus: EventLogStatus { eventLog.status }

    /// Writes GENCFG bit 13, Event Log Enable. Needs a Disabled device with an event log.
    ///
    /// - Returns: Whether it was taken.
    public mutating func enableEventLog(_ isEnabled: Bool) -> Bool {
        var wanted = generalConfiguration
        wanted.isEventLogEnabled = isEnabled
        return configure(wanted)
    }

    /// GENCFG bit 13, Event Log Enable.
    public var usesEventLog: Bool { generalConfiguration.isEventLogEnabled }

    /// Writes EVLCFG. Needs a Disabled device with an event log.
    ///
    /// - Returns: Whether it was taken.
    public mutating func configure(_ wanted: EventLogConfiguration) -> Bool {
        guard state == .disabled, profile.general.eventLogEntryByteCount != nil else { return false }
        eventLog.configuration = wanted
        return true
    }

    /// Writes EVLSTATUS: Head takes its value, Interrupt Pending is cleared by a 1, Tail is read-only. Without an event
    /// log nothing happens.
    public mutating func write(_ value: EventLogStatus) {
        guard profile.general.eventLogEntryByteCount != nil else { return }
        eventLog.status.head = value.head
        if value.isInterruptPending { eventLog.status.isInterruptPending = false }
    }

    /// What Enable Device finds wrong with an event log that is to be used (dsa-device 7.4, 0x19).
    func isEventLogLegal(isPASIDEnabled: Bool, isPrivilegedModeEnabled: Bool) -> Bool {
        let configuration = eventLog.configuration
        guard profile.general.eventLogEntryByteCount != nil, configuration.size >= EventLogConfiguration.sizeMin
        else { return false }
        guard configuration.isPASIDEnabled else { return true }
        return isPASIDEnabled && (!configuration.isPrivileged || isPrivilegedModeEnabled)
    }

    /// Begins to use the log: Head and Tail are 0 (dsa-device 7.4).
    mutating func startEventLog() {
        eventLog.status = EventLogStatus()
        eventLog.isActive = true
    }
}
