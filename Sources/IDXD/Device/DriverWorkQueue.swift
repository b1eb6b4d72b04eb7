internal import DSA
public import DSASpec

/// Whom a WQ is for: its attribute `type`.
public enum WorkQueueType: String, Hashable, Sendable, CaseIterable {
    case none
    case kernel
    case user
}

/// The drivers of the bus (dsa-device 8.1).
public enum BusDriver: String, Hashable, Sendable, CaseIterable {
    /// Devices.
    case idxd
    /// WQs for programs.
    case user
    /// WQs for the kernel's own copies.
    case dmaengine
    /// WQs of IAX devices for the kernel's compression.
    case crypto
    /// None by itself: forwards each object to the driver of its kind.
    case dsa
}

/// What the driver keeps of a WQ (dsa-device 8.4). It reaches the device when the device or the WQ is bound.
public struct DriverWorkQueue: Sendable {
    /// The group, `nil` for none.
    public internal(set) var group: Int?
    /// Mode dedicated.
    public internal(set) var isDedicated = false
    /// Entries.
    public internal(set) var size = 0
    /// 0 to 15.
    public internal(set) var priority: UInt8 = 0
    /// BOF Enable.
    public internal(set) var blockOnFault = false
    /// Entries that users may fill.
    public internal(set) var threshold = 0
    /// Whom it is for.
    public internal(set) var type = WorkQueueType.none
    /// Its name, at most 1024 bytes.
    public internal(set) var name: [UInt8] = []
    /// The driver that may bind it, at most 128 bytes.
    public internal(set) var driverName: [UInt8] = []
    /// Maximum Transfer Size is 2 to the power of this.
    public internal(set) var maximumTransferShift = Self.standardTransferShift
    /// Maximum Batch Size is 2 to the power of this.
    public internal(set) var maximumBatchShift = Self.standardBatchShift
    /// ATS Disable.
    public internal(set) var atsDisable = false
    /// PRS Disable.
    public internal(set) var prsDisable = false
    /// How often the kernel executes ENQCMDS again.
    public internal(set) var retries = Self.standardRetries
    /// OPCFG.
    public internal(set) var operations: OpcodeSet

    /// The driver it is bound to.
    public internal(set) var driver: BusDriver?
    /// The minor number of its device node while there is one.
    public internal(set) var minor: Int?
    /// Files that are open.
    public internal(set) var clientCount = 0
    /// Files that are being opened; they exclude others from a dedicated WQ.
    var openingCount = 0
    /// Counts the binds, so that files of an earlier one can be told.
    var generation: UInt32 = 0

    /// The longest name.
    public static let nameByteCountMax = 1024
    /// The longest name of a driver.
    public static let driverNameByteCountMax = 128
    /// 2 MiB.
    static let standardTransferShift: UInt8 = 21
    /// 32 descriptors.
    static let standardBatchShift: UInt8 = 5
    /// What `enqcmds_retries` begins with.
    static let standardRetries = 32
    /// The most that it keeps.
    static let retriesMax = 64
    /// What a WQ that has a group and a type, but no size, gets.
    static let standardSize = 16

    init(profile: DeviceProfile) {
        operations = profile.operations
    }

    /// What a Reset WQ leaves: size and group.
    mutating func clearAfterReset(profile: DeviceProfile) {
        isDedicated = false
        priority = 0
        blockOnFault = false
        threshold = 0
        type = .none
        name = []
        maximumTransferShift = Self.standardTransferShift
        maximumBatchShift = Self.standardBatchShift
        atsDisable = false
        prsDisable = false
        retries = Self.standardRetries
        operations = profile.operations
    }
}

/// What the driver keeps of a group (dsa-device 8.3).
public struct DriverGroup: Sendable {
    /// Read buffers that no other group gets.
    public internal(set) var readBuffersReserved = 0
    /// The most read buffers the group may occupy; 0 is written to the device as all.
    public internal(set) var readBuffersAllowed: Int
    /// The device's limit holds for the group too.
    public internal(set) var usesReadBufferLimit = false
    /// TC-A, `nil` when it was never set.
    public internal(set) var trafficClassA: UInt8?
    /// TC-B, `nil` when it was never set.
    public internal(set) var trafficClassB: UInt8?
    /// Work descriptors in progress, as a share of 1/2^n.
    public internal(set) var workDescriptorLimitShift: UInt8 = 0
    /// Batch descriptors in progress, as a share of 1/2^n.
    public internal(set) var batchDescriptorLimitShift: UInt8 = 0

    init(profile: DeviceProfile) {
        readBuffersAllowed = profile.readBufferCount
        setStandardTrafficClasses(profile)
    }

    private mutating func setStandardTrafficClasses(_ profile: DeviceProfile) {
        let standard: UInt8? = profile.version <= DriverDevice.lastVersionOfFixedTrafficClasses ? 1 : nil
        (trafficClassA, trafficClassB) = (standard, standard)
    }

    /// What a Reset Device leaves.
    mutating func clearAfterReset(profile: DeviceProfile) {
        self = Self(profile: profile)
        readBuffersAllowed = 0
    }
}
