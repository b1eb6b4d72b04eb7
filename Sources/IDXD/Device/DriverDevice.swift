internal import DSA
public import DSASpec
internal import PCIe

/// What the driver keeps of a device (dsa-device 8.2). States are the device's own and not kept.
public struct DriverDevice: Sendable {
    /// N of `dsaN`.
    public let number: Int
    /// The device's place in the machine.
    public let index: Int
    /// What the device was built with.
    let profile: DeviceProfile
    /// Where its function is on the bus.
    let requester: RequesterID

    /// The driver `idxd` has the device.
    public internal(set) var isBound = false
    /// `read_buffer_limit`; 0 leaves the device's register alone.
    public internal(set) var readBufferLimit = 0
    /// `event_log_size`, in entries.
    public internal(set) var eventLogSize = Self.eventLogSizes.lowerBound
    /// `cmd_status`.
    public internal(set) var commandStatus = CommandStatusCode.success
    /// SWERROR as the driver found it last.
    public internal(set) var softwareError = SoftwareError()
    /// By index.
    public internal(set) var workQueues: [DriverWorkQueue]
    /// By index.
    public internal(set) var groups: [DriverGroup]
    /// The group of each engine.
    public internal(set) var engineGroups: [Int?]
    /// What a request still has to do with the device.
    var job: Job?
    /// What the registers said when the driver had last written them.
    var seen = SeenConfiguration()

    /// What `event_log_size` takes.
    static let eventLogSizes = 64...65_535
    /// Parts up to this version have one traffic class for all.
    static let lastVersionOfFixedTrafficClasses: UInt16 = 0x200

    /// The configuration in the registers of a device.
    struct SeenConfiguration: Sendable {
        var workQueues: [WorkQueueConfiguration] = []
        var groups: [GroupConfiguration] = []
    }

    init(number: Int, index: Int, profile: DeviceProfile, requester: RequesterID) {
        self.number = number
        self.index = index
        self.profile = profile
        self.requester = requester
        workQueues = Array(repeating: DriverWorkQueue(profile: profile), count: profile.workQueueCount)
        groups = Array(repeating: DriverGroup(profile: profile), count: profile.groupCount)
        engineGroups = Array(repeating: nil, count: profile.engineCount)
    }

    /// `dsaN`.
    public var name: String { "dsa\(number)" }
    /// `wqN.M`.
    public func workQueueName(_ queue: Int) -> String { "wq\(number).\(queue)" }
    /// `groupN.M`.
    public func groupName(_ group: Int) -> String { "group\(number).\(group)" }
    /// `engineN.M`.
    public func engineName(_ engine: Int) -> String { "engine\(number).\(engine)" }

    var isConfigurable: Bool { profile.general.supportsConfiguration }
    var hasEventLog: Bool { profile.general.eventLogEntryByteCount != nil }

    /// Read buffers that no group has reserved.
    var freeReadBuffers: Int { profile.readBufferCount - groups.reduce(0) { $0 + $1.readBuffersReserved } }

    func engineCount(inGroup group: Int) -> Int { engineGroups.count { $0 == group } }

    /// What a Reset Device leaves: nothing.
    mutating func clearAfterReset() {
        readBufferLimit = 0
        for group in groups.indices { groups[group].clearAfterReset(profile: profile) }
        for engine in engineGroups.indices { engineGroups[engine] = nil }
        for queue in workQueues.indices {
            workQueues[queue].clearAfterReset(profile: profile)
            workQueues[queue].size = 0
            workQueues[queue].group = nil
        }
    }
}
