import DSA
import DSASpec
import IOMMU
import PCIe
import Testing

private let list = 20
private let sourcePage = 30
private let middlePage = 31
private let targetPage = 32

/// A device with one engine; record 0 is the batch's, record n + 1 that of member n.
private func device(engineCount: Int = 1) throws -> DeviceFixture {
    try DeviceFixture.sharedQueue(engineCount: engineCount)
}

extension DeviceFixture {
    /// Runs a batch of these members, whose list is on page 20, and returns its record.
    fileprivate func runBatch(
        _ members: [Descriptor], flags: DescriptorFlags = [], record slot: Int? = 0
    ) throws
        -> CompletionRecord
    {
        writeList(members, at: page(list))
        try enqueue(
            descriptor(.batch, record: slot, flags: flags, source: page(list), size: members.count))
        run()
        return record(0)
    }

    fileprivate func noOps(_ count: Int) -> [Descriptor] { (0..<count).map { noOp(record: $0 + 1) } }

    fileprivate var badOpcode: Descriptor { descriptor(Opcode(rawValue: 0x3F), record: nil) }
}

@Suite("Batch")
struct BatchTests {
    @Test(arguments: [
        (0, CompletionStatus.invalidDescriptorCount), (1, .invalidDescriptorCount), (2, .success), (1024, .success),
        (1025, .invalidDescriptorCount),
    ])
    func `Vector 14: a count of 0, of 1 and above the maximum ends with 0x14`(
        count: Int, status: CompletionStatus
    ) throws {
        let fixture = try device()
        fixture.writeList((0..<1024).map { _ in fixture.noOp(record: nil) }, at: fixture.page(list))
        try fixture.enqueue(fixture.batch(list: fixture.page(list), count: count, record: 0))
        fixture.run()
        #expect(fixture.status(0) == status)
        #expect(fixture.record(0).bytesCompleted == (status == .success ? UInt32(count) : 0))
    }

    @Test func `A list that is not 64-byte aligned ends with 0x18`() throws {
        let fixture = try device()
        try fixture.enqueue(fixture.batch(list: fixture.page(list) + 32, count: 2, record: 0))
        fixture.run()
        #expect(fixture.status(0) == .descriptorListMisaligned)
    }

    @Test func `Vector 15: a member with a bad opcode ends with 0x10 and the batch of 3 with 0x05, 3 completed`() throws
    {
        let fixture = try device()
        var members = fixture.noOps(3)
        members[1].opcode = Opcode(rawValue: 0x3F)
        let record = try fixture.runBatch(members)
        #expect(record.status == .batchError)
        #expect(record.bytesCompleted == 3)
        #expect((1...3).map { fixture.status($0) } == [.success, .unsupportedOperation, .success])
        #expect(fixture.device.workQueues[0].counts.completed == 1)
    }

    @Test func `Vector 16: a fence behind a failure abandons its member and the rest, 2 completed`() throws {
        let fixture = try device()
        var members = fixture.noOps(4)
        members[1].opcode = Opcode(rawValue: 0x3F)
        members[2] = fixture.descriptor(
            .fill, record: 3, flags: .fence, source: .max, destination: fixture.page(targetPage), size: 64)
        members[3] = fixture.descriptor(
            .fill, record: 4, source: .max, destination: fixture.page(targetPage) + 64, size: 64)
        let record = try fixture.runBatch(members)
        #expect(record.status == .batchError)
        #expect(record.bytesCompleted == 2)
        #expect((1...4).map { fixture.status($0) } == [.success, .unsupportedOperation, .none, .none])
        #expect(fixture.read(128, at: fixture.page(targetPage)).allSatisfy { $0 == 0 })
        #expect(!fixture.device.softwareError.isValid)
    }

    @Test func `Vector 17: a member that ends with 0x02 makes the batch end with 0x05`() throws {
        let fixture = try device()
        var members = fixture.noOps(2)
        members[0] = fixture.descriptor(
            .compare, record: 1, flags: .checkResult, source: fixture.page(sourcePage),
            destination: fixture.page(targetPage), size: 64
        ).with { $0.expectedResult = 1 }
        let record = try fixture.runBatch(members)
        #expect(fixture.status(1) == .successFalsePredicate)
        #expect(record.status == .batchError)
        #expect(record.bytesCompleted == 2)
    }

    @Test func `A batch of successes ends with 0x01 and counts its members`() throws {
        let fixture = try device()
        let record = try fixture.runBatch(fixture.noOps(5))
        #expect(record.status == .success)
        #expect(record.bytesCompleted == 5)
        #expect(record.result == 0)
    }

    @Test func `A fence with only successes before it holds nothing back`() throws {
        let fixture = try device(engineCount: 4)
        fixture.write([UInt8](repeating: 0x5A, count: 4096), at: fixture.page(sourcePage))
        let members = [
            fixture.descriptor(
                .memoryMove, record: 1, source: fixture.page(sourcePage), destination: fixture.page(middlePage),
                size: 4096),
            fixture.descriptor(.noOp, record: 2, flags: .fence),
            // Not fenced itself, and yet behind the fence.
            fixture.descriptor(
                .memoryMove, record: 3, source: fixture.page(middlePage), destination: fixture.page(targetPage),
                size: 4096),
        ]
        let record = try fixture.runBatch(members)
        #expect(record.status == .success)
        #expect(fixture.read(4096, at: fixture.page(targetPage)) == [UInt8](repeating: 0x5A, count: 4096))
    }

    @Test(arguments: [Opcode.batch, .drain])
    func `Batch and Drain as members end with 0x10`(opcode: Opcode) throws {
        let fixture = try device()
        var members = fixture.noOps(2)
        members[0] =
            opcode == .batch
            ? fixture.batch(list: fixture.page(list), count: 2, record: 1) : fixture.descriptor(.drain, record: 1)
        let record = try fixture.runBatch(members)
        #expect(fixture.status(1) == .unsupportedOperation)
        #expect(fixture.status(2) == .success)
        #expect(record.status == .batchError)
    }

    @Test func `A Fence in a descriptor that is submitted directly is an invalid flag`() throws {
        let fixture = try device()
        try fixture.enqueue(fixture.descriptor(.noOp, record: 0, flags: .fence))
        fixture.run()
        #expect(fixture.status(0) == .invalidFlags)
        #expect(fixture.record(0).invalidFlags == .fence)
    }

    @Test func `Members use the PASID and Priv of their Batch, whatever their first dword says`() throws {
        let fixture = try device()
        var members = fixture.noOps(2)
        members[0].firstDword = 0x8000_0000 | 0x7FFFF
        members[1].firstDword = 0x7FF0_0000
        let record = try fixture.runBatch(members)
        #expect(record.status == .success)
        #expect((1...2).map { fixture.status($0) } == [.success, .success])

        // An error shows whose they are.
        members[0] = fixture.badOpcode.with { $0.firstDword = 0x8007_FFFF }
        _ = try fixture.runBatch(members)
        #expect(fixture.device.softwareError.pasid == DeviceFixture.pasid)
        #expect(!fixture.device.softwareError.isPrivileged)
    }

    @Test(arguments: [0, 1, 3, 63])
    func `A list that faults at member k ends with 0x06, k completed, at the address of member k`(k: Int) throws {
        let fixture = try device()
        let start = fixture.page(list + 1) - UInt64(k) * 64
        fixture.writeList((0..<k).map { fixture.noOp(record: $0 + 1) }, at: start)
        try fixture.unmap(page: list + 1)
        try fixture.enqueue(fixture.batch(list: start, count: 64, record: 0))
        fixture.run()
        let record = fixture.record(0)
        #expect(record.status == .batchListPageFault)
        #expect(record.bytesCompleted == UInt32(k))
        #expect(record.faultAddress.rawValue == fixture.page(list + 1))
        #expect(!record.faultWasWrite)
        #expect((1..<k + 1).allSatisfy { fixture.status($0) == .success })
        #expect(fixture.status(k + 1) == .none)
    }

    @Test func `A list that is no memory ends with a hardware error`() throws {
        let fixture = try device()
        try fixture.mapNoMemory(page: list)
        try fixture.enqueue(fixture.batch(list: fixture.page(list), count: 2, record: 0))
        fixture.run()
        #expect(fixture.status(0) == .hardwareError)
        #expect(fixture.record(0).bytesCompleted == 0)
    }

    @Test func `A member whose record cannot be written counts as failed, and SWERROR names it`() throws {
        let fixture = try device()
        var members = fixture.noOps(3)
        members[1] = fixture.descriptor(
            .fill, record: nil,
            flags: [.completionRecordAddressValid, .requestCompletionRecord], source: .max,
            destination: fixture.page(targetPage), size: 64)
        members[1].completionRecordAddress = LinearAddress(rawValue: fixture.page(40))
        try fixture.unmap(page: 40)
        let record = try fixture.runBatch(members)
        #expect(record.status == .batchError)
        #expect(record.bytesCompleted == 3)
        #expect(fixture.read(64, at: fixture.page(targetPage)).allSatisfy { $0 == 0xFF })
        let error = fixture.device.softwareError
        #expect(error.code == .completionRecordPageFault)
        #expect(error.batchIndex == 1)
        #expect(error.opcode == .fill)
        #expect(error.faultWasWrite)
        #expect(error.faultAddress.rawValue == fixture.page(40))
    }

    @Test func `A fence behind a member whose record faulted ends the batch at its index`() throws {
        let fixture = try device()
        var members = fixture.noOps(4)
        members[1].completionRecordAddress = LinearAddress(rawValue: fixture.page(40))
        members[2].flags.insert(.fence)
        try fixture.unmap(page: 40)
        let record = try fixture.runBatch(members)
        #expect(record.status == .batchError)
        #expect(record.bytesCompleted == 2)
        #expect((3...4).map { fixture.status($0) } == [.none, .none])
    }

    @Test func `A Batch with RCR 0 writes no record for 0x05, and one for 0x06`() throws {
        let fixture = try device()
        var batch = fixture.batch(list: fixture.page(list), count: 2, record: 0)
        batch.flags.remove(.requestCompletionRecord)
        fixture.writeList([fixture.badOpcode, fixture.noOp(record: 1)], at: fixture.page(list))
        try fixture.enqueue(batch)
        fixture.run()
        #expect(fixture.status(1) == .success)
        #expect(fixture.status(0) == .none)

        try fixture.unmap(page: list)
        try fixture.enqueue(batch)
        fixture.run()
        #expect(fixture.status(0) == .batchListPageFault)
    }

    @Test func `A Batch on a DWQ lends its members the WQ's PASID`() throws {
        let fixture = try DeviceFixture.dedicatedQueue()
        fixture.writeList(fixture.noOps(2), at: fixture.page(list))
        let batch = fixture.batch(list: fixture.page(list), count: 2, record: 0).with { $0.firstDword = 0 }
        fixture.device.post(batch, to: .of(0))
        fixture.run()
        #expect((0...2).map { fixture.status($0) } == [.success, .success, .success])
    }

    @Test func `A batch aborted between two members leaves the rest and its own record unwritten`() throws {
        let fixture = try device()
        fixture.writeList(fixture.noOps(4), at: fixture.page(list))
        try fixture.enqueue(fixture.batch(list: fixture.page(list), count: 4, record: 0))
        // The Batch itself, then two members.
        for _ in 0..<3 { fixture.stepOnce() }
        #expect((1...4).map { fixture.status($0) } == [.success, .success, .none, .none])
        fixture.device.abort(.all)
        fixture.run()
        #expect((0...4).map { fixture.status($0) } == [.none, .success, .success, .none, .none])
        #expect(fixture.device.workQueues[0].counts.abandoned == 1)
        #expect(fixture.device.workQueues[0].counts.completed == 0)
    }
}
