import DSA
import DSASpec
import PCIe
import Testing

/// Drains and batches whose record must not overtake those that software writes from the event log.
@Suite("Order through the event log")
struct EventLogOrderTests {
    private func drain(_ log: EventLogFixture, record slot: Int?, flags: DescriptorFlags = []) -> Descriptor {
        log.fixture.descriptor(.drain, record: slot, flags: flags)
    }

    @Test func `A successful Drain reports through the log with its record`() throws {
        let log = try EventLogFixture()
        try log.run(drain(log, record: 3))
        #expect(log.fixture.status(3) == .none)
        #expect(log.entries.map(\.code) == [.drainInLog])
        let entry = log.entry(0)
        #expect(entry.error.opcode == .drain)
        #expect(entry.error.workQueue == 0 && entry.error.pasid == DeviceFixture.pasid)
        #expect(entry.word2 == log.fixture.recordAddress(3))
        #expect(entry.record == CompletionRecord(status: .success))
        #expect(entry.pending.requiresRecord && !entry.pending.requiresInterrupt)
        #expect(entry.pending.operand == .unknown)
    }

    @Test func `A Drain that fails writes its record itself`() throws {
        let log = try EventLogFixture()
        try log.run(drain(log, record: 3, flags: .checkResult))
        #expect(log.fixture.status(3) == .invalidFlags)
        #expect(log.status.tail == 0)
    }

    @Test func `Without an event log in use a Drain writes its record itself`() throws {
        let fixture = try DeviceFixture(profile: .dsa2)
        try fixture.enable([.shared()])
        try fixture.enqueue(fixture.descriptor(.drain, record: 3))
        fixture.run()
        #expect(fixture.status(3) == .success)
    }

    @Test func `The event of a Drain comes behind those of the descriptors it waited for`() throws {
        let log = try EventLogFixture(engineCount: 4)
        try log.fixture.unmap(page: 20)
        log.fixture.holdEngines()
        for _ in 0..<3 { try log.fixture.enqueue(log.noOp(recordIn: 20)) }
        try log.fixture.enqueue(drain(log, record: 3))
        log.fixture.holdEngines(false)
        log.fixture.run()
        #expect(
            log.entries.map(\.code) == [
                .completionRecordPageFault, .completionRecordPageFault, .completionRecordPageFault, .drainInLog,
            ])
    }

    @Test func `A batch with a member whose record is in the log reports through the log too`() throws {
        let log = try EventLogFixture()
        try log.fixture.unmap(page: 20)
        log.fixture.writeList(
            [log.fixture.noOp(record: 1), log.noOp(recordIn: 20), log.noOp(recordIn: 20), log.fixture.noOp(record: 2)],
            at: log.fixture.page(22))
        try log.run(log.fixture.batch(list: log.fixture.page(22), count: 4, record: 0))
        #expect((0...2).map { log.fixture.status($0) } == [.none, .success, .success])
        #expect(log.entries.map(\.code) == [.completionRecordPageFault, .completionRecordPageFault, .batchInLog])
        #expect(log.entries.map(\.error.batchIndex) == [1, 2, nil])
        #expect(log.entries.map(\.pending.isFirstErrorInBatch) == [true, false, false])
        #expect(Set(log.entries.map(\.batchIdentifier)).count == 1)
        // The members did succeed: it is software that makes 0x05 of it when it cannot write one of the records.
        var expected = CompletionRecord(status: .success)
        expected.bytesCompleted = 4
        #expect(log.entry(2).record == expected)
        #expect(log.entry(2).word2 == log.fixture.recordAddress(0))
        #expect(log.entry(2).pending.requiresRecord)
    }

    @Test func `A batch whose members' records are all written writes its own`() throws {
        let log = try EventLogFixture()
        log.fixture.writeList([log.fixture.noOp(record: 1), log.broken()], at: log.fixture.page(22))
        try log.run(log.fixture.batch(list: log.fixture.page(22), count: 2, record: 0))
        #expect(log.fixture.status(0) == .batchError)
        #expect(log.fixture.record(0).result == 1)
        #expect(log.entries.map(\.code) == [.unsupportedOperation])
        #expect(log.entries.map(\.error.batchIndex) == [1])
    }

    @Test func `A batch that its checks refuse writes its own record, whatever the batch before it left in the log`()
        throws
    {
        let log = try EventLogFixture()
        try log.fixture.unmap(page: 20)
        log.fixture.writeList([log.fixture.noOp(record: 1), log.noOp(recordIn: 20)], at: log.fixture.page(22))
        try log.run(log.fixture.batch(list: log.fixture.page(22), count: 2, record: 0))
        #expect(log.entries.map(\.code) == [.completionRecordPageFault, .batchInLog])
        try log.run(log.fixture.batch(list: log.fixture.page(22), count: 0, record: 2))
        #expect(log.fixture.status(2) == .invalidDescriptorCount)
        #expect(log.entries.count == 2)
    }

    @Test func `A fence behind a record that is in the log ends the batch with 0x05 and Result 1`() throws {
        let log = try EventLogFixture()
        try log.fixture.unmap(page: 20)
        log.fixture.writeList(
            [
                log.fixture.noOp(record: 1), log.noOp(recordIn: 20),
                log.fixture.descriptor(.noOp, record: 2, flags: .fence),
            ],
            at: log.fixture.page(22))
        try log.run(log.fixture.batch(list: log.fixture.page(22), count: 3, record: 0))
        #expect(log.fixture.status(2) == .none)
        let record = log.entry(1).record
        #expect(record.status == .batchError && record.result == 1 && record.bytesCompleted == 2)
    }

    @Test func `A batch that asked for no record leaves none to software, unless it failed otherwise`() throws {
        let log = try EventLogFixture()
        try log.fixture.unmap(page: 20)
        try log.fixture.unmap(page: 23)
        log.fixture.writeList([log.noOp(recordIn: 20)], at: log.fixture.page(23) - 64)
        var batch = log.fixture.batch(list: log.fixture.page(23) - 64, count: 2, record: 0)
        batch.flags.remove(.requestCompletionRecord)
        try log.run(batch)
        #expect(log.entries.map(\.code) == [.completionRecordPageFault, .batchInLog])
        #expect(log.entry(1).record.status == .batchListPageFault)
        #expect(log.entry(1).pending.requiresRecord)
        log.readAll()
        log.fixture.writeList([log.noOp(recordIn: 20), log.fixture.noOp(record: 1)], at: log.fixture.page(22))
        batch.descriptorListAddress = LinearAddress(rawValue: log.fixture.page(22))
        try log.run(batch)
        #expect(log.entries.map(\.code) == [.completionRecordPageFault, .batchInLog])
        #expect(log.entry(3).record.status == .success)
        #expect(!log.entry(3).pending.requiresRecord)
    }

    @Test func `Two batches in progress have different identifiers`() throws {
        let log = try EventLogFixture(engineCount: 2)
        try log.fixture.unmap(page: 20)
        log.fixture.writeList(
            [log.noOp(recordIn: 20), log.fixture.noOp(record: 1)], at: log.fixture.page(22))
        log.fixture.holdEngines()
        for slot in 2...3 {
            try log.fixture.enqueue(log.fixture.batch(list: log.fixture.page(22), count: 2, record: slot))
        }
        log.fixture.holdEngines(false)
        log.fixture.run()
        let batches = log.entries.filter { $0.code == .batchInLog }
        #expect(batches.count == 2)
        #expect(Set(batches.map(\.batchIdentifier)).count == 2)
        for batch in batches {
            let members = log.entries.filter {
                $0.batchIdentifier == batch.batchIdentifier && $0.code == .completionRecordPageFault
            }
            #expect(members.map(\.pending.isFirstErrorInBatch) == [true])
        }
    }

    @Test func `A direct descriptor has batch identifier 0 and no batch index`() throws {
        let log = try EventLogFixture(engineCount: 2)
        log.fixture.device.setHold(true, engine: 0)
        try log.run(log.broken())
        #expect(log.entry(0).batchIdentifier == 0)
        #expect(log.entry(0).error.batchIndex == nil)
    }
}
