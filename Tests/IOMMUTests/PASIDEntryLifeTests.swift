import IOMMU
import PCIe
import TestKit
import Testing

@Suite("PASID entries")
struct PASIDEntryLifeTests {
    let test = TestMemory()
    let requester = RequesterID(rawValue: 0x0108)
    let pasid = HostPASID.number(77)

    @Test func `A cleared entry translates no more, and its table's frame is given back`() throws {
        let iommu = try TestIOMMU(memory: test.physical)
        #expect(iommu.enableRequester(requester))
        let framesBefore = test.physical.frameCountInUse
        #expect(iommu.setEntry(requester: requester, pasid: pasid, translation: .passThrough, domain: .host))
        #expect(iommu.setEntry(requester: requester, pasid: .number(78), translation: .passThrough, domain: .host))
        #expect(test.physical.frameCountInUse == framesBefore + 1)
        let request = TranslationRequest(
            requester: requester, pasid: pasid, address: LinearAddress(rawValue: 0x5000), isWrite: false,
            isPrivileged: false)
        #expect(iommu.translate(request).address?.rawValue == 0x5000)

        iommu.clearEntry(requester: requester, pasid: pasid)
        #expect(iommu.translate(request).reason == .pasidEntryNotPresent)
        #expect(iommu.entry(requester: requester, pasid: pasid) == nil)
        #expect(test.physical.frameCountInUse == framesBefore + 1)
        iommu.clearEntry(requester: requester, pasid: .number(78))
        #expect(iommu.translate(request).reason == .pasidDirectoryEntryNotPresent)
        #expect(test.physical.frameCountInUse == framesBefore)
    }

    @Test func `FPD that a cleared entry leaves behind keeps its table and goes with the next entry`() throws {
        let iommu = try TestIOMMU(memory: test.physical)
        #expect(iommu.enableRequester(requester))
        #expect(iommu.setEntry(requester: requester, pasid: pasid, translation: .passThrough, domain: .host))
        let framesBefore = test.physical.frameCountInUse
        iommu.clearEntry(requester: requester, pasid: pasid, suppressFaultRecords: true)
        #expect(test.physical.frameCountInUse == framesBefore)
        #expect(iommu.setEntry(requester: requester, pasid: pasid, translation: .passThrough, domain: .host))
        #expect(iommu.entry(requester: requester, pasid: pasid)?.isFaultProcessingDisabled == false)
    }

    @Test func `Clearing an entry invalidates PASID cache and translations, clearing nothing does not`() throws {
        let iommu = try TestIOMMU(memory: test.physical)
        #expect(iommu.enableRequester(requester))
        iommu.clearEntry(requester: requester, pasid: pasid)
        #expect(iommu.invalidationCount == 0)
        #expect(iommu.setEntry(requester: requester, pasid: pasid, translation: .passThrough, domain: .host))
        iommu.clearEntry(requester: requester, pasid: pasid)
        #expect(iommu.invalidationCount == 2)
    }

    @Test(arguments: [
        (AddressSpaceTranslation.firstStage(root: HostPhysicalAddress(rawValue: 0x1000), levels: .four), true),
        (.passThrough, true), (.secondStage(root: HostPhysicalAddress(rawValue: 0x1000)), false),
        (
            .nested(
                firstStage: GuestPhysicalAddress(rawValue: 0x1000), levels: .four,
                secondStage: HostPhysicalAddress(rawValue: 0x2000)), false
        ),
    ])
    func `Translations of a second stage are invalidated by domain, the others by PASID`(
        translation: AddressSpaceTranslation, isByPASID: Bool
    ) {
        let domain = DomainID(rawValue: 9)
        let entry = PASIDTableEntry(translation, domain: domain, options: [])
        let invalidations = Invalidation.afterClearing(entry, of: pasid)
        #expect(invalidations[0] == .pasidCache(domain, pasid))
        #expect(invalidations[1] == (isByPASID ? .pasidTLB(domain, pasid) : .domainTLB(domain)))
    }

    @Test func `A disabled requester's entries are gone, and stay gone when it is enabled again`() throws {
        let framesBefore = test.physical.frameCountInUse
        do {
            let iommu = try TestIOMMU(memory: test.physical)
            #expect(iommu.enableRequester(requester))
            let framesEnabled = test.physical.frameCountInUse
            #expect(iommu.enableRequester(requester))
            #expect(test.physical.frameCountInUse == framesEnabled)
            #expect(iommu.setEntry(requester: requester, pasid: pasid, translation: .passThrough, domain: .host))
            iommu.disableRequester(requester)
            #expect(iommu.contextEntry(of: requester) == nil)
            let request = TranslationRequest(
                requester: requester, pasid: pasid, address: LinearAddress(rawValue: 0), isWrite: false,
                isPrivileged: false)
            #expect(iommu.translate(request).reason == .contextEntryNotPresent)
            #expect(iommu.enableRequester(requester))
            #expect(iommu.translate(request).reason == .pasidDirectoryEntryNotPresent)
            #expect(iommu.setEntry(requester: requester, pasid: pasid, translation: .passThrough, domain: .host))
        }
        #expect(test.physical.frameCountInUse == framesBefore)
    }

    @Test func `Running out of frames refuses, leaves everything as it was and leaks nothing`() throws {
        // Root table, two queues, wait status, directory of 32 frames, context table, one PASID table; then none is
        // left.
        let memory = PhysicalMemory(frameCount: 38)
        do {
            let iommu = try TestIOMMU(memory: memory)
            #expect(iommu.enableRequester(requester))
            let other = RequesterID(rawValue: 0x0200)
            #expect(!iommu.enableRequester(other))
            #expect(iommu.contextEntry(of: other) == nil)
            #expect(iommu.setEntry(requester: requester, pasid: pasid, translation: .passThrough, domain: .host))
            let elsewhere = HostPASID.number(0xF_FFFF)
            #expect(!iommu.setEntry(requester: requester, pasid: elsewhere, translation: .passThrough, domain: .host))
            #expect(iommu.entry(requester: requester, pasid: elsewhere) == nil)
            #expect(memory.frameCountInUse == 38)
            iommu.clearEntry(requester: requester, pasid: pasid)
            #expect(iommu.setEntry(requester: requester, pasid: elsewhere, translation: .passThrough, domain: .host))
        }
        #expect(memory.frameCountInUse == 0)
    }

    @Test func `A directory is not taken when the context table finds no frame`() throws {
        let memory = PhysicalMemory(frameCount: 36)
        let iommu = try TestIOMMU(memory: memory)
        #expect(!iommu.enableRequester(requester))
        #expect(memory.frameCountInUse == 4)
    }

    @Test(arguments: UInt64(0)..<8)
    func `Random entries are exactly those that were set and not cleared`(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let memory = PhysicalMemory(frameCount: 512)
        let iommu = try TestIOMMU(memory: memory)
        let requesters = [0x0008, 0x0009, 0x00FF, 0x8000].map { RequesterID(rawValue: $0) }
        for requester in requesters { #expect(iommu.enableRequester(requester)) }
        let framesBefore = memory.frameCountInUse
        let pasids = [0, 1, 63, 64, 65, 0x7_FFFF, 0x8_0000, 0xF_FFFF].map { HostPASID.number($0) }
        // An entry is told apart by its domain.
        var model: [[Int]: DomainID] = [:]
        for _ in 0..<400 {
            let key = [
                Int.random(in: requesters.indices, using: &random), Int.random(in: pasids.indices, using: &random),
            ]
            let (requester, pasid) = (requesters[key[0]], pasids[key[1]])
            if model[key] != nil {
                iommu.clearEntry(requester: requester, pasid: pasid)
                model[key] = nil
            } else {
                let domain = DomainID(rawValue: .random(in: 0...UInt16.max, using: &random))
                #expect(iommu.setEntry(requester: requester, pasid: pasid, translation: .passThrough, domain: domain))
                model[key] = domain
            }
            for (first, requester) in requesters.enumerated() {
                for (second, pasid) in pasids.enumerated() {
                    #expect(
                        iommu.entry(requester: requester, pasid: pasid)?.domain == model[[first, second]],
                        "seed \(seed)")
                }
            }
        }
        for key in model.keys { iommu.clearEntry(requester: requesters[key[0]], pasid: pasids[key[1]]) }
        #expect(memory.frameCountInUse == framesBefore, "seed \(seed)")
    }
}
