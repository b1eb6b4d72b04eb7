import DSA
import DSASpec
import PCIe
import Testing

@Suite("Event log")
struct EventLogTests {
    // MARK: Enabling

    @Test func `A generation 1 device has no event log`() throws {
        let fixture = try DeviceFixture()
        #expect(fixture.device.configure(EventLogConfiguration()) == false)
        #expect(fixture.device.enableEventLog(true) == false)
        fixture.device.write(EventLogStatus(rawValue: 5))
        #expect(fixture.device.eventLogStatus.rawValue == 0)
    }

    @Test func `EVLCFG is written while the device is disabled, and Enable Device zeroes EVLSTATUS`() throws {
        let log = try EventLogFixture()
        try log.run(log.broken())
        #expect(log.status.tail == 1)
        #expect(log.fixture.device.configure(EventLogConfiguration()) == false)
        #expect(log.fixture.device.enableEventLog(false) == false)
        #expect(log.fixture.device.eventLogConfiguration.size == 64)
        #expect(log.fixture.device.execute(.disableDevice) == .completed(.none))
        #expect(log.status.tail == 1)
        #expect(log.fixture.device.execute(.enableDevice) == .completed(.none))
        #expect(log.status.rawValue == 0)
    }

    @Test func `Reset Device returns EVLCFG to power-on and leaves EVLSTATUS`() throws {
        let log = try EventLogFixture()
        try log.run(log.broken())
        #expect(log.fixture.device.execute(.resetDevice) == .completed(.none))
        #expect(log.fixture.device.eventLogConfiguration == EventLogConfiguration())
        #expect(log.status.tail == 1)
    }

    @Test(arguments: [
        ("63 entries", { @Sendable (configuration: inout EventLogConfiguration) in configuration.size = 63 }, true),
        ("64 entries", { @Sendable configuration in configuration.size = 64 }, false),
        ("65,535 entries", { @Sendable configuration in configuration.size = 65_535 }, false),
    ])
    func `Enable Device refuses an event log of fewer than 64 entries with 0x19`(
        name: String, change: @Sendable (inout EventLogConfiguration) -> Void, isRefused: Bool
    ) throws {
        let fixture = try DeviceFixture(profile: .dsa2)
        var configuration = EventLogConfiguration()
        change(&configuration)
        try #require(fixture.device.configure(configuration) == true)
        // Not in use, its configuration does not matter.
        #expect(fixture.device.execute(.enableDevice) == .completed(.none))
        #expect(fixture.device.execute(.disableDevice) == .completed(.none))
        try #require(fixture.device.enableEventLog(true) == true)
        #expect(
            fixture.device.execute(.enableDevice) == .completed(isRefused ? .invalidEventLog : .none), "\(name)")
    }

    @Test func `Enable Device refuses an event log with a PASID or privilege that the function cannot send`() throws {
        for (hasPASID, isPrivileged, expected) in [
            (false, false, CommandError.invalidEventLog), (true, true, .invalidEventLog), (true, false, .none),
        ] {
            var profile = DeviceProfile.dsa2
            profile.isPASIDEnabled = hasPASID
            profile.isPrivilegedModeEnabled = false
            let fixture = try DeviceFixture(profile: profile)
            var configuration = EventLogConfiguration()
            configuration.size = 64
            configuration.isPASIDEnabled = true
            configuration.isPrivileged = isPrivileged
            try #require(fixture.device.configure(configuration) == true)
            try #require(fixture.device.enableEventLog(true) == true)
            #expect(fixture.device.execute(.enableDevice) == .completed(expected))
        }
    }

    // MARK: Entries

    @Test func `With the event log in use an error goes there and not to SWERROR`() throws {
        let log = try EventLogFixture()
        try log.run(log.broken())
        #expect(!log.fixture.device.softwareError.isValid)
        #expect(log.status.tail == 1)
        #expect(log.status.isInterruptPending)
        let entry = log.entry(0)
        #expect(entry.word0 == 0x0000_0B3F_0000_100C)
        #expect(entry.word1 == 0)
        #expect(entry.word2 == 0)
        #expect(entry.record == CompletionRecord(status: .none))
    }

    @Test func `An event of Invalid Flags carries their mask`() throws {
        let log = try EventLogFixture()
        try log.run(log.fixture.descriptor(.noOp, record: nil, flags: [.checkResult, .strictOrdering]))
        let entry = log.entry(0)
        #expect(entry.code == .invalidFlags)
        #expect(entry.error.isErrorInformationValid)
        #expect(entry.error.errorInformation == 0x2080)
    }

    @Test func `An event of a page fault carries address and direction`() throws {
        let log = try EventLogFixture()
        try log.fixture.unmap(page: 21)
        try log.run(
            log.fixture.descriptor(.fill, record: nil, destination: log.fixture.page(21), size: 8))
        let entry = log.entry(0)
        #expect(entry.code == .pageFault)
        #expect(entry.error.faultWasWrite)
        #expect(entry.error.faultAddress.rawValue == log.fixture.page(21))
        #expect(entry.record == CompletionRecord(status: .none))
    }

    @Test func `What finished well leaves no event`() throws {
        let log = try EventLogFixture()
        try log.run(log.fixture.noOp(record: 0), log.fixture.noOp(record: nil))
        #expect(log.status.tail == 0)
        #expect(!log.status.isInterruptPending)
    }

    @Test func `Errors that concern no descriptor stay with SWERROR`() throws {
        let log = try EventLogFixture(queues: [.dedicated(size: 1)])
        log.fixture.holdEngines()
        for _ in 0..<2 { log.fixture.device.post(log.fixture.noOp(record: 0), to: .of(0)) }
        #expect(log.fixture.device.softwareError.code == .postedToFullQueue)
        #expect(log.status.tail == 0)
    }

    // MARK: Records in the log

    @Test func `A record that faults goes into the log with what software has to do`() throws {
        let log = try EventLogFixture()
        try log.fixture.unmap(page: 20)
        var fill = log.fixture.descriptor(
            .comparePattern, record: 0, source: log.fixture.page(22), size: 64)
        fill.comparePattern = 0x0100_0000_0000_0000
        fill.completionRecordAddress = LinearAddress(rawValue: log.fixture.page(20) + 0x40)
        try log.run(fill)
        #expect(!log.fixture.device.softwareError.isValid)
        let entry = log.entry(0)
        #expect(entry.code == .completionRecordPageFault)
        #expect(entry.word2 == log.fixture.page(20) + 0x40)
        #expect(entry.error.faultWasWrite)
        #expect(entry.pending.requiresRecord && !entry.pending.requiresInterrupt)
        #expect(!entry.pending.usesInterruptMessageStorage && !entry.pending.isFirstErrorInBatch)
        #expect(entry.pending.operand == .completionRecord)
        var expected = CompletionRecord(status: .success)
        expected.result = 1
        expected.bytesCompleted = 7
        #expect(entry.record == expected)
        #expect(log.fixture.device.workQueues[0].counts.completed == 1)
    }

    @Test func `A record that nobody requested and that faults is not logged`() throws {
        let log = try EventLogFixture()
        try log.fixture.unmap(page: 20)
        var noOp = log.noOp(recordIn: 20)
        noOp.flags.remove(.requestCompletionRecord)
        try log.run(noOp)
        #expect(log.status.tail == 0)
    }

    @Test func `A misaligned record address is an event without a record`() throws {
        let log = try EventLogFixture()
        var noOp = log.fixture.noOp(record: 0)
        noOp.completionRecordAddress = noOp.completionRecordAddress.advanced(by: 16)
        try log.run(noOp)
        #expect(log.entries.map(\.code) == [.completionRecordMisaligned])
        #expect(log.entry(0).record == CompletionRecord(status: .none))
    }

    // MARK: The ring

    @Test func `The ring wraps, and is full with one entry free`() throws {
        let log = try EventLogFixture(queues: [.shared(size: 64)])
        for _ in 0..<63 { try log.fixture.enqueue(log.broken()) }
        log.fixture.run()
        #expect(log.status.tail == 63)
        #expect(!log.fixture.device.softwareError.isValid)
        log.readAll()
        try log.run(log.broken(pasid: DeviceFixture.pasids[1]), log.broken(pasid: DeviceFixture.pasids[2]))
        #expect(log.status.tail == 1)
        #expect(log.entry(63).error.pasid == DeviceFixture.pasids[1])
        #expect(log.entry(0).error.pasid == DeviceFixture.pasids[2])
    }

    @Test func `With GENCAP bit 32 an event that finds the log full is dropped with SWERROR 0x54`() throws {
        let log = try EventLogFixture(queues: [.shared(size: 64)])
        for _ in 0..<64 { try log.fixture.enqueue(log.broken()) }
        log.fixture.run()
        #expect(log.status.tail == 63)
        #expect(log.fixture.device.softwareError.code == .eventLost)
        #expect(!log.fixture.device.softwareError.isDescriptorValid)
        #expect(log.fixture.device.workQueues[0].counts.completed == 64)
    }

    /// ``GeneralCapabilities/dsa2`` without bit 32.
    private static let blocking = GeneralCapabilities(rawValue: GeneralCapabilities.dsa2.rawValue & ~(1 << 32))

    @Test func `Without GENCAP bit 32 the device waits until software has advanced Head`() throws {
        let log = try EventLogFixture(queues: [.shared(size: 80)], general: Self.blocking)
        for _ in 0..<64 { try log.fixture.enqueue(log.broken()) }
        try log.fixture.enqueue(log.fixture.noOp(record: 0))
        log.fixture.run()
        #expect(log.status.tail == 63)
        #expect(log.fixture.device.workQueues[0].counts.completed == 63)
        #expect(log.fixture.status(0) == .none)
        log.readAll()
        log.fixture.run()
        #expect(log.status.tail == 0)
        #expect(log.fixture.device.workQueues[0].counts.completed == 65)
        #expect(log.fixture.status(0) == .success)
        #expect(!log.fixture.device.softwareError.isValid)
    }

    @Test func `A descriptor that waits for room in the log is abandoned by an abort`() throws {
        let log = try EventLogFixture(queues: [.shared(size: 80)], general: Self.blocking)
        for _ in 0..<64 { try log.fixture.enqueue(log.broken()) }
        log.fixture.run()
        #expect(log.fixture.device.execute(.abortAll) == .active)
        log.fixture.run()
        #expect(log.fixture.device.commandEnds == [.none])
        #expect(log.fixture.device.workQueues[0].counts.abandoned == 1)
        #expect(!log.fixture.hasWork)
    }

    @Test func `Interrupt Pending is set by the first event and cleared by writing 1, Tail is read-only`() throws {
        let log = try EventLogFixture()
        try log.run(log.broken())
        var value = EventLogStatus()
        value.tail = 17
        log.fixture.device.write(value)
        #expect(log.status.isInterruptPending && log.status.tail == 1 && log.status.head == 0)
        value.isInterruptPending = true
        value.head = 1
        log.fixture.device.write(value)
        #expect(!log.status.isInterruptPending && log.status.head == 1)
        try log.run(log.broken())
        #expect(log.status.isInterruptPending)
    }

    // MARK: Hostile memory

    @Test(arguments: [
        { @Sendable (configuration: inout EventLogConfiguration) in
            configuration.base = LinearAddress(rawValue: 0x7000_0000)
        },
        { @Sendable configuration in configuration.base = LinearAddress(rawValue: .max) },
        { @Sendable configuration in configuration.pasid = HostPASID(truncating: 99) },
        { @Sendable configuration in configuration.isPASIDEnabled = false },
    ])
    func `An event log that cannot be reached loses its events with SWERROR 0x54 and stops nothing`(
        change: @Sendable (inout EventLogConfiguration) -> Void
    ) throws {
        let log = try EventLogFixture(change)
        try log.run(log.broken(), log.fixture.noOp(record: 0), log.broken())
        #expect(log.status.tail == 0)
        #expect(log.fixture.device.softwareError.code == .eventLost)
        #expect(log.fixture.device.softwareError.overflow)
        #expect(log.fixture.status(0) == .success)
        #expect(log.fixture.device.workQueues[0].counts.completed == 3)
    }

    @Test func `A page of the ring that is read-only or no memory loses the events that would lie there`() throws {
        let log = try EventLogFixture(size: 128, queues: [.shared(size: 128)])
        try log.fixture.map(page: EventLogFixture.ringPage + 1, writable: false)
        for _ in 0..<70 { try log.fixture.enqueue(log.broken()) }
        log.fixture.run()
        #expect(log.status.tail == 64)
        #expect(log.fixture.device.softwareError.code == .eventLost)
        try log.fixture.map(page: EventLogFixture.ringPage + 1, writable: true)
        try log.run(log.broken())
        #expect(log.status.tail == 65)
        try log.fixture.mapNoMemory(page: EventLogFixture.ringPage + 1)
        log.fixture.device.clearSoftwareError()
        try log.run(log.broken())
        #expect(log.status.tail == 65)
        #expect(log.fixture.device.softwareError.code == .eventLost)
    }

    @Test(arguments: [UInt16(0), 1, 63, 64, 65, 0x8000, .max])
    func `Whatever Head software writes, the device stays within the ring`(head: UInt16) throws {
        let log = try EventLogFixture(queues: [.shared(size: 100)])
        var value = EventLogStatus()
        value.head = head
        log.fixture.device.write(value)
        let behind = log.fixture.page(EventLogFixture.ringPage + 1)
        for _ in 0..<100 { try log.fixture.enqueue(log.broken()) }
        log.fixture.run()
        #expect(log.status.tail < 64)
        #expect(log.fixture.read(4096, at: behind).allSatisfy { $0 == 0 })
        #expect(log.fixture.device.workQueues[0].counts.completed == 100)
    }

    @Test func `A record that is lost with its event counts as one that could not be written`() throws {
        let log = try EventLogFixture { $0.base = LinearAddress(rawValue: 0x7000_0000) }
        try log.fixture.unmap(page: 20)
        log.fixture.writeList([log.noOp(recordIn: 20), log.fixture.noOp(record: 1)], at: log.fixture.page(22))
        try log.run(log.fixture.batch(list: log.fixture.page(22), count: 2, record: 0))
        #expect(log.fixture.device.softwareError.code == .eventLost)
        #expect(log.fixture.status(0) == .batchError)
        #expect(log.fixture.record(0).result == 1)
        #expect(log.fixture.record(0).bytesCompleted == 2)
    }

    @Test func `Entries of 128 and 256 bytes lie as far apart`() throws {
        for code in [UInt64(2), 3] {
            let general = GeneralCapabilities(
                rawValue: GeneralCapabilities.dsa2.rawValue & ~(3 << 13) | code << 13)
            let log = try EventLogFixture(general: general)
            try log.run(log.broken(), log.broken(pasid: DeviceFixture.pasids[1]))
            #expect(log.status.tail == 2)
            #expect(log.entry(0).error.pasid == DeviceFixture.pasids[0])
            #expect(log.entry(32 << Int(code) / 64).error.pasid == DeviceFixture.pasids[1])
        }
    }
}
