import IOMMU
import PCIe
import Testing

/// A guest of 16 pages in a row, each a page of 4 KiB of the second stage. Its tables of levels 4 to 1 are its pages 4
/// to 1; linear page n is its page n + 8, for n below 4.
@Suite("Accessed and dirty flags of the second stage")
struct SecondStageFlagTests {
    static let requester = RequesterID(rawValue: 0x6A08)
    static let domain = DomainID(rawValue: 3)
    static let nested = HostPASID.number(5)
    static let secondStageOnly = HostPASID.number(6)

    /// A second stage behind a reference.
    private final class Table {
        var table: SecondStageTable
        init(_ table: consuming SecondStageTable) { self.table = table }
    }

    private let test = TestMemory()
    private let iommu: TestIOMMU
    private let ram: RAM
    private let second: Table

    init() throws {
        iommu = try TestIOMMU(memory: test.physical)
        ram = test.addRAM(pageCount: 17)
        var table = try test.makeSecondStageTable()
        // Page by page from an odd page on, so that none is large.
        for page in UInt64(0)..<16 {
            try table.map(
                GuestPhysicalAddress(rawValue: page << 12), to: ram.page(page + 1), byteCount: 4096,
                permission: .readWrite)
        }
        second = Table(table)
        for level in UInt64(2)...4 { ram[(level + 1) << 12] = (level - 1) << 12 | 7 }
        for page in UInt64(0)..<4 { ram[2 << 12 | page << 3] = (page + 8) << 12 | 7 }
        #expect(iommu.enableRequester(Self.requester))
    }

    private func bind(_ options: PASIDEntryOptions) {
        for (pasid, translation) in [
            (
                Self.nested,
                second.table.nested(firstStage: GuestPhysicalAddress(rawValue: 4 << 12), levels: .four)
            ),
            (Self.secondStageOnly, second.table.translation),
        ] {
            #expect(
                iommu.setEntry(
                    requester: Self.requester, pasid: pasid, translation: translation, domain: Self.domain,
                    options: options))
        }
    }

    private func access(_ page: UInt64, _ pasid: HostPASID, isWrite: Bool, byteCount: UInt64 = 1) {
        let translation = iommu.translate(
            TranslationRequest(
                requester: Self.requester, pasid: pasid, address: LinearAddress(rawValue: page << 12),
                isWrite: isWrite, isPrivileged: false), byteCount: byteCount)
        #expect(translation.address != nil)
    }

    /// The guest pages whose entry has `flag`.
    private func pages(with flag: UInt64) -> [UInt64] {
        var location = second.table.root
        for _ in 0..<3 {
            guard let entry = test.physical.load64(location) else { return [] }
            location = HostPhysicalAddress(rawValue: entry & 0x000F_FFFF_FFFF_F000)
        }
        return (0..<16).filter { (test.physical.load64(location.advanced(by: $0 * 8)) ?? 0) & flag != 0 }
    }

    @Test func `Second-stage entries get accessed and dirty flags where the PASID entry says so, and nowhere else`() {
        bind(.writeProtect)
        access(0, Self.nested, isWrite: true)
        access(9, Self.secondStageOnly, isWrite: true)
        #expect(pages(with: SecondStageEntry.accessed).isEmpty && pages(with: SecondStageEntry.dirty).isEmpty)

        for pasid in [Self.nested, Self.secondStageOnly] { iommu.clearEntry(requester: Self.requester, pasid: pasid) }
        bind([.writeProtect, .secondStageFlags])
        #expect(iommu.entry(requester: Self.requester, pasid: Self.nested)?.setsSecondStageFlags == true)
        access(9, Self.secondStageOnly, isWrite: false)
        #expect(pages(with: SecondStageEntry.accessed) == [9])
        access(10, Self.secondStageOnly, isWrite: true)
        #expect(pages(with: SecondStageEntry.dirty) == [10])
        // The walk reads the tables in pages 4 to 1 and sets the accessed flag of the page's entry, in page 1, which is
        // thereby written. Those above have theirs since the first access.
        access(1, Self.nested, isWrite: false)
        #expect(pages(with: SecondStageEntry.accessed) == [1, 2, 3, 4, 9, 10])
        #expect(pages(with: SecondStageEntry.dirty) == [1, 10])
        // A run marks each of its pages.
        access(2, Self.nested, isWrite: true, byteCount: 8192)
        #expect(pages(with: SecondStageEntry.dirty) == [1, 10, 11])
    }

    @Test func `Taking the dirty pages clears them, and a cached write is not seen until it is invalidated`() {
        bind([.writeProtect, .secondStageFlags])
        func take() -> [UInt64] {
            var pages: [UInt64] = []
            second.table.takeDirtyPages { address, byteCount in
                #expect(byteCount == 4096)
                pages.append(address.rawValue >> 12)
            }
            return pages
        }
        for page in [UInt64(12), 3, 7] { access(page, Self.secondStageOnly, isWrite: true) }
        #expect(take() == [3, 7, 12])
        #expect(take().isEmpty)
        access(7, Self.secondStageOnly, isWrite: true)
        #expect(take().isEmpty, "the translation is cached")
        iommu.invalidate(.domainTLB(Self.domain))
        access(7, Self.secondStageOnly, isWrite: true)
        access(3, Self.secondStageOnly, isWrite: false)
        #expect(take() == [7])
    }
}
