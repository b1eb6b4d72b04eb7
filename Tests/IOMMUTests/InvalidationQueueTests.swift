import IOMMU
import PCIe
import TestKit
import Testing

@Suite("Invalidation queue")
struct InvalidationQueueTests {
    let test = TestMemory()
    static let requester = RequesterID(rawValue: 0x6A08)
    static let domain = DomainID(rawValue: 0x1234)
    static let pasid = HostPASID.number(0xABCDE)

    /// Each request with the descriptor that a driver writes for it: type, granularity, then domain, PASID or requester
    /// where they stand.
    static let descriptors: [(InvalidationRequest, UInt64, UInt64)] = [
        (.cache(.contextCache(requester)), 0x0000_6A08_0000_0031, 0),
        (.cache(.globalTLB), 0x12, 0),
        (.cache(.domainTLB(domain)), 0x1234_0022, 0),
        (
            .cache(
                .domainTLBPages(domain, GuestPhysicalAddress(rawValue: 0x20_0000), byteCount: 0x20_0000)),
            0x1234_0032, 0x20_0009
        ),
        (
            .deviceTLB(DeviceTLBInvalidation(requester, .pasid(nil))), 0x0000_6A08_0000_0003,
            0x7FFF_FFFF_FFFF_F800
        ),
        (.interruptEntries, 4, 0),
        (
            .wait(HostPhysicalAddress(rawValue: 0x5_0004), status: 0xDEAD_BEEF), 0xDEAD_BEEF_0000_0025,
            0x5_0004
        ),
        (.cache(.pasidTLB(domain, pasid)), 0x000A_BCDE_1234_0026, 0),
        (
            .cache(.pasidTLBPages(domain, pasid, LinearAddress(rawValue: 0x7000), byteCount: 0x1000)),
            0x000A_BCDE_1234_0036, 0x7000
        ),
        (.cache(.pasidCache(domain, pasid)), 0x000A_BCDE_1234_0017, 0),
        (.cache(.globalPASIDCache), 0x37, 0),
        (
            .deviceTLB(DeviceTLBInvalidation(requester, .pasid(pasid))), 0x000A_BCDE_6A08_0008,
            0x7FFF_FFFF_FFFF_F800
        ),
        (.deviceTLB(DeviceTLBInvalidation(requester, .global)), 0x6A08_0008, 0x7FFF_FFFF_FFFF_F801),
        (
            .deviceTLB(
                DeviceTLBInvalidation(requester, .pages(pasid, LinearAddress(rawValue: 0x8000), order: 2))),
            0x000A_BCDE_6A08_0008, 0x9800
        ),
        (
            .deviceTLB(
                DeviceTLBInvalidation(requester, .pages(pasid, LinearAddress(rawValue: 0x9000), order: 0))),
            0x000A_BCDE_6A08_0008, 0x9000
        ),
        (
            .pageGroupResponse(
                PageGroupResponse(
                    to: PageRequest(
                        requester: requester, pasid: pasid, address: LinearAddress(rawValue: 0), isWrite: false,
                        isPrivileged: false, group: PageRequestGroup(truncating: 0x155)), .invalidRequest)),
            0x000A_BCDE_6A08_1019, 0xAA8
        ),
    ]

    @Test func `Each descriptor of types 1 to 9 says its request, in both directions`() {
        for (request, first, second) in Self.descriptors {
            let words: InlineArray<4, UInt64> = [first, second, 0, 0]
            #expect(request.words[0] == first && request.words[1] == second, "\(request)")
            #expect(request.words[2] == 0 && request.words[3] == 0)
            #expect(InvalidationRequest(words: words) == request)
        }
        #expect(Set(Self.descriptors.map { $0.1 & 0xF }) == Set(1...9))
    }

    @Test func `A descriptor of no type, and one with a reserved word, stops the unit until its end`()
        throws
    {
        for words in [
            [0, 0, 0, 0], [0xA, 0, 0, 0], [0x02, 0, 0, 0], [0x12, 0, 1, 0], [0x05, 0, 0, 0],
        ] as [[UInt64]] {
            #expect(InvalidationRequest(words: InlineArray { words[$0] }) == nil, "\(words)")
        }
        let iommu = try TestIOMMU(memory: test.physical)
        #expect(iommu.submit(.cache(.globalTLB)))
        // As hardware finds it when a driver writes nonsense.
        test.physical.store64(0xF, at: iommu.invalidationQueue.base)
        #expect(iommu.advanceQueue() == .error)
        #expect(iommu.invalidationQueue.hasError && iommu.invalidationQueue.head == 0)
        #expect(iommu.submit(.cache(.globalTLB)))
        #expect(iommu.advanceQueue() == .error)
        #expect(iommu.invalidationCount == 0)
    }

    @Test func `A full queue refuses, and what is in it is done in its order`() throws {
        let iommu = try TestIOMMU(memory: test.physical)
        var submitted = 0
        while iommu.submit(
            .deviceTLB(DeviceTLBInvalidation(RequesterID(rawValue: UInt16(submitted)), .global)))
        {
            submitted += 1
        }
        #expect(submitted == InvalidationQueue.capacity - 1 && iommu.invalidationQueue.isFull)
        #expect(iommu.submitWait() == nil)
        for number in 0..<submitted {
            guard case .deviceTLB(let invalidation, let tag) = iommu.advanceQueue() else {
                Issue.record("device \(number) is not asked")
                return
            }
            #expect(invalidation.requester.rawValue == UInt16(number))
            iommu.acknowledge(tag)
        }
        #expect(iommu.advanceQueue() == .idle)
        #expect(iommu.invalidationQueue.completedCount == UInt64(submitted))
    }

    @Test func `A wait is complete when every device before it has acknowledged, and not earlier`()
        throws
    {
        let iommu = try TestIOMMU(memory: test.physical)
        #expect(iommu.submit(.deviceTLB(DeviceTLBInvalidation(Self.requester, .pasid(Self.pasid)))))
        #expect(iommu.submit(.deviceTLB(DeviceTLBInvalidation(Self.requester, .global))))
        let wait = try #require(iommu.submitWait())
        #expect(iommu.submit(.cache(.globalTLB)))
        var tags: [InvalidationTag] = []
        while case .deviceTLB(_, let tag) = iommu.advanceQueue() { tags.append(tag) }
        #expect(tags.count == 2 && tags[0] != tags[1])
        #expect(
            iommu.advanceQueue() == .blocked && !iommu.isComplete(wait) && iommu.invalidationCount == 0)
        iommu.acknowledge(tags[1])
        #expect(iommu.advanceQueue() == .blocked && !iommu.isComplete(wait))
        iommu.acknowledge(tags[0])
        #expect(iommu.advanceQueue() == .idle && iommu.isComplete(wait) && iommu.invalidationCount == 1)
    }

    @Test(arguments: UInt64(0)..<200)
    func `A page range becomes the smallest naturally aligned block that holds it`(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let start = random.next() >> 16 & ~0xFFF
        let pages = UInt64.random(
            in: 1...(1 << UInt64.random(in: 0...20, using: &random)), using: &random)
        let scope = DeviceTLBInvalidation.Scope(
            Self.pasid, covering: LinearAddress(rawValue: start), byteCount: pages * 4096)
        guard case .pages(_, let address, let order) = scope else {
            Issue.record("no block")
            return
        }
        let size: UInt64 = 4096 << order
        let last = start + pages * 4096 - 1
        #expect(
            address.rawValue % size == 0 && address.rawValue <= start && last - address.rawValue < size)
        // The half as large would not hold both ends.
        if order > 0 { #expect(start / (size / 2) != last / (size / 2)) }
        let request = InvalidationRequest.deviceTLB(DeviceTLBInvalidation(Self.requester, scope))
        #expect(InvalidationRequest(words: request.words) == request)
    }
}
