import IOMMU
import PCIe
import TestKit
import Testing

/// The pages that a linear page led to since it was last invalidated, for one kind of access; `nil` is a fault.
private struct PastTargets {
    var current: HostPhysicalAddress?
    /// What a cache may still hold.
    var stale: Set<UInt64> = []

    mutating func change(to target: HostPhysicalAddress?) {
        if let current { stale.insert(current.rawValue) }
        current = target
    }

    mutating func invalidate() { stale = [] }

    func permits(_ address: HostPhysicalAddress?) -> Bool {
        address == current || address.map { stale.contains($0.rawValue) } ?? false
    }
}

@Suite("IOTLB, at random")
struct TranslationCachePropertyTests {
    private static let requester = RequesterID(rawValue: 0x6A08)
    private static let domain = DomainID(rawValue: 3)
    private static let pageCount: UInt64 = 24
    private static let ramPageCount: UInt64 = 48

    @Test(arguments: UInt64(0)..<32)
    func `A translation is what the tables say, or said since the last invalidation, page by page of each run`(
        seed: UInt64
    ) throws {
        var random = SeededGenerator(seed: seed)
        let test = TestMemory(frameCount: 256)
        let iommu = try TestIOMMU(memory: test.physical)
        #expect(iommu.enableRequester(Self.requester))
        let ram = test.addRAM(pageCount: Int(Self.ramPageCount))
        var secondStage = try test.makeSecondStageTable()
        try secondStage.map(
            GuestPhysicalAddress(rawValue: 0), to: ram.start, byteCount: ram.byteCount, permission: .readWrite)
        let pasids = [HostPASID.number(4), .number(260)]
        // Each PASID has tables of its own: the first in pages 1 to 4, the second in pages 5 to 8.
        for (index, pasid) in pasids.enumerated() {
            let base = UInt64(index) * 4
            for level in UInt64(2)...4 { ram[(base + level) << 12] = (base + level - 1) << 12 | 7 }
            #expect(
                iommu.setEntry(
                    requester: Self.requester, pasid: pasid,
                    translation: secondStage.nested(
                        firstStage: GuestPhysicalAddress(rawValue: (base + 4) << 12), levels: .four),
                    domain: Self.domain))
        }
        /// By PASID, page and kind of access.
        var model = Array(
            repeating: Array(repeating: [PastTargets(), PastTargets()], count: Int(Self.pageCount)), count: 2)
        var staleCount = 0
        var runCount = 0
        for step in 0..<6000 {
            let space = Int.random(in: 0..<2, using: &random)
            let page = UInt64.random(in: 0..<Self.pageCount, using: &random)
            let place = "seed \(seed), step \(step)"
            switch UInt64.random(in: 0..<20, using: &random) {
            case 0..<5:
                // Mostly in a row with the page before.
                let target =
                    random.oneIn(3)
                    ? UInt64.random(in: 9..<Self.ramPageCount, using: &random)
                    : min(9 + page, Self.ramPageCount - 1)
                let isMapped = !random.oneIn(6)
                let isWritable = !random.oneIn(5)
                ram[(UInt64(space) * 4 + 1) << 12 | page << 3] =
                    isMapped ? target << 12 | (isWritable ? 7 : 5) : 0
                model[space][Int(page)][0].change(to: isMapped ? ram.page(target) : nil)
                model[space][Int(page)][1].change(to: isMapped && isWritable ? ram.page(target) : nil)
            case 5:
                let count = UInt64.random(in: 1...3, using: &random)
                iommu.invalidate(
                    .pasidTLBPages(
                        Self.domain, pasids[space], LinearAddress(rawValue: page << 12), byteCount: count << 12))
                for page in page..<min(page + count, Self.pageCount) {
                    for access in 0..<2 { model[space][Int(page)][access].invalidate() }
                }
            case 6 where random.oneIn(4):
                let isDomain = Bool.random(using: &random)
                iommu.invalidate(isDomain ? .domainTLB(Self.domain) : .pasidTLB(Self.domain, pasids[space]))
                for space in isDomain ? 0..<2 : space..<space + 1 {
                    for page in model[space].indices {
                        for access in 0..<2 { model[space][page][access].invalidate() }
                    }
                }
            default:
                let isWrite = Bool.random(using: &random)
                let count = UInt64.random(in: 1...8, using: &random)
                let translation = iommu.translate(
                    TranslationRequest(
                        requester: Self.requester, pasid: pasids[space], address: LinearAddress(rawValue: page << 12),
                        isWrite: isWrite, isPrivileged: false), byteCount: count << 12)
                guard case .translated(let address, let remaining) = translation else {
                    #expect(model[space][Int(page)][isWrite ? 1 : 0].current == nil, "\(place)")
                    continue
                }
                #expect(remaining >= 4096 && remaining % 4096 == 0, "\(place)")
                if remaining > 4096 { runCount += 1 }
                for index in 0..<remaining >> 12 {
                    let known = model[space][Int(page + index)][isWrite ? 1 : 0]
                    let reached = address.advanced(by: index << 12)
                    #expect(known.permits(reached), "\(place), page \(index) of the run")
                    if reached != known.current { staleCount += 1 }
                }
            }
        }
        #expect(staleCount > 20 && runCount > 100, "seed \(seed): nothing was tested")
    }
}
