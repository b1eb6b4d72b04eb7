import IOMMU
import PCIe
import Testing

@Suite("Device TLB")
struct DeviceTLBTests {
    static let requester = RequesterID(rawValue: 0x6A08)
    static let pasid = HostPASID.number(5)
    static let other = HostPASID.number(0x10005)

    let test = TestMemory()
    let iommu: TestIOMMU
    let tlb = TestDeviceTLB()
    let ram: RAM
    let table: TableBox

    /// A page table behind a reference.
    final class TableBox {
        var table: FirstStageTable
        init(_ table: consuming FirstStageTable) { self.table = table }
    }

    init() throws {
        iommu = try TestIOMMU(memory: test.physical)
        ram = test.addRAM(pageCount: 16)
        table = TableBox(try test.makeFirstStageTable())
        #expect(iommu.enableRequester(Self.requester))
        for pasid in [Self.pasid, Self.other] {
            #expect(
                iommu.setEntry(
                    requester: Self.requester, pasid: pasid, translation: table.table.translation,
                    domain: .host))
        }
        try map(0x10_0000, toPage: 0, count: 4)
    }

    private func map(
        _ address: UInt64, toPage page: UInt64, count: UInt64, writable: Bool = true
    )
        throws
    {
        try table.table.map(
            LinearAddress(rawValue: address), to: ram.page(page), byteCount: count * 4096,
            writable: writable)
    }

    private func translate(
        _ address: UInt64, pasid: HostPASID? = pasid, isWrite: Bool = false,
        requester: RequesterID = requester
    ) -> Translation {
        iommu.translate(
            TranslationRequest(
                requester: requester, pasid: pasid, address: LinearAddress(rawValue: address),
                isWrite: isWrite,
                isPrivileged: false), through: tlb)
    }

    /// Takes everything away that a translation needs, and lets the unit forget it.
    private func takeAway() {
        for pasid in [Self.pasid, Self.other] {
            iommu.clearEntry(requester: Self.requester, pasid: pasid)
        }
    }

    @Test func `A translated request passes by the unit, whatever the tables say by now`() throws {
        #expect(translate(0x10_0123).address == ram.page(0).advanced(by: 0x123))
        takeAway()
        #expect(translate(0x10_0456).address == ram.page(0).advanced(by: 0x456))
        // What the device has not been given it does not get: neither the next page nor a write nor another PASID.
        #expect(translate(0x10_1000).reason == .pasidDirectoryEntryNotPresent)
        #expect(translate(0x10_0000, isWrite: true).reason == .pasidDirectoryEntryNotPresent)
        #expect(translate(0x10_0000, pasid: Self.other).reason == .pasidDirectoryEntryNotPresent)
    }

    @Test func `An invalidation takes what it names, and leaves the rest`() {
        for pasid in [Self.pasid, Self.other] {
            for page in UInt64(0)..<4 { _ = translate(0x10_0000 + page * 4096, pasid: pasid) }
        }
        takeAway()
        func held(_ pasid: HostPASID) -> [Bool] {
            (0..<4).map { translate(0x10_0000 + $0 * 4096, pasid: pasid).address != nil }
        }
        tlb.invalidate(.pages(Self.pasid, LinearAddress(rawValue: 0x10_1000), order: 0))
        #expect(held(Self.pasid) == [true, false, true, true])
        tlb.invalidate(.pages(Self.pasid, LinearAddress(rawValue: 0x10_2000), order: 1))
        #expect(held(Self.pasid) == [true, false, false, false])
        tlb.invalidate(.pasid(Self.pasid))
        #expect(held(Self.pasid) == [false, false, false, false])
        #expect(held(Self.other) == [true, true, true, true])
        tlb.invalidate(.global)
        #expect(held(Self.other) == [false, false, false, false])
    }

    @Test
    func `A page that is missing is an answer without translation, and no fault that is recorded`()
        throws
    {
        #expect(translate(0x20_0000).reason == .firstStageNotPresent)
        try map(0x20_0000, toPage: 8, count: 1, writable: false)
        #expect(translate(0x20_0000, isWrite: true).reason == .writeDenied)
        #expect(iommu.faults.totalCount == 0)
        // No "no" is remembered.
        #expect(translate(0x20_0000).address == ram.page(8))
        // An access that the device does not have translated beforehand is recorded.
        let untranslated = TranslationRequest(
            requester: Self.requester, pasid: Self.pasid, address: LinearAddress(rawValue: 0x30_0000),
            isWrite: false,
            isPrivileged: false)
        #expect(iommu.translate(untranslated).reason == .firstStageNotPresent)
        #expect(iommu.faults.totalCount == 1)
    }

    @Test func `What is wrong with the tables, or who asks, is recorded`() {
        #expect(translate(0x10_0000, pasid: .number(6)).reason == .pasidEntryNotPresent)
        #expect(iommu.faults.last?.reason == .pasidEntryNotPresent)
        #expect(
            translate(0x10_0000, requester: RequesterID(rawValue: 0x6A09)).reason
                == .contextEntryNotPresent)
        #expect(iommu.faults.totalCount == 2)
    }

    @Test
    func `Where DTE is 0 translation requests fault with 44H, and other requests are translated`()
        throws
    {
        // Bit 2 of the context entry, which lies in the table that the root entry of bus 6AH names.
        let root = iommu.rootTable.advanced(by: 0x6A * 16)
        let contextTable = HostPhysicalAddress(
            rawValue: try #require(test.physical.load64(root)) & ~0xFFF)
        let location = contextTable.advanced(by: 8 * 32)
        let entry = try #require(test.physical.load64(location))
        test.physical.store64(entry & ~(1 << 2), at: location)
        let fault = translate(0x10_0000).reason
        #expect(fault == .translationRequestsNotEnabled && fault?.rawValue == 0x44)
        #expect(iommu.faults.last?.reason == .translationRequestsNotEnabled)
        let request = TranslationRequest(
            requester: Self.requester, pasid: Self.pasid, address: LinearAddress(rawValue: 0x10_0000),
            isWrite: false,
            isPrivileged: false)
        #expect(iommu.translate(request).address == ram.page(0))
    }
}
