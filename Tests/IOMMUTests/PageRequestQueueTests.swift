import IOMMU
import PCIe
import Testing

@Suite("Page request queue")
struct PageRequestQueueTests {
    let test = TestMemory()
    static let requester = RequesterID(rawValue: 0x6A08)

    func request(
        _ number: Int, isLast: Bool = true, from requester: RequesterID = requester
    )
        -> PageRequest
    {
        var request = PageRequest(
            requester: requester, pasid: number % 3 == 0 ? nil : .number(UInt32(number)),
            address: LinearAddress(rawValue: UInt64(number) << 12), isWrite: number % 2 == 0,
            isPrivileged: number % 5 == 0, group: PageRequestGroup(truncating: number))
        request.isLastInGroup = isLast
        return request
    }

    func makeUnit() throws -> TestIOMMU {
        let iommu = try TestIOMMU(memory: test.physical)
        #expect(iommu.enableRequester(Self.requester))
        return iommu
    }

    @Test func `Requests leave the queue as they came, whatever their fields`() throws {
        let iommu = try makeUnit()
        for round in 0..<5 {
            let requests = (0..<100).map { request($0 + round, isLast: $0 % 4 == 3) }
            for request in requests { #expect(iommu.receive(request) == .queued) }
            for request in requests { #expect(iommu.takePageRequest() == request) }
        }
        #expect(iommu.takePageRequest() == nil)
    }

    @Test func `A request is written to memory where software reads it`() throws {
        let iommu = try makeUnit()
        let request = PageRequest(
            requester: Self.requester, pasid: .number(0xABCDE),
            address: LinearAddress(rawValue: 0x7000_1000),
            isWrite: true, isPrivileged: true, group: PageRequestGroup(truncating: 0x155))
        #expect(iommu.receive(request) == .queued)
        let words = test.words(at: iommu.pageRequestQueue.location(of: 0), count: 4)
        #expect(words == [0x002A_BCDE_6A08_0101, 0x7000_1AAE, 0, 0])
    }

    @Test
    func
        `When the queue is full groups are answered as invalid, until software clears the overflow flag`()
        throws
    {
        let iommu = try makeUnit()
        var queued = 0
        while iommu.receive(request(queued)) == .queued { queued += 1 }
        #expect(queued == PageRequestQueue.capacity - 1 && iommu.pageRequestQueue.hasOverflowed)
        // Sticky: room alone does not help.
        #expect(iommu.takePageRequest() == request(0))
        #expect(iommu.receive(request(1)) == .answered(.invalidRequest))
        // A group has one answer.
        #expect(iommu.receive(request(1, isLast: false)) == .dropped)
        iommu.clearPageRequestOverflow()
        #expect(!iommu.pageRequestQueue.hasOverflowed)
        #expect(iommu.receive(request(1)) == .queued)
    }

    @Test func `A requester whose context entry has PRE 0 gets no page, and a record with 47H`()
        throws
    {
        let iommu = try makeUnit()
        let other = RequesterID(rawValue: 0x6A09)
        #expect(iommu.receive(request(7, from: other)) == .answered(.invalidRequest))
        #expect(iommu.takePageRequest() == nil)
        #expect(iommu.faults.last?.reason == .pageRequestsNotEnabled)
        #expect(iommu.faults.last?.reason.rawValue == 0x47 && iommu.faults.last?.requester == other)
    }
}
