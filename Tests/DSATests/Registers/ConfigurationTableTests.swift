import DSA
import DSASpec
import PCIe
import Testing

/// A dword of WQCFG, and the bits that a write reaches in each state (dsa-device 6.4).
struct WorkQueueDword: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let index: Int
    /// Device Disabled.
    let disabledDevice: UInt32
    /// Device Enabled, WQ Disabled.
    let disabledQueue: UInt32
    /// WQ Enabled.
    let enabledQueue: UInt32

    static let all = [
        WorkQueueDword(
            testDescription: "size", index: 0, disabledDevice: 0xFFFF, disabledQueue: 0, enabledQueue: 0),
        WorkQueueDword(
            testDescription: "threshold", index: 1, disabledDevice: 0xFFFF, disabledQueue: 0xFFFF,
            enabledQueue: 0xFFFF),
        WorkQueueDword(
            testDescription: "mode, flags, priority, PASID", index: 2, disabledDevice: 0x3FFF_FFFF,
            disabledQueue: 0x3FFF_FFFF, enabledQueue: 0),
        WorkQueueDword(
            testDescription: "maximum sizes", index: 3, disabledDevice: 0x1FFF, disabledQueue: 0x1FFF, enabledQueue: 0),
        WorkQueueDword(
            testDescription: "occupancy interrupt handle", index: 4, disabledDevice: 0x1_FFFF, disabledQueue: 0x1_FFFF,
            enabledQueue: 0x1_FFFF),
        WorkQueueDword(
            testDescription: "occupancy limit", index: 5, disabledDevice: 0x1_FFFF, disabledQueue: 0x1_FFFF,
            enabledQueue: 0x1_FFFF),
        WorkQueueDword(testDescription: "status", index: 6, disabledDevice: 0, disabledQueue: 0, enabledQueue: 0),
        WorkQueueDword(testDescription: "unused", index: 7, disabledDevice: 0, disabledQueue: 0, enabledQueue: 0),
        WorkQueueDword(
            testDescription: "OPCFG 31-0", index: 8, disabledDevice: .max, disabledQueue: .max, enabledQueue: 0),
        WorkQueueDword(
            testDescription: "OPCFG 63-32", index: 9, disabledDevice: .max, disabledQueue: .max, enabledQueue: 0),
        WorkQueueDword(
            testDescription: "OPCFG 95-64", index: 10, disabledDevice: 0, disabledQueue: 0, enabledQueue: 0),
        WorkQueueDword(
            testDescription: "OPCFG 255-224", index: 15, disabledDevice: 0, disabledQueue: 0, enabledQueue: 0),
    ]
}

@Suite("WQCFG")
struct WorkQueueTableTests {
    /// A device with OPCFG, so with entries of 64 bytes.
    private func profile() -> DeviceProfile {
        var profile = DeviceProfile.dsa1
        profile.workQueueFeatures.insert(.operationConfiguration)
        return profile
    }

    private func expect(_ fixture: DeviceFixture, _ row: WorkQueueDword, takes mask: UInt32) {
        let offset = fixture.workQueueOffset(1) + row.index * 4
        let before = fixture.registerImage
        for value in [UInt32.max, 0, 0x5A5A_5A5A] {
            let old = fixture.read32(offset)
            fixture.write32(offset, value)
            #expect(fixture.read32(offset) == old & ~mask | value & mask)
            fixture.write32(offset, old)
        }
        // An occupancy interrupt that is enabled fires on an empty WQ.
        fixture.write32(fixture.workQueueOffset(1) + 24, 1 << 16)
        fixture.write32(.interruptCause, 1 << 2)
        #expect(fixture.registerImage.changes(since: before) == [], "nothing else changes")
    }

    @Test(arguments: WorkQueueDword.all)
    func `Fields are written while the device is Disabled`(row: WorkQueueDword) throws {
        let fixture = try DeviceFixture(profile: profile())
        expect(fixture, row, takes: row.disabledDevice)
    }

    @Test(arguments: WorkQueueDword.all)
    func `All but the size are written while the WQ is Disabled`(row: WorkQueueDword) throws {
        let fixture = try DeviceFixture(profile: profile())
        try fixture.enable([.shared(size: 8), .shared(size: 8)])
        try #require(fixture.command(7, 2) == 0)
        expect(fixture, row, takes: row.disabledQueue)
    }

    @Test(arguments: WorkQueueDword.all)
    func `Threshold and occupancy interrupt are written at any time`(row: WorkQueueDword) throws {
        let fixture = try DeviceFixture(profile: profile())
        try fixture.enable([.shared(size: 8), .shared(size: 8)])
        expect(fixture, row, takes: row.enabledQueue)
    }

    @Test(arguments: WorkQueueDword.all)
    func `Without Configuration Support nothing is written`(row: WorkQueueDword) throws {
        var profile = profile()
        profile.general = GeneralCapabilities(rawValue: profile.general.rawValue & ~(1 << 31))
        expect(try DeviceFixture(profile: profile), row, takes: 0)
    }

    @Test func `A write in 8 bytes reaches two dwords, each by its own rule`() throws {
        let fixture = try DeviceFixture.sharedQueue(size: 16, threshold: 16)
        fixture.write64(fixture.workQueueOffset(0), 0x0000_0004_0000_0008)
        #expect(fixture.read64(fixture.workQueueOffset(0)) == 0x0000_0004_0000_0010)
    }

    @Test func `The status shows occupancy, mode support and state`() throws {
        let fixture = try DeviceFixture.sharedQueue()
        let status = fixture.workQueueOffset(0) + 24
        #expect(fixture.read32(status) == 0x6000_0000)
        fixture.holdEngines()
        for slot in 0..<3 { try fixture.enqueue(fixture.noOp(record: slot)) }
        #expect(fixture.read32(status) == 0x6000_0003)
        fixture.command(7, 1)
        #expect(fixture.read32(status) == 0xA000_0003)
        fixture.holdEngines(false)
        fixture.run()
        #expect(fixture.read32(status) == 0x2000_0000)
    }

    @Test func `Occupancy needs WQCAP bit 52, and mode support both modes`() throws {
        var profile = DeviceProfile.dsa1
        profile.workQueueFeatures = [.shared, .priority]
        let fixture = try DeviceFixture(profile: profile)
        try fixture.enable([.shared()])
        fixture.holdEngines()
        try fixture.enqueue(fixture.noOp(record: 0))
        #expect(fixture.read32(fixture.workQueueOffset(0) + 24) == 0x4000_0000)
    }

    @Test func `Values and registers are one configuration`() throws {
        let fixture = try DeviceFixture()
        let isTaken = fixture.device.configure(workQueue: 3, as: .dedicated(size: 12, priority: 7))
        #expect(isTaken)
        let entry = fixture.workQueueOffset(3)
        #expect(fixture.read64(entry) == 12)
        #expect(fixture.read64(entry + 8) == 0x0000_015F_1000_0B71)
        fixture.write32(entry + 8, 0x0000_0021)
        #expect(fixture.device.workQueues[3].configuration.priority == 2)
        #expect(fixture.device.workQueues[3].configuration.pasidEnable == false)
    }
}

@Suite("GRPCFG")
struct GroupTableTests {
    @Test func `Bitmaps and flags are written while the device is Disabled`() throws {
        let fixture = try DeviceFixture()
        for group in 0..<4 {
            let entry = fixture.groupOffset(group)
            let before = (0..<8).map { fixture.read64(entry + $0 * 8) }
            #expect(before == [0, 0, 0, 0, 0, 0x600_0000, 0, 0], "power-on: all read buffers allowed")
            for qword in 0..<8 { fixture.write64(entry + qword * 8, .max) }
            #expect(
                (0..<8).map { fixture.read64(entry + $0 * 8) } == [.max, 0, 0, 0, .max, 0x0FF0_FFBF, 0, 0],
                "WQs above 63 do not exist, nor do limits without capability")
            fixture.write32(entry + 4, 0)
            fixture.write(entry + 1, 1, 0)
            #expect(fixture.read64(entry) == 0xFFFF_00FF)
            fixture.write(entry + 32 + 6, 2, 0x1234)
            #expect(fixture.read64(entry + 32) == 0x1234_FFFF_FFFF_FFFF)
        }
        #expect(fixture.device.groups[0].workQueues == 0xFFFF_00FF)
    }

    @Test func `While the device is Enabled nothing is written`() throws {
        let fixture = try DeviceFixture.sharedQueue()
        let before = fixture.registerImage
        for group in 0..<4 {
            for qword in 0..<8 {
                fixture.write64(fixture.groupOffset(group) + qword * 8, .max)
                fixture.write64(fixture.groupOffset(group) + qword * 8, 0)
            }
        }
        #expect(fixture.registerImage.changes(since: before) == [])
    }

    @Test func `Limits exist with their capabilities`() throws {
        var profile = DeviceProfile.dsa1
        profile.groupFeatures = GroupFeatures(rawValue: .max)
        let fixture = try DeviceFixture(profile: profile)
        fixture.write64(fixture.groupOffset(0) + 40, .max)
        #expect(fixture.read64(fixture.groupOffset(0) + 40) == 0xFF33_0FF0_FFBF)
        profile.groupFeatures = []
        let plain = try DeviceFixture(profile: profile)
        #expect(plain.read64(plain.groupOffset(0) + 40) == 0)
        plain.write64(plain.groupOffset(0) + 40, .max)
        #expect(plain.read64(plain.groupOffset(0) + 40) == 0x3F)
        #expect(plain.read32(.generalConfiguration) == 0)
    }

    @Test(arguments: [0x02, 0x10] as [UInt64])
    func `A selector of a traffic class that is not enabled ends with 0x1E`(classes: UInt64) throws {
        let fixture = try DeviceFixture()
        fixture.write64(fixture.groupOffset(0) + 40, 0x600_0000 | classes)
        var settings = fixture.device.function
        settings.trafficClasses = 1
        fixture.device.pciConfigurationChanged(to: settings)
        try fixture.enable([.shared()])
        let move = { (slot: Int, flags: DescriptorFlags) in
            fixture.descriptor(
                .memoryMove, record: slot, flags: flags, source: fixture.page(20), destination: fixture.page(30),
                size: 64)
        }
        try fixture.enqueue(move(0, []))
        try fixture.enqueue(move(1, DescriptorFlags(rawValue: 1 << 9 | 1 << 10 | 1 << 12)))
        fixture.run()
        // TC-A 2 and TC-B 0, or TC-A 0 and TC-B 2: the selectors of the descriptor choose between them.
        #expect(fixture.status(classes == 0x02 ? 1 : 0) == .success)
        #expect(fixture.status(classes == 0x02 ? 0 : 1) != .success)
        #expect(fixture.device.softwareError.code == .invalidTrafficClass, "the record's class is disabled too")
    }
}

/// Read buffers and what Enable Device says to them (dsa-device 6.5).
struct ReadBuffers: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let total: Int
    /// Reserved, Allowed, uses the global limit; of groups of one engine each.
    let groups: [(UInt8, UInt8, Bool)]
    let limit: UInt8
    let error: UInt32

    init(
        _ name: String, total: Int = 74, _ groups: [(UInt8, UInt8, Bool)], limit: UInt8 = 74, _ error: UInt32
    ) {
        testDescription = name
        self.total = total
        self.groups = groups
        self.limit = limit
        self.error = error
    }

    static let all = [
        ReadBuffers("four groups reserve 3 of 74 and allow 65", Array(repeating: (3, 65, false), count: 4), 0),
        ReadBuffers(
            "four groups reserve 3 of 74 and one allows 66",
            [(3, 66, false)] + Array(repeating: (3, 65, false), count: 3), 0x18),
        ReadBuffers("allowed is 4 per engine", [(0, 4, false)], 0),
        ReadBuffers("allowed is less than 4 per engine", [(0, 3, false)], 0x18),
        ReadBuffers("allowed is less than reserved", [(9, 8, false)], 0x18),
        ReadBuffers("all are reserved", [(70, 70, false), (4, 4, false)], 0),
        ReadBuffers("more than all are reserved", [(70, 70, false), (5, 5, false)], 0x18),
        ReadBuffers("allowed is more than there are", [(0, 75, false)], 0x18),
        ReadBuffers(
            "the global limit is 4 per engine that is under it", [(0, 74, true), (0, 74, true), (0, 74, false)],
            limit: 8, 0),
        ReadBuffers(
            "the global limit is less than 4 per engine that is under it", [(0, 74, true), (0, 74, true)], limit: 7,
            0x18),
        ReadBuffers("a global limit that nobody is under", [(0, 74, false)], limit: 0, 0),
    ]
}

@Suite("Read buffers")
struct ReadBufferTests {
    private func enable(_ row: ReadBuffers, features: GroupFeatures = .dsa1) throws -> UInt32 {
        var profile = DeviceProfile.dsa1
        profile.readBufferCount = row.total
        profile.groupFeatures = features
        let fixture = try DeviceFixture(profile: profile)
        for (index, group) in row.groups.enumerated() {
            fixture.write32(fixture.workQueueOffset(index), 8)
            fixture.write64(fixture.groupOffset(index), 1 << UInt64(index))
            fixture.write64(fixture.groupOffset(index) + 32, 1 << UInt64(index))
            fixture.write64(
                fixture.groupOffset(index) + 40,
                UInt64(group.0) << 8 | UInt64(group.1) << 20 | (group.2 ? 1 << 7 : 0))
        }
        fixture.write(Register.generalConfiguration.offset, 1, UInt64(row.limit))
        return fixture.command(1)
    }

    @Test(arguments: ReadBuffers.all)
    func `Enable Device checks them`(row: ReadBuffers) throws {
        #expect(try enable(row) == row.error)
    }

    @Test(arguments: ReadBuffers.all)
    func `A device without read buffer control checks nothing`(row: ReadBuffers) throws {
        #expect(try enable(row, features: []) == 0)
    }

    @Test func `A group without engines breaks no rule with its power-on value`() throws {
        #expect(try enable(ReadBuffers("", [(20, 40, false)], 0)) == 0)
    }
}
