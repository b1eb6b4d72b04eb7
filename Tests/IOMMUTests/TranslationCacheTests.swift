import IOMMU
import PCIe
import Testing

/// A guest behind an IOMMU: its page tables of levels 4 to 1 are its pages 4 to 1, and page n of its RAM is its GPA
/// n x 4096. A second PASID has the same GPAs without a first stage.
private final class CachedGuest {
    static let requester = RequesterID(rawValue: 0x6A08)
    static let nested = HostPASID.number(5)
    static let secondStageOnly = HostPASID.number(6)
    static let domain = DomainID(rawValue: 3)
    static let present: UInt64 = 0x7
    static let accessed: UInt64 = 0x20
    static let dirty: UInt64 = 0x40

    let test = TestMemory()
    let iommu: TestIOMMU
    let ram: RAM
    private var secondStage: SecondStageTable

    init() throws {
        iommu = try TestIOMMU(memory: test.physical)
        ram = test.addRAM(pageCount: 64)
        secondStage = try test.makeSecondStageTable()
        try secondStage.map(
            GuestPhysicalAddress(rawValue: 0), to: ram.start, byteCount: ram.byteCount, permission: .readWrite)
        for level in UInt64(2)...4 { ram[level << 12] = (level - 1) << 12 | Self.present }
        for page in UInt64(0)..<32 { setEntry(page, toPage: page + 8) }
        #expect(iommu.enableRequester(Self.requester))
        #expect(
            iommu.setEntry(
                requester: Self.requester, pasid: Self.nested,
                translation: secondStage.nested(
                    firstStage: GuestPhysicalAddress(rawValue: 4 << 12), levels: .four), domain: Self.domain,
                options: [.writeProtect, .supervisorRequests]))
        #expect(
            iommu.setEntry(
                requester: Self.requester, pasid: Self.secondStageOnly, translation: secondStage.translation,
                domain: Self.domain))
    }

    /// Where the first-stage entry of linear page `page` lies in the RAM.
    private func offset(_ page: UInt64) -> UInt64 { 1 << 12 | page << 3 }

    func setEntry(_ page: UInt64, toPage target: UInt64, flags: UInt64 = CachedGuest.present) {
        ram[offset(page)] = target << 12 | flags
    }

    func clearEntry(_ page: UInt64) { ram[offset(page)] = 0 }

    func flags(_ page: UInt64) -> UInt64 { ram[offset(page)] & 0xFFF }

    func translate(
        _ page: UInt64, pasid: HostPASID = nested, byteCount: UInt64 = 1, isWrite: Bool = false,
        isPrivileged: Bool = false
    ) -> Translation {
        iommu.translate(
            TranslationRequest(
                requester: Self.requester, pasid: pasid, address: LinearAddress(rawValue: page << 12),
                isWrite: isWrite, isPrivileged: isPrivileged), byteCount: byteCount)
    }

    /// The page of the RAM that linear page `page` leads to, `nil` on a fault.
    func target(_ page: UInt64, pasid: HostPASID = nested, isWrite: Bool = false) -> UInt64? {
        translate(page, pasid: pasid, isWrite: isWrite).address.map { ($0.rawValue - ram.start.rawValue) >> 12 }
    }

    /// How many pages in a row one translation for `count` pages from `page` yields.
    func pagesInRow(_ page: UInt64, of count: UInt64, isWrite: Bool = false) -> UInt64? {
        guard case .translated(_, let remaining) = translate(page, byteCount: count << 12, isWrite: isWrite) else {
            return nil
        }
        return remaining >> 12
    }

    func unmap(gpaPage page: UInt64) throws {
        try secondStage.unmap(GuestPhysicalAddress(rawValue: page << 12), byteCount: 4096)
    }
}

@Suite("IOTLB")
struct TranslationCacheTests {
    private let guest: CachedGuest

    init() throws {
        guest = try CachedGuest()
    }

    private static let page3 = LinearAddress(rawValue: 3 << 12)
    private static let page11 = GuestPhysicalAddress(rawValue: 11 << 12)

    /// Each granularity, and whether it reaches a nested and a second-stage translation.
    private static let granularities: [(Invalidation, reachesNested: Bool, reachesSecondStage: Bool)] = [
        (.pasidTLB(CachedGuest.domain, CachedGuest.nested), true, false),
        (.pasidTLBPages(CachedGuest.domain, CachedGuest.nested, page3, byteCount: 4096), true, false),
        (.domainTLB(CachedGuest.domain), true, true),
        (.domainTLBPages(CachedGuest.domain, page11, byteCount: 4096), true, true),
        (.globalTLB, true, true),
        (.pasidTLB(CachedGuest.domain, .number(7)), false, false),
        (.pasidTLB(DomainID(rawValue: 0x103), CachedGuest.nested), false, false),
        (
            .pasidTLBPages(CachedGuest.domain, CachedGuest.nested, LinearAddress(rawValue: 4 << 12), byteCount: 4096),
            false, false
        ),
        (.pasidTLBPages(CachedGuest.domain, CachedGuest.nested, page3, byteCount: 0), false, false),
        (.domainTLB(DomainID(rawValue: 2)), false, false),
        (.domainTLBPages(DomainID(rawValue: 2), page11, byteCount: 4096), false, false),
        (.pasidCache(CachedGuest.domain, CachedGuest.nested), false, false),
        (.contextCache(CachedGuest.requester), false, false),
    ]

    @Test func `A translation of both stages stays in force until an invalidation reaches it`() throws {
        for (invalidation, reachesNested, _) in Self.granularities {
            guest.setEntry(3, toPage: 11)
            guest.iommu.invalidate(.globalTLB)
            #expect(guest.target(3) == 11)
            guest.setEntry(3, toPage: 20)
            #expect(guest.target(3) == 11, "stale, \(invalidation)")
            guest.iommu.invalidate(invalidation)
            #expect(guest.target(3) == (reachesNested ? 20 : 11), "\(invalidation)")
        }
    }

    @Test func `M-05 A page that the second stage loses is reached until an invalidation reaches it`() throws {
        for (invalidation, reachesNested, reachesSecondStage) in Self.granularities {
            let guest = try CachedGuest()
            #expect(guest.target(3) == 11)
            #expect(guest.target(11, pasid: CachedGuest.secondStageOnly) == 11)
            try guest.unmap(gpaPage: 11)
            #expect(guest.target(3) == 11, "stale, \(invalidation)")
            #expect(guest.target(11, pasid: CachedGuest.secondStageOnly) == 11, "stale, \(invalidation)")
            guest.iommu.invalidate(invalidation)
            #expect(guest.target(3) == (reachesNested ? nil : 11), "\(invalidation)")
            #expect(
                guest.target(11, pasid: CachedGuest.secondStageOnly) == (reachesSecondStage ? nil : 11),
                "\(invalidation)")
        }
    }

    @Test func `A first-stage translation is invalidated by PASID, and not by domain`() throws {
        var table = try guest.test.makeFirstStageTable()
        let pasid = HostPASID.number(9)
        #expect(
            guest.iommu.setEntry(
                requester: CachedGuest.requester, pasid: pasid, translation: table.translation,
                domain: CachedGuest.domain))
        for (invalidation, isReached) in [
            (Invalidation.domainTLB(CachedGuest.domain), false), (.pasidTLB(CachedGuest.domain, pasid), true),
            (.pasidTLBPages(CachedGuest.domain, pasid, Self.page3, byteCount: 1), true), (.globalTLB, true),
        ] {
            try table.map(Self.page3, to: guest.ram.page(30), byteCount: 4096, writable: true)
            #expect(guest.target(3, pasid: pasid) == 30)
            try table.unmap(Self.page3, byteCount: 4096)
            guest.iommu.invalidate(invalidation)
            #expect(guest.target(3, pasid: pasid) == (isReached ? nil : 30), "\(invalidation)")
        }
    }

    @Test func `What becomes present or permitted needs no invalidation`() {
        guest.clearEntry(3)
        #expect(guest.target(3) == nil)
        guest.setEntry(3, toPage: 20, flags: 0x5)
        #expect(guest.target(3) == 20)
        #expect(guest.target(3, isWrite: true) == nil)
        guest.setEntry(3, toPage: 20)
        #expect(guest.target(3, isWrite: true) == 20)
    }

    @Test func `A read does not let a write pass, and a supervisor no user`() {
        guest.setEntry(3, toPage: 20, flags: 0x1)
        #expect(guest.translate(3, isPrivileged: true).address != nil)
        #expect(guest.translate(3).reason == .userRequestDenied)
        guest.setEntry(4, toPage: 20, flags: 0x5)
        #expect(guest.translate(4).address != nil)
        #expect(guest.translate(4, isWrite: true).reason == .writeDenied)
    }

    @Test func `A write is cached only with the dirty flag set, which stays clear once software clears it`() {
        #expect(guest.target(3) == 11)
        #expect(guest.flags(3) & (CachedGuest.accessed | CachedGuest.dirty) == CachedGuest.accessed)
        #expect(guest.target(3, isWrite: true) == 11)
        #expect(guest.flags(3) & CachedGuest.dirty != 0)
        guest.setEntry(3, toPage: 11)
        #expect(guest.target(3, isWrite: true) == 11)
        #expect(guest.flags(3) == CachedGuest.present)
        guest.iommu.invalidate(.pasidTLB(CachedGuest.domain, CachedGuest.nested))
        #expect(guest.target(3, isWrite: true) == 11)
        #expect(guest.flags(3) & (CachedGuest.accessed | CachedGuest.dirty) != 0)
    }

    @Test func `M-05 A PASID entry stays in force until the PASID cache is invalidated`() throws {
        #expect(guest.target(3) == 11)
        let entry = try pasidEntryLocation(CachedGuest.nested)
        let word = guest.test.physical.load64(entry) ?? 0
        for (invalidation, isReached) in [
            (Invalidation.pasidCache(CachedGuest.domain, .number(7)), false),
            (.pasidCache(DomainID(rawValue: 2), CachedGuest.nested), false), (.globalTLB, false),
            (.contextCache(RequesterID(rawValue: 8)), false),
            (.pasidCache(CachedGuest.domain, CachedGuest.nested), true), (.globalPASIDCache, true),
            (.contextCache(CachedGuest.requester), true),
        ] {
            #expect(guest.target(3) == 11)
            guest.test.physical.store64(word & ~1, at: entry)
            #expect(guest.target(3) == 11, "stale, \(invalidation)")
            guest.iommu.invalidate(invalidation)
            #expect(guest.translate(3).reason == (isReached ? .pasidEntryNotPresent : nil), "\(invalidation)")
            guest.test.physical.store64(word, at: entry)
        }
    }

    @Test func `M-04 After an entry is cleared, or its requester disabled, nothing cached is used`() throws {
        for isDisabled in [false, true] {
            let guest = try CachedGuest()
            #expect(guest.target(3) == 11)
            let translation = try #require(
                guest.iommu.entry(requester: CachedGuest.requester, pasid: CachedGuest.nested)?.translation)
            if isDisabled {
                guest.iommu.disableRequester(CachedGuest.requester)
                #expect(guest.target(3) == nil)
                #expect(guest.iommu.enableRequester(CachedGuest.requester))
            } else {
                guest.iommu.clearEntry(requester: CachedGuest.requester, pasid: CachedGuest.nested)
            }
            #expect(guest.target(3) == nil)
            // Bound again, to tables that have changed meanwhile.
            guest.setEntry(3, toPage: 20)
            #expect(
                guest.iommu.setEntry(
                    requester: CachedGuest.requester, pasid: CachedGuest.nested, translation: translation,
                    domain: CachedGuest.domain))
            #expect(guest.target(3) == 20)
        }
    }

    @Test func `More translations than fit, and more PASIDs, are each as the tables say`() throws {
        let table = try guest.test.makeSecondStageTable()
        let count: UInt32 = 2000
        var pasids: [HostPASID] = []
        for number in 100..<100 + count {
            pasids.append(.number(number))
            #expect(
                guest.iommu.setEntry(
                    requester: CachedGuest.requester, pasid: .number(number),
                    translation: number % 2 == 0
                        ? table.translation
                        : guest.iommu.entry(requester: CachedGuest.requester, pasid: CachedGuest.nested)!.translation!,
                    domain: number % 2 == 0 ? DomainID(rawValue: 4) : CachedGuest.domain))
        }
        for round in 0..<2 {
            for pasid in pasids {
                for page in UInt64(0)..<4 {
                    #expect(
                        guest.target(page, pasid: pasid) == (pasid.rawValue % 2 == 0 ? nil : page + 8),
                        "round \(round), PASID \(pasid)")
                }
            }
        }
    }

    private func pasidEntryLocation(_ pasid: HostPASID) throws -> HostPhysicalAddress {
        let context = try #require(guest.iommu.contextEntry(of: CachedGuest.requester))
        let table = try #require(
            guest.test.physical.load64(context.directory.advanced(by: UInt64(pasid.rawValue >> 6) * 8)))
        return HostPhysicalAddress(rawValue: table & ~0xFFF).advanced(by: UInt64(pasid.rawValue & 0x3F) * 64)
    }
}

@Suite("Runs of pages")
struct PageRunTests {
    private let guest: CachedGuest

    init() throws {
        guest = try CachedGuest()
    }

    @Test func `Pages in a row are one translation, as many as are asked for, cached or not`() {
        for _ in 0..<2 {
            #expect(guest.pagesInRow(3, of: 1) == 1)
            #expect(guest.pagesInRow(4, of: 10) == 10)
        }
        // Longer than what is cached from there, then no longer than it.
        #expect(guest.pagesInRow(4, of: 12) == 12)
        #expect(guest.pagesInRow(4, of: 2) == 12)
    }

    @Test func `A run ends where pages do not follow in memory, are not mapped, or do not permit the access`() {
        guest.setEntry(10, toPage: 50)
        guest.clearEntry(16)
        guest.setEntry(20, toPage: 28, flags: 0x5)
        guest.setEntry(24, toPage: 32, flags: 0x3)
        for _ in 0..<2 {
            #expect(guest.pagesInRow(4, of: 30) == 6)
            #expect(guest.pagesInRow(10, of: 30) == 1)
            #expect(guest.pagesInRow(11, of: 30) == 5)
            #expect(guest.pagesInRow(16, of: 30) == nil)
            #expect(guest.pagesInRow(17, of: 30, isWrite: true) == 3)
            #expect(guest.pagesInRow(17, of: 30) == 7)
            #expect(guest.pagesInRow(25, of: 30) == 7)
        }
    }

    @Test func `Flags are set in the pages that are asked for, and in no other`() {
        #expect(guest.pagesInRow(4, of: 5) == 5)
        #expect(guest.pagesInRow(20, of: 3, isWrite: true) == 3)
        for page in UInt64(0)..<32 {
            let expected: UInt64 =
                switch page {
                case 4..<9: CachedGuest.accessed
                case 20..<23: CachedGuest.accessed | CachedGuest.dirty
                default: 0
                }
            #expect(guest.flags(page) & 0x60 == expected, "page \(page)")
        }
    }

    @Test func `The invalidation of any page of a run ends it as a whole`() {
        let (first, count): (UInt64, UInt64) = (4, 10)
        for page in first - 1...first + count {
            for number in 0..<UInt64(32) { guest.setEntry(number, toPage: number + 8) }
            guest.iommu.invalidate(.globalTLB)
            #expect(guest.pagesInRow(first, of: count) == count)
            guest.clearEntry(first + 5)
            guest.iommu.invalidate(
                .pasidTLBPages(
                    CachedGuest.domain, CachedGuest.nested, LinearAddress(rawValue: page << 12), byteCount: 4096))
            let isReached = page >= first && page < first + count
            #expect(guest.pagesInRow(first, of: count) == (isReached ? 5 : count), "page \(page)")
        }
    }

    @Test func `A large page is forgotten as a whole, wherever the invalidation touches it`() {
        // A 2 MiB page of the guest over large and small pages of its second stage cannot be made here, where the RAM
        // is 256 KiB: the PASID without a first stage has a page of its own for each 4 KiB, and this one for 2 MiB.
        let table = guest.test.addRAM(pageCount: 3)
        table[0] = table.page(1).rawValue | 7
        table[4096] = table.page(2).rawValue | 7
        table[8192] = 0x87
        let pasid = HostPASID.number(40)
        #expect(
            guest.iommu.setEntry(
                requester: CachedGuest.requester, pasid: pasid,
                translation: .firstStage(root: table.start, levels: .four), domain: CachedGuest.domain))
        let page = UInt64(300)
        for (address, isReached) in [
            (UInt64(0), true), (299 << 12, true), (511 << 12, true), (512 << 12, false), (1 << 40, false),
        ] {
            table[8192] = 0x87
            guest.iommu.invalidate(.globalTLB)
            #expect(guest.translate(page, pasid: pasid).address != nil)
            table[8192] = 0
            guest.iommu.invalidate(
                .pasidTLBPages(CachedGuest.domain, pasid, LinearAddress(rawValue: address), byteCount: 4096))
            #expect((guest.translate(page, pasid: pasid).address == nil) == isReached, "address \(address)")
        }
    }
}
