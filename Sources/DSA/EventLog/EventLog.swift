internal import DSASpec
internal import IOMMU
internal import PCIe

/// The event log of a device: its registers, and whether it is in use (DSA 3.0 §5.9, dsa-device 5.4). DSA 2.0.
///
/// The log is a ring in memory. The device writes at Tail, software reads at Head; one entry stays free, so that Head =
/// Tail says empty. Software owns ring and Head: neither is ever read to decide what the device may touch.
struct EventLog: Sendable {
    /// EVLCFG.
    var configuration = EventLogConfiguration()
    /// EVLSTATUS.
    var status = EventLogStatus()
    /// From an Enable Device with GENCFG bit 13 on until the device is Disabled.
    var isActive = false

    /// The Tail after the next entry.
    var nextTail: UInt16 {
        let next = status.tail &+ 1
        return next >= configuration.size ? 0 : next
    }

    /// Whether the next entry would make the ring look empty.
    var isFull: Bool { nextTail == status.head }
}

/// What became of an entry.
enum EventLogging: Sendable {
    case logged
    /// It is lost; SWERROR says that one is (0x54).
    case lost
    /// There is no room, and the device does not drop entries: try again when software has advanced Head.
    case full
}

extension Device {
    /// Appends `entry` to the log.
    mutating func log(_ entry: EventLogEntry, iommu: inout IOMMU, memory: PhysicalMemory) -> EventLogging {
        if eventLog.isFull {
            guard profile.general.dropsEventsOfFullLog else { return .full }
            record(SoftwareError(code: .eventLost))
            return .lost
        }
        let configuration = eventLog.configuration
        let offset = UInt64(eventLog.status.tail) * UInt64(profile.general.eventLogEntryByteCount ?? 64)
        let (address, isBeyond) = configuration.base.rawValue.addingReportingOverflow(offset)
        let translation = translate(
            TranslationRequest(
                requester: requester, pasid: configuration.isPASIDEnabled ? configuration.pasid : nil,
                address: LinearAddress(rawValue: address), isWrite: true,
                isPrivileged: configuration.isPASIDEnabled && configuration.isPrivileged),
            usesATS: function.isATSEnabled, &iommu)
        // An entry lies on a multiple of its size: it never leaves its page.
        guard !isBeyond, case .translated(let target, _) = translation, memory.store(entry, at: target) else {
            record(SoftwareError(code: .eventLost))
            return .lost
        }
        eventLog.status.tail = eventLog.nextTail
        if !eventLog.status.isInterruptPending {
            eventLog.status.isInterruptPending = true
            raise(.eventLog)
        }
        return .logged
    }
}

extension PhysicalMemory {
    /// Writes `entry` at `address` and returns whether its 64 bytes are memory.
    fileprivate func store(_ entry: EventLogEntry, at address: HostPhysicalAddress) -> Bool {
        guard unsafe pointer(to: address, byteCount: UInt64(EventLogEntry.byteCount)) != nil else { return false }
        let record = entry.record
        let words: InlineArray<8, UInt64> = [
            entry.word0, entry.word1, entry.word2, 0, record.word0, record.word1, record.word2, record.word3,
        ]
        for index in words.indices { store64(words[index], at: address.advanced(by: UInt64(index) * 8)) }
        return true
    }
}
