import DSA
import DSASpec
import PCIe
import Testing

private let readback1 = DescriptorFlags.readbackAddress1Valid
private let readback2 = DescriptorFlags.readbackAddress2Valid

/// dsa-device §5.2: these accesses block on fault whenever PRS is on.
@Suite("Faults on records, lists and readback addresses")
struct AutomaticBlockTests {
    private func device(hasPageRequests: Bool = true, readsBack: Bool = false) throws -> DeviceFixture {
        let fixture = try DeviceFixture.askingForPages(blockOnFault: false, readsBack: readsBack)
        if !hasPageRequests {
            try #require(fixture.device.execute(.disableDevice) == .completed(.none))
            try #require(fixture.device.setPageRequests(isEnabled: false, allocation: 0) == true)
            try #require(fixture.device.execute(.enableDevice) == .completed(.none))
            try #require(fixture.device.execute(.enableWorkQueue(0)) == .completed(.none))
        }
        return fixture
    }

    private func noOpWithMissingRecord(_ fixture: DeviceFixture) -> Descriptor {
        fixture.noOp(record: 0).with {
            $0.completionRecordAddress = LinearAddress(rawValue: fixture.page(40) + 64)
        }
    }

    private func drain(_ fixture: DeviceFixture, _ flags: DescriptorFlags, _ first: Int?, _ second: Int?) -> Descriptor
    {
        fixture.descriptor(
            .drain, record: 0, flags: flags, source: first.map { fixture.page($0) + 5 } ?? 0,
            destination: second.map { fixture.page($0) + 5 } ?? 0)
    }

    // MARK: Completion record

    @Test func `The page of a record is asked for whatever BOF says, and then the record is written`() throws {
        let fixture = try device()
        try fixture.unmap(page: 40)
        try fixture.enqueue(noOpWithMissingRecord(fixture))
        fixture.run()
        #expect(fixture.pageRequests.map(\.isWrite) == [true])
        let written = fixture.device.recordCount
        try fixture.bringPage(40)
        #expect(fixture.device.recordCount == written + 1)
        #expect(fixture.read(1, at: fixture.page(40) + 64) == [CompletionStatus.success.rawValue])
        #expect(!fixture.device.softwareError.isValid)
        #expect(fixture.account(of: 0) == (ended: 1, accepted: 1))
    }

    @Test(arguments: [nil, PageResponseCode.invalidRequest, .responseFailure])
    func `A record whose page stays missing is lost with 0x1A in SWERROR`(answer: PageResponseCode?) throws {
        let fixture = try device(hasPageRequests: answer != nil)
        try fixture.unmap(page: 40)
        try fixture.enqueue(noOpWithMissingRecord(fixture))
        fixture.run()
        if let answer { try fixture.answer(answer) }
        let error = fixture.device.softwareError
        #expect(error.code == .completionRecordPageFault)
        #expect(error.faultWasWrite)
        #expect(error.faultAddress.rawValue == fixture.page(40) + 64)
        #expect(error.pasid == DeviceFixture.pasid)
        #expect(error.workQueue == 0)
        #expect(!fixture.hasWork)
    }

    @Test func `A record of a read-only page is asked for with a write`() throws {
        let fixture = try device()
        try fixture.map(page: 40, writable: false)
        try fixture.enqueue(noOpWithMissingRecord(fixture))
        fixture.run()
        #expect(fixture.pageRequests.map(\.isWrite) == [true])
        try fixture.bringPage(40)
        #expect(fixture.read(1, at: fixture.page(40) + 64) == [1])
    }

    @Test func `The page of a record is asked for a bounded number of times`() throws {
        let fixture = try DeviceFixture.askingForPages(blockOnFault: false, retryLimit: 4)
        try fixture.unmap(page: 40)
        try fixture.enqueue(noOpWithMissingRecord(fixture))
        fixture.run()
        for _ in 0..<4 { try fixture.answer(.success) }
        #expect(fixture.device.softwareError.code == .completionRecordPageFault)
        #expect(!fixture.hasWork)
    }

    @Test func `A record keeps the outcome of its operation over the wait`() throws {
        let fixture = try DeviceFixture.askingForPages()
        try fixture.unmap(page: 30)
        try fixture.unmap(page: 40)
        try fixture.enqueue(
            fixture.descriptor(
                .fill, record: 0, flags: .blockOnFault, destination: fixture.page(29), size: 8192
            ).with { $0.completionRecordAddress = LinearAddress(rawValue: fixture.page(40)) })
        fixture.run()
        try fixture.answer(.invalidRequest)
        try fixture.bringPage(40)
        fixture.write(fixture.read(32, at: fixture.page(40)), at: fixture.recordAddress(0))
        #expect(fixture.status(0) == .pageRequestFailed)
        #expect(fixture.record(0).bytesCompleted == 4096)
        #expect(fixture.record(0).faultAddress.rawValue == fixture.page(30))
    }

    @Test func `A member whose record is lost fails the batch, and its place is in SWERROR`() throws {
        let fixture = try device()
        try fixture.unmap(page: 40)
        fixture.writeList([fixture.noOp(record: 1), noOpWithMissingRecord(fixture)], at: fixture.page(50))
        try fixture.enqueue(fixture.batch(list: fixture.page(50), count: 2, record: 0))
        fixture.run()
        #expect(fixture.status(0) == .none)
        try fixture.answer(.invalidRequest)
        #expect(fixture.device.softwareError.code == .completionRecordPageFault)
        #expect(fixture.device.softwareError.batchIndex == 1)
        #expect(fixture.status(0) == .batchError)
        #expect(fixture.record(0).bytesCompleted == 2)
    }

    @Test func `The record of a batch waits for its page after all members`() throws {
        let fixture = try device()
        try fixture.unmap(page: 40)
        fixture.writeList([fixture.noOp(record: 1), fixture.noOp(record: 2)], at: fixture.page(50))
        try fixture.enqueue(
            fixture.batch(list: fixture.page(50), count: 2, record: 0).with {
                $0.completionRecordAddress = LinearAddress(rawValue: fixture.page(40))
            })
        fixture.run()
        #expect(fixture.status(1) == .success && fixture.status(2) == .success)
        try fixture.bringPage(40)
        #expect(fixture.read(8, at: fixture.page(40)) == [1, 0, 0, 0, 2, 0, 0, 0])
        #expect(fixture.account(of: 0) == (ended: 1, accepted: 1))
    }

    // MARK: Batch list

    @Test func `The page of a list is asked for, and the batch goes on`() throws {
        let fixture = try device()
        let list = fixture.page(50) + 4096 - 64
        fixture.writeList([fixture.noOp(record: 1), fixture.noOp(record: 2)], at: list)
        try fixture.unmap(page: 51)
        try fixture.enqueue(fixture.batch(list: list, count: 2, record: 0))
        fixture.run()
        #expect(fixture.status(1) == .success)
        #expect(fixture.pageRequests.map(\.isWrite) == [false])
        try fixture.bringPage(51)
        #expect(fixture.status(2) == .success && fixture.status(0) == .success)
    }

    @Test(arguments: [nil, PageResponseCode.invalidRequest, .responseFailure])
    func `A list whose page stays missing ends with 0x06 and the members before it`(answer: PageResponseCode?) throws {
        let fixture = try device(hasPageRequests: answer != nil)
        let list = fixture.page(50) + 4096 - 3 * 64
        fixture.writeList((0..<4).map { fixture.noOp(record: 1 + $0) }, at: list)
        try fixture.unmap(page: 51)
        try fixture.enqueue(fixture.batch(list: list, count: 4, record: 0))
        fixture.run()
        if let answer { try fixture.answer(answer) }
        #expect(fixture.status(0) == .batchListPageFault)
        #expect(fixture.record(0).faultAddress.rawValue == fixture.page(51))
        #expect(!fixture.record(0).faultWasWrite)
        #expect(fixture.record(0).bytesCompleted == 3)
    }

    // MARK: Readback addresses of Drain

    @Test func `Drain reads its readback addresses before it ends`() throws {
        let fixture = try device(readsBack: true)
        for (flags, first, second) in [
            (readback1, 20, nil), (readback2, nil, 21), (readback1.union(readback2), 20, 21),
        ] as [(DescriptorFlags, Int?, Int?)] {
            fixture.write([0], at: fixture.recordAddress(0))
            try fixture.enqueue(drain(fixture, flags, first, second))
            fixture.run()
            #expect(fixture.status(0) == .success)
        }
    }

    @Test func `The flags that suppress implicit readbacks are accepted without GENCAP bit 9`() throws {
        let fixture = try device()
        try fixture.enqueue(drain(fixture, [.suppressReadbackA, .suppressReadbackB], nil, nil))
        fixture.run()
        #expect(fixture.status(0) == .success)
    }

    @Test func `Readback addresses need GENCAP bit 9`() throws {
        let fixture = try device()
        try fixture.enqueue(drain(fixture, readback1, 20, nil))
        fixture.run()
        #expect(fixture.status(0) == .invalidFlags)
        #expect(fixture.record(0).invalidFlags == readback1)
    }

    @Test func `The page of either readback address is asked for, and Drain ends with 0x01`() throws {
        let fixture = try device(readsBack: true)
        try fixture.unmap(page: 20)
        try fixture.unmap(page: 21)
        try fixture.enqueue(drain(fixture, readback1.union(readback2), 20, 21))
        fixture.run()
        #expect(fixture.pageRequests.map(\.isWrite) == [false])
        try fixture.bringPage(20, writable: false)
        try fixture.bringPage(21, writable: false)
        #expect(fixture.status(0) == .success)
    }

    @Test(arguments: [nil, PageResponseCode.invalidRequest, .responseFailure], [20, 21])
    func `A readback address whose page stays missing ends Drain with 0x1F`(
        answer: PageResponseCode?, missing: Int
    ) throws {
        let fixture = try device(hasPageRequests: answer != nil, readsBack: true)
        try fixture.unmap(page: missing)
        try fixture.enqueue(drain(fixture, readback1.union(readback2), 20, 21))
        fixture.run()
        if let answer { try fixture.answer(answer) }
        #expect(fixture.status(0) == .readbackPageFault)
        #expect(fixture.record(0).faultAddress.rawValue == fixture.page(missing) + 5)
        #expect(!fixture.record(0).faultWasWrite)
    }

    @Test func `A readback address that is no memory ends Drain with 0x20, an untranslatable one with 0x22`() throws {
        let fixture = try device(readsBack: true)
        try fixture.mapNoMemory(page: 20)
        try fixture.enqueue(drain(fixture, readback1, 20, nil))
        fixture.run()
        #expect(fixture.status(0) == .hardwareError)
        try fixture.enqueue(
            drain(fixture, readback1, 20, nil).with { $0.readbackAddress1 = LinearAddress(rawValue: 1 << 63) })
        fixture.run()
        #expect(fixture.status(0) == .translationError)
    }
}
