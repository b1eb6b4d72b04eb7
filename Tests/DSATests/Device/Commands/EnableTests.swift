import DSA
import DSASpec
import PCIe
import Testing

/// A configuration of the device and what Enable Device says to it.
struct DeviceEnabling: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let sizes: [UInt16]
    let groups: [GroupConfiguration]
    let error: CommandError

    init(_ name: String, _ sizes: [UInt16], _ groups: [(UInt64, UInt64)], _ error: CommandError) {
        testDescription = name
        self.sizes = sizes
        self.groups = groups.map { GroupConfiguration(workQueues: $0.0, engines: $0.1) }
        self.error = error
    }

    static let all = [
        DeviceEnabling("no WQ at all", [], [], .none),
        DeviceEnabling("all entries in one WQ", [128], [(1, 0xF)], .none),
        DeviceEnabling("one entry too many", [128, 1], [(3, 0xF)], .totalSizeExceeded),
        DeviceEnabling("sizes whose sum needs more than 16 bits", [0xFFFF, 0xFFFF], [(3, 1)], .totalSizeExceeded),
        DeviceEnabling("WQs without engines", [8], [(1, 0)], .incompleteGroup),
        DeviceEnabling("engines without WQs", [8], [(1, 1), (0, 2)], .incompleteGroup),
        DeviceEnabling("a WQ with a size in no group", [8, 8], [(1, 1)], .workQueueGroupConflict),
        DeviceEnabling("a WQ in two groups", [8, 8], [(3, 1), (2, 2)], .workQueueGroupConflict),
        DeviceEnabling("a WQ without size in a group", [8], [(3, 1)], .workQueueGroupConflict),
        DeviceEnabling("a WQ that does not exist", [8], [(1 << 8 | 1, 1)], .workQueueGroupConflict),
        DeviceEnabling("an engine in two groups", [8, 8], [(1, 3), (2, 2)], .engineInSeveralGroups),
        DeviceEnabling("an engine that does not exist", [8], [(1, 1 << 4)], .engineInSeveralGroups),
        DeviceEnabling("an engine in no group", [8], [(1, 1)], .none),
    ]
}

/// A change to an SWQ that could be enabled, and what Enable WQ says to it.
struct QueueEnabling: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let error: CommandError
    let change: @Sendable (inout WorkQueueConfiguration, inout DeviceProfile) -> Void

    init(
        _ name: String, _ error: CommandError,
        _ change: @escaping @Sendable (inout WorkQueueConfiguration, inout DeviceProfile) -> Void
    ) {
        testDescription = name
        self.error = error
        self.change = change
    }

    static let all = [
        QueueEnabling("as it is", .none) { _, _ in },
        QueueEnabling("Vector 31: priority 0", .workQueuePriorityZero) { queue, _ in queue.priority = 0 },
        QueueEnabling("a priority of 16", .workQueuePriorityZero) { queue, _ in queue.priority = 16 },
        QueueEnabling("block on fault without page requests", .blockOnFaultUnsupported) { queue, _ in
            queue.blockOnFaultEnable = true
        },
        QueueEnabling("Vector 31, D-05: an SWQ without PASID Enable", .pasidEnableConflict) { queue, _ in
            queue.pasidEnable = false
        },
        QueueEnabling("D-05: an SWQ while the PCIe PASID capability is off", .pasidEnableConflict) { _, profile in
            profile.isPASIDEnabled = false
        },
        QueueEnabling("a DWQ with PASID while the PCIe PASID capability is off", .pasidEnableConflict) {
            queue, profile in
            queue.mode = .dedicated
            profile.isPASIDEnabled = false
        },
        QueueEnabling("a DWQ without PASID while the PCIe PASID capability is off", .none) { queue, profile in
            queue.mode = .dedicated
            queue.pasidEnable = false
            profile.isPASIDEnabled = false
        },
        QueueEnabling("a batch exponent of 0", .invalidMaximumBatch) { queue, _ in queue.maximumBatchShift = 0 },
        QueueEnabling("a batch exponent above GENCAP", .invalidMaximumBatch) { queue, _ in
            queue.maximumBatchShift = GeneralCapabilities.dsa1.maximumBatchShift + 1
        },
        QueueEnabling("a transfer exponent above GENCAP", .invalidMaximumTransfer) { queue, profile in
            profile.general = GeneralCapabilities(rawValue: profile.general.rawValue & ~(0x1F << 16) | 20 << 16)
            queue.maximumTransferShift = 21
        },
        QueueEnabling("a transfer exponent of 0", .none) { queue, _ in queue.maximumTransferShift = 0 },
        QueueEnabling("a privileged DWQ without privileged mode", .privilegeUnsupported) { queue, profile in
            queue.mode = .dedicated
            queue.isPrivileged = true
            profile.isPrivilegedModeEnabled = false
        },
        QueueEnabling("a privileged DWQ without PASID, without privileged mode", .none) { queue, profile in
            queue.mode = .dedicated
            queue.isPrivileged = true
            queue.pasidEnable = false
            profile.isPrivilegedModeEnabled = false
        },
        QueueEnabling("a threshold above the size", .none) { queue, _ in queue.threshold = 0xFFFF },
    ]
}

@Suite("Enable commands")
struct EnableTests {
    @Test(arguments: DeviceEnabling.all)
    func `Enable Device checks the configuration`(enabling: DeviceEnabling) throws {
        let fixture = try DeviceFixture()
        for (index, size) in enabling.sizes.enumerated() {
            let isTaken = fixture.device.configure(workQueue: index, as: .shared(size: size))
            #expect(isTaken)
        }
        for (index, group) in enabling.groups.enumerated() {
            let isTaken = fixture.device.configure(group: index, as: group)
            #expect(isTaken)
        }
        #expect(fixture.device.execute(.enableDevice) == .completed(enabling.error))
        #expect(fixture.device.state == (enabling.error == .none ? .enabled : .disabled))
    }

    @Test func `Enable Device of an enabled device fails with 0x10`() throws {
        let fixture = try DeviceFixture.sharedQueue()
        #expect(fixture.device.execute(.enableDevice) == .completed(.deviceNotDisabled))
        #expect(CommandError.deviceNotDisabled.rawValue == 0x10)
    }

    @Test(arguments: QueueEnabling.all)
    func `D-05: Enable WQ checks the configuration`(enabling: QueueEnabling) throws {
        var configuration = WorkQueueConfiguration.shared()
        var profile = DeviceProfile.dsa1
        enabling.change(&configuration, &profile)
        let fixture = try DeviceFixture(profile: profile)
        let isTaken = fixture.device.configure(workQueue: 0, as: configuration)
        #expect(isTaken)
        let isGrouped = fixture.device.configure(group: 0, as: GroupConfiguration(workQueues: 1, engines: 1))
        #expect(isGrouped)
        #expect(fixture.device.execute(.enableDevice) == .completed(.none))
        #expect(fixture.device.execute(.enableWorkQueue(0)) == .completed(enabling.error))
        #expect(fixture.device.workQueues[0].state == (enabling.error == .none ? .enabled : .disabled))
    }

    @Test func `Enable WQ on a disabled device, an enabled WQ, one that does not exist and one without size fails`()
        throws
    {
        let fixture = try DeviceFixture()
        #expect(fixture.device.execute(.enableWorkQueue(0)) == .completed(.deviceNotEnabled))
        try fixture.enable([.shared()])
        #expect(fixture.device.execute(.enableWorkQueue(0)) == .completed(.workQueueNotDisabled))
        #expect(fixture.device.execute(.enableWorkQueue(8)) == .completed(.invalidWorkQueueIndex))
        #expect(fixture.device.execute(.enableWorkQueue(255)) == .completed(.invalidWorkQueueIndex))
        // Vector 31: size 0.
        #expect(fixture.device.execute(.enableWorkQueue(1)) == .completed(.workQueueSizeZero))
    }

    @Test func `Vector 31: Enable WQ refuses priority 0 with 0x23, size 0 with 0x22, an SWQ without PASID with 0x26`()
        throws
    {
        let fixture = try DeviceFixture()
        var withoutPASID = WorkQueueConfiguration.shared(size: 8)
        withoutPASID.pasidEnable = false
        for (index, queue) in [WorkQueueConfiguration.shared(size: 8, priority: 0), withoutPASID].enumerated() {
            try #require(fixture.device.configure(workQueue: index, as: queue) == true)
        }
        try #require(fixture.device.configure(group: 0, as: GroupConfiguration(workQueues: 3, engines: 1)) == true)
        try #require(fixture.command(1) == 0)
        #expect(fixture.command(6, 0) == 0x23)
        #expect(fixture.command(6, 1) == 0x26)
        #expect(fixture.command(6, 2) == 0x22)
    }

    @Test func `The codes are those of tables 6.4 and 7.4`() {
        let codes: [(CommandError, UInt8)] = [
            (.none, 0x00), (.unsupportedCommand, 0x01), (.invalidWorkQueueIndex, 0x02), (.nonZeroReservedOperand, 0x04),
            (.deviceNotDisabled, 0x10), (.totalSizeExceeded, 0x14), (.incompleteGroup, 0x15),
            (.workQueueGroupConflict, 0x16), (.engineInSeveralGroups, 0x17), (.deviceNotEnabled, 0x20),
            (.workQueueNotDisabled, 0x21), (.workQueueSizeZero, 0x22), (.workQueuePriorityZero, 0x23),
            (.blockOnFaultUnsupported, 0x25), (.pasidEnableConflict, 0x26), (.invalidMaximumBatch, 0x27),
            (.invalidMaximumTransfer, 0x28), (.privilegeUnsupported, 0x2A), (.disableOfDisabledDevice, 0x31),
            (.workQueueNotEnabled, 0x32),
        ]
        for (error, code) in codes { #expect(error.rawValue == code) }
    }
}

@Suite("Configuration")
struct ConfigurationTests {
    @Test func `While a WQ is enabled only its threshold is written`() throws {
        let fixture = try DeviceFixture.sharedQueue()
        let before = fixture.device.workQueues[0].configuration
        var wanted = WorkQueueConfiguration.dedicated(size: 4, priority: 3)
        wanted.threshold = 5
        wanted.maximumBatchShift = 1
        let isTaken = fixture.device.configure(workQueue: 0, as: wanted)
        #expect(!isTaken)
        var expected = before
        expected.threshold = 5
        #expect(fixture.device.workQueues[0].configuration == expected)
    }

    @Test func `While the device is enabled a disabled WQ takes all but its size`() throws {
        let fixture = try DeviceFixture.sharedQueue(size: 16)
        try #require(fixture.device.execute(.disableWorkQueues(1)) == .completed(.none))
        let isTaken = fixture.device.configure(workQueue: 0, as: .dedicated(size: 4, priority: 3))
        #expect(!isTaken)
        #expect(fixture.device.workQueues[0].configuration == .dedicated(size: 16, priority: 3))
        let isTakenNow = fixture.device.configure(workQueue: 0, as: .dedicated(size: 16, priority: 4))
        #expect(isTakenNow)
        #expect(fixture.device.execute(.enableWorkQueue(0)) == .completed(.none))
        fixture.device.post(fixture.noOp(record: 0), to: .of(0))
        fixture.run()
        #expect(fixture.status(0) == .success, "the WQ is dedicated now")
    }

    @Test func `While the device is enabled groups keep their members`() throws {
        let fixture = try DeviceFixture.sharedQueue()
        let before = fixture.device.groups
        let isTaken = fixture.device.configure(group: 1, as: GroupConfiguration(workQueues: 2, engines: 1))
        #expect(!isTaken)
        #expect(fixture.device.groups == before)
    }

    @Test func `The limits of a WQ count from its next Enable on`() throws {
        let fixture = try DeviceFixture.sharedQueue()
        try #require(fixture.device.execute(.disableWorkQueues(1)) == .completed(.none))
        var configuration = fixture.device.workQueues[0].configuration
        configuration.maximumTransferShift = 12
        let isTaken = fixture.device.configure(workQueue: 0, as: configuration)
        #expect(isTaken)
        try #require(fixture.device.execute(.enableWorkQueue(0)) == .completed(.none))
        for (slot, size) in [4096, 4097].enumerated() {
            try fixture.enqueue(
                fixture.descriptor(.fill, record: slot, destination: fixture.page(20), size: size))
        }
        fixture.run()
        #expect(fixture.status(0) == .success)
        #expect(fixture.status(1) == .invalidTransferSize)
    }
}
