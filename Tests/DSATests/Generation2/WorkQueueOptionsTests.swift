import DSA
import DSASpec
import PCIe
import Testing

extension DeviceFixture {
    /// A generation 2 device with one SWQ after `change`, whose function may ask for pages.
    fileprivate static func generation2(
        engineCount: Int = 1, _ change: (inout WorkQueueConfiguration) -> Void = { _ in }
    ) throws -> DeviceFixture {
        var profile = DeviceProfile.dsa2
        profile.engineCount = engineCount
        profile.general = GeneralCapabilities(rawValue: profile.general.rawValue | 1 << 9)
        let fixture = try DeviceFixture(profile: profile)
        try #require(fixture.device.setPageRequests(isEnabled: true, allocation: 512) == true)
        var queue = WorkQueueConfiguration.shared()
        change(&queue)
        try fixture.enable([queue])
        return fixture
    }

    fileprivate func record(at page: Int) -> CompletionRecord {
        let bytes = read(32, at: self.page(page))
        return unsafe bytes.withUnsafeBytes { unsafe CompletionRecord(loading: $0.baseAddress!) }
    }
}

@Suite("A generation 2 part")
struct Generation2Tests {
    @Test func `It shows version 2_0, wide WQCFG entries, OPCFG, PRS Disable and limits of descriptors in progress`()
        throws
    {
        let fixture = try DeviceFixture(profile: .dsa2)
        #expect(fixture.read32(.version) == 0x200)
        #expect(fixture.read64(0x10) == GeneralCapabilities.dsa2.rawValue)
        let queues = WorkQueueCapabilities(rawValue: fixture.read64(0x20))
        #expect(queues.entryByteCount == 64)
        #expect(queues.features.isSuperset(of: [.atsDisable, .operationConfiguration, .prsDisable]))
        #expect(GroupCapabilities(rawValue: fixture.read64(0x30)).features.contains(.progressLimits))
        let engines = EngineCapabilities(rawValue: fixture.read64(0x38))
        #expect((engines.workDescriptorCount, engines.batchDescriptorCount) == (128, 16))
    }

    @Test func `A generation 1 part may have WQCFG entries of 64 bytes, whose second half reads 0 and takes nothing`()
        throws
    {
        for stride in OpenPoints.WorkQueueConfigurationStride.allCases {
            var profile = DeviceProfile.dsa1
            profile.openPoints.workQueueConfigurationStride = stride
            let fixture = try DeviceFixture(profile: profile)
            let capabilities = WorkQueueCapabilities(rawValue: fixture.read64(0x20))
            #expect(capabilities.entryByteCount == Int(stride.rawValue))
            #expect(fixture.workQueueOffset(1) - fixture.workQueueOffset(0) == Int(stride.rawValue))
            fixture.write32(fixture.workQueueOffset(1), 5)
            #expect(fixture.device.workQueues[1].configuration.size == 5)
            guard stride == .bytes64 else { continue }
            for offset in Swift.stride(from: 32, to: 64, by: 4) {
                fixture.write32(fixture.workQueueOffset(0) + offset, .max)
                #expect(fixture.read32(fixture.workQueueOffset(0) + offset) == 0)
            }
            #expect(fixture.device.workQueues[0].configuration.operations == nil)
        }
    }
}

@Suite("OPCFG")
struct OperationConfigurationTests {
    @Test func `Members of a batch are held to the OPCFG of its WQ`() throws {
        let fixture = try DeviceFixture.generation2 {
            $0.operations = OpcodeSet(bits: 1 << Opcode.batch.rawValue | 1 << Opcode.noOp.rawValue)
        }
        fixture.writeList(
            [
                fixture.noOp(record: 1),
                fixture.descriptor(.fill, record: 2, destination: fixture.page(22), size: 8),
            ],
            at: fixture.page(20))
        try fixture.enqueue(fixture.batch(list: fixture.page(20), count: 2, record: 0))
        fixture.run()
        #expect((0...2).map { fixture.status($0) } == [.batchError, .success, .unsupportedOperation])
    }

    @Test func `Each WQ has its own`() throws {
        let fixture = try DeviceFixture(profile: .dsa2)
        var narrow = WorkQueueConfiguration.shared()
        narrow.operations = OpcodeSet(bits: 1)
        try fixture.enable([narrow, .shared()])
        for queue in 0...1 {
            try fixture.enqueue(
                fixture.descriptor(.fill, record: queue, destination: fixture.page(22), size: 8), to: queue)
        }
        fixture.run()
        #expect((0...1).map { fixture.status($0) } == [.unsupportedOperation, .success])
    }
}

@Suite("PRS Disable")
struct PRSDisableTests {
    @Test func `A WQ with PRS Disable asks for no page: records, lists and readbacks fail at once`() throws {
        let fixture = try DeviceFixture.generation2 { $0.prsDisable = true }
        try fixture.unmap(page: 30)
        let missing = LinearAddress(rawValue: fixture.page(30))
        var lost = fixture.noOp(record: 0)
        lost.completionRecordAddress = missing
        try fixture.enqueue(lost)
        fixture.run()
        #expect(fixture.device.softwareError.code == .completionRecordPageFault)
        try fixture.enqueue(fixture.batch(list: fixture.page(30), count: 2, record: 1))
        var drain = fixture.descriptor(.drain, record: 2, flags: .readbackAddress1Valid)
        drain.readbackAddress1 = missing
        try fixture.enqueue(drain)
        fixture.run()
        #expect((1...2).map { fixture.status($0) } == [.batchListPageFault, .readbackPageFault])
        #expect(fixture.device.sentPageRequests.isEmpty)
    }

    @Test func `A WQ beside it still asks`() throws {
        let fixture = try DeviceFixture(profile: .dsa2)
        try #require(fixture.device.setPageRequests(isEnabled: true, allocation: 512) == true)
        var silent = WorkQueueConfiguration.shared()
        silent.prsDisable = true
        try fixture.enable([silent, .shared()])
        try fixture.unmap(page: 30)
        for queue in 0...1 {
            try fixture.enqueue(fixture.batch(list: fixture.page(30), count: 2, record: queue), to: queue)
        }
        fixture.run()
        #expect(fixture.device.sentPageRequests.map(\.address.rawValue) == [fixture.page(30)])
        #expect((0...1).map { fixture.status($0) } == [.batchListPageFault, .none])
    }

    @Test func `With the event log a Drain of a WQ with PRS Disable reports there, of a WQ without it does not`() throws
    {
        for isDisabled in [false, true] {
            var queue = WorkQueueConfiguration.shared()
            queue.prsDisable = isDisabled
            let log = try EventLogFixture(queues: [queue], hasPageRequests: true)
            try log.run(log.fixture.descriptor(.drain, record: 0))
            #expect(log.entries.map(\.code) == (isDisabled ? [.drainInLog] : []))
            #expect(log.fixture.status(0) == (isDisabled ? .none : .success))
        }
    }
}

@Suite("ATS Disable")
struct ATSDisableTests {
    private func fixture() throws -> DeviceFixture {
        let fixture = try DeviceFixture.generation2 { $0.atsDisable = true }
        try fixture.unmap(page: 28)
        try fixture.map(page: 31, writable: false)
        return fixture
    }

    @Test func `A read that faults ends with 0x20 and asks for no page`() throws {
        let fixture = try fixture()
        try fixture.enqueue(
            fixture.descriptor(
                .memoryMove, record: 0, source: fixture.page(28), destination: fixture.page(20), size: 64))
        var crc = fixture.descriptor(.crcGeneration, record: 1, flags: .readCRCSeed, source: fixture.page(20), size: 8)
        crc.crcSeedAddress = LinearAddress(rawValue: fixture.page(28))
        try fixture.enqueue(crc)
        try fixture.enqueue(fixture.batch(list: fixture.page(28), count: 2, record: 2))
        var drain = fixture.descriptor(.drain, record: 3, flags: .readbackAddress1Valid)
        drain.readbackAddress1 = LinearAddress(rawValue: fixture.page(28))
        try fixture.enqueue(drain)
        fixture.run()
        #expect((0...3).allSatisfy { fixture.status($0) == .hardwareError })
        #expect(fixture.device.sentPageRequests.isEmpty)
    }

    @Test(arguments: [28, 31])
    func `A write that faults is lost, the status is success`(page: Int) throws {
        let fixture = try fixture()
        let source = [UInt8](repeating: 0x5A, count: 3 * 4096)
        fixture.write(source, at: fixture.page(20))
        let before = fixture.read(4096, at: fixture.page(31))
        // From the middle of the page before to the middle of the page after.
        let start = fixture.page(page) - 2048
        try fixture.enqueue(
            fixture.descriptor(.memoryMove, record: 0, source: fixture.page(20), destination: start, size: 8192))
        fixture.run()
        #expect(fixture.status(0) == .success)
        #expect(fixture.read(2048, at: start) == Array(source.prefix(2048)))
        #expect(fixture.read(4096, at: fixture.page(31)).suffix(2048) == before.suffix(2048))
        if page == 31 {
            #expect(fixture.read(4096, at: fixture.page(31)) == before)
            #expect(fixture.read(2048, at: fixture.page(32)) == Array(source.prefix(2048)))
        }
    }

    @Test func `A backward move loses what it writes to a page that faults, and nothing else`() throws {
        let fixture = try fixture()
        let bytes = (0..<3 * 4096).map { UInt8(truncatingIfNeeded: $0 / 7) }
        fixture.write(bytes, at: fixture.page(32))
        let target = fixture.page(33) - 100
        try fixture.map(page: 33, writable: false)
        let untouched = fixture.read(4096, at: fixture.page(33))
        try fixture.enqueue(
            fixture.descriptor(.memoryMove, record: 0, source: fixture.page(32), destination: target, size: 8192))
        fixture.run()
        #expect(fixture.status(0) == .success)
        #expect(fixture.read(4096, at: fixture.page(33)) == untouched)
        #expect(fixture.read(100, at: target) == Array(bytes[0..<100]))
        #expect(fixture.read(8192 - 4196, at: fixture.page(34)) == Array(bytes[4196..<8192]))
    }

    @Test func `A record that faults is lost, and nobody hears of it`() throws {
        let fixture = try fixture()
        var noOp = fixture.noOp(record: 0)
        noOp.completionRecordAddress = LinearAddress(rawValue: fixture.page(31))
        try fixture.enqueue(noOp)
        fixture.run()
        #expect(fixture.record(at: 31).status == .none)
        #expect(!fixture.device.softwareError.isValid)
        #expect(fixture.device.recordCount == 0)
        #expect(fixture.device.workQueues[0].counts.completed == 1)
    }

    @Test func `What does not fault is as with ATS`() throws {
        let fixture = try fixture()
        fixture.write([1, 2, 3, 4], at: fixture.page(20))
        try fixture.enqueue(
            fixture.descriptor(.memoryMove, record: 0, source: fixture.page(20), destination: fixture.page(22), size: 4)
        )
        fixture.run()
        #expect(fixture.status(0) == .success)
        #expect(fixture.read(4, at: fixture.page(22)) == [1, 2, 3, 4])
    }
}

@Suite("Descriptors in progress")
struct ProgressLimitTests {
    /// An engine has one descriptor from a WQ at a time and works the members of a batch one after the other: one work
    /// and one batch descriptor in progress, which no limit can go below.
    @Test(arguments: [UInt8(0), 1, 2, 3])
    func `No engine has more in progress than its group's limit`(shift: UInt8) throws {
        var profile = DeviceProfile.dsa2
        profile.engineCount = 2
        let fixture = try DeviceFixture(profile: profile)
        var flags = profile.powerOnGroupFlags
        flags.workDescriptorLimitShift = shift
        flags.batchDescriptorLimitShift = shift
        try #require(fixture.device.configure(group: 0, flags: flags) == true)
        #expect(fixture.read64(fixture.groupOffset(0) + 40) >> 32 & 0x33 == UInt64(shift) << 4 | UInt64(shift))
        try fixture.enable([.shared(size: 64)])
        let capabilities = profile.engineCapabilities
        let limits = (
            work: capabilities.workDescriptorCount >> Int(shift), batch: capabilities.batchDescriptorCount >> Int(shift)
        )
        #expect(limits.work >= 1 && limits.batch >= 1)
        fixture.writeList((0..<8).map { fixture.noOp(record: $0 + 100) }, at: fixture.page(20))
        for slot in 0..<32 {
            try fixture.enqueue(
                slot.isMultiple(of: 2)
                    ? fixture.batch(list: fixture.page(20), count: 8, record: slot) : fixture.noOp(record: slot))
        }
        var most = 0
        while fixture.stepOnce() { most = max(most, fixture.device.workQueues[0].inProgress) }
        #expect(most > 0 && most <= profile.engineCount)
        #expect(most <= profile.engineCount * min(limits.work, limits.batch))
        #expect((0..<32).allSatisfy { fixture.status($0) == .success })
    }
}
