import DSA
import DSASpec
import PCIe
import Testing

@Suite("Batch continuation")
struct BatchContinuationTests {
    private func device(_ profile: DeviceProfile = .dsa2) throws -> DeviceFixture {
        var profile = profile
        profile.engineCount = 1
        let fixture = try DeviceFixture(profile: profile)
        try fixture.enable([.shared()])
        return fixture
    }

    private func failing(_ fixture: DeviceFixture, record slot: Int) -> Descriptor {
        fixture.descriptor(.memoryMove, record: slot, size: 0)
    }

    @Test func `Result of a batch is 1 when some member did not end with 0x01`() throws {
        let fixture = try device()
        fixture.writeList(
            [fixture.noOp(record: 1), failing(fixture, record: 2), fixture.noOp(record: 3)], at: fixture.page(20))
        try fixture.enqueue(fixture.batch(list: fixture.page(20), count: 3, record: 0))
        fixture.writeList([fixture.noOp(record: 4), fixture.noOp(record: 5)], at: fixture.page(21))
        try fixture.enqueue(fixture.batch(list: fixture.page(21), count: 2, record: 6))
        fixture.run()
        #expect(fixture.status(0) == .batchError && fixture.record(0).result == 1)
        #expect(fixture.status(6) == .success && fixture.record(6).result == 0)
    }

    @Test func `Without the capability Result stays 0 and Batch Error is reserved`() throws {
        let fixture = try device(.dsa1)
        fixture.writeList([failing(fixture, record: 1), fixture.noOp(record: 2)], at: fixture.page(20))
        try fixture.enqueue(fixture.batch(list: fixture.page(20), count: 2, record: 0))
        var continuation = fixture.batch(list: fixture.page(20), count: 2, record: 3)
        continuation.flags.insert(.batchError)
        try fixture.enqueue(continuation)
        fixture.run()
        #expect(fixture.status(0) == .batchError && fixture.record(0).result == 0)
        #expect(fixture.status(3) == .invalidFlags)
        #expect(fixture.record(3).invalidFlags == .batchError)
    }

    @Test func `A list that faults behind a failed member has Result 1, behind good ones 0`() throws {
        let fixture = try device()
        try fixture.unmap(page: 21)
        for (isFailing, slot) in [(true, 0), (false, 1)] {
            let list = fixture.page(21) - 128
            fixture.writeList(
                [isFailing ? failing(fixture, record: 2) : fixture.noOp(record: 2), fixture.noOp(record: 3)], at: list)
            try fixture.enqueue(fixture.batch(list: list, count: 4, record: slot))
            fixture.run()
            #expect(fixture.status(slot) == .batchListPageFault)
            #expect(fixture.record(slot).bytesCompleted == 2)
            #expect(fixture.record(slot).result == (isFailing ? 1 : 0))
        }
    }

    @Test func `A batch continued with Batch Error ends as the whole would have`() throws {
        // The members of the whole batch: good, failing, good, fenced.
        func members(_ fixture: DeviceFixture) -> [Descriptor] {
            [
                fixture.noOp(record: 1), failing(fixture, record: 2), fixture.noOp(record: 3), fixture.noOp(record: 4),
                fixture.descriptor(.noOp, record: 5, flags: .fence), fixture.noOp(record: 6),
            ]
        }
        let whole = try device()
        whole.writeList(members(whole), at: whole.page(20))
        try whole.enqueue(whole.batch(list: whole.page(20), count: 6, record: 0))
        whole.run()

        let parts = try device()
        let list = parts.page(21) - 192
        parts.writeList(Array(members(parts)), at: list)
        try parts.unmap(page: 21)
        try parts.enqueue(parts.batch(list: list, count: 6, record: 0))
        parts.run()
        let first = parts.record(0)
        #expect(first.status == .batchListPageFault && first.result == 1 && first.bytesCompleted == 3)
        try parts.map(page: 21, writable: true)
        var rest = parts.batch(list: list + 192, count: 3, record: 0)
        rest.flags.insert(.batchError)
        try parts.enqueue(rest)
        parts.run()
        #expect(parts.record(0).status == whole.record(0).status)
        #expect(parts.record(0).result == whole.record(0).result)
        #expect(first.bytesCompleted + parts.record(0).bytesCompleted == whole.record(0).bytesCompleted)
        #expect((1...6).map { parts.status($0) } == (1...6).map { whole.status($0) })
    }

    @Test func `Batch Error with good members ends with 0x05 and Result 1`() throws {
        let fixture = try device()
        fixture.writeList([fixture.noOp(record: 1), fixture.noOp(record: 2)], at: fixture.page(20))
        var continuation = fixture.batch(list: fixture.page(20), count: 2, record: 0)
        continuation.flags.insert(.batchError)
        try fixture.enqueue(continuation)
        fixture.run()
        #expect(fixture.status(0) == .batchError)
        #expect(fixture.record(0).result == 1 && fixture.record(0).bytesCompleted == 2)
        #expect(fixture.status(2) == .success)
    }
}
