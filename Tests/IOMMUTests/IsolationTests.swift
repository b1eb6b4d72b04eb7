import IOMMU
import PCIe
import TestKit
import Testing

/// One bound process: its RAM, its page tables, and what its linear addresses should reach.
private struct BoundProcess {
    let pasid: HostPASID
    let ram: RAM
    /// Linear page number to page of the RAM.
    var pages: [UInt64: UInt64] = [:]
    /// What the RAM should hold where the process writes data.
    var expected: [UInt64: UInt64] = [:]
}

@Suite("Isolation")
struct IsolationTests {
    private let requester = RequesterID(rawValue: 0x6A08)
    private let ramPageCount: UInt64 = 32
    private let windowPageCount: UInt64 = 24

    @Test(arguments: UInt64(0)..<16)
    func `M-01 DMA under a PASID reaches exactly the pages mapped for its process, in host and guests`(
        seed: UInt64
    ) throws {
        var random = SeededGenerator(seed: seed)
        let test = TestMemory(frameCount: 256)
        let iommu = try TestIOMMU(memory: test.physical)
        #expect(iommu.enableRequester(requester))
        var firstStage = try test.makeFirstStageTable()
        let secondStages = [
            try #require(SecondStageBox(memory: test.physical)), try #require(SecondStageBox(memory: test.physical)),
        ]

        // PASIDs 64 and 65 share a PASID table, 1000000H does not. Both guests use the same linear addresses and the
        // same GPAs, tables included.
        var processes = [64, 65, 0xF_4240].map {
            BoundProcess(pasid: .number($0), ram: test.addRAM(pageCount: Int(ramPageCount)))
        }
        for page in 0..<windowPageCount where random.oneIn(2) {
            let target = UInt64.random(in: 0..<ramPageCount, using: &random)
            try firstStage.map(
                LinearAddress(rawValue: page << 12), to: processes[0].ram.page(target), byteCount: 4096, writable: true)
            processes[0].pages[page] = target
        }
        #expect(
            iommu.setEntry(
                requester: requester, pasid: processes[0].pasid, translation: firstStage.translation, domain: .host))
        for index in 1...2 {
            let guest = index - 1
            buildGuest(&processes[index], &random)
            try secondStages[guest].map(processes[index].ram)
            #expect(
                iommu.setEntry(
                    requester: requester, pasid: processes[index].pasid, translation: secondStages[guest].nested,
                    domain: DomainID(rawValue: UInt16(index + 1))))
        }

        for step in UInt64(1)...2000 {
            let index = Int.random(in: processes.indices, using: &random)
            let page = UInt64.random(in: 0..<windowPageCount, using: &random)
            let offset = UInt64.random(in: 0..<512, using: &random) * 8
            let translation = iommu.translate(
                TranslationRequest(
                    requester: requester, pasid: processes[index].pasid,
                    address: LinearAddress(rawValue: page << 12 | offset), isWrite: true, isPrivileged: false))
            guard let target = processes[index].pages[page] else {
                #expect(translation.reason?.isPageFault == true, "seed \(seed) step \(step)")
                continue
            }
            let reached = processes[index].ram.page(target).advanced(by: offset)
            #expect(translation == .translated(reached, remaining: 4096 - offset), "seed \(seed) step \(step)")
            guard let address = translation.address else { continue }
            test.physical.store64(step, at: address)
            processes[index].expected[target << 12 | offset] = step
        }

        for process in processes {
            // The guest's tables hold flags that the walks set; its data pages hold what was written, or nothing.
            for page in Set(process.pages.values) {
                for offset in stride(from: page << 12, to: (page + 1) << 12, by: 8) {
                    #expect(process.ram[offset] == process.expected[offset] ?? 0, "seed \(seed) offset \(offset)")
                }
            }
        }
        let written = processes.reduce(0) { $0 + $1.expected.count }
        #expect(written > 300, "seed \(seed)")
    }

    /// Puts a page table into pages 1 to 4 of the guest's RAM, and maps pages of the rest.
    private func buildGuest(_ process: inout BoundProcess, _ random: inout SeededGenerator) {
        for level in UInt64(2)...4 { process.ram[level << 12] = (level - 1) << 12 | 7 }
        for page in 0..<windowPageCount where random.oneIn(2) {
            let target = UInt64.random(in: 5..<ramPageCount, using: &random)
            process.ram[1 << 12 | page << 3] = target << 12 | 7
            process.pages[page] = target
        }
    }

    @Test func `M-01 A process that is unbound reaches nothing, and its neighbour what it did`() throws {
        let test = TestMemory()
        let iommu = try TestIOMMU(memory: test.physical)
        #expect(iommu.enableRequester(requester))
        let ram = test.addRAM(pageCount: 2)
        var first = try test.makeFirstStageTable()
        try first.map(LinearAddress(rawValue: 0), to: ram.page(0), byteCount: 4096, writable: true)
        var second = try test.makeFirstStageTable()
        try second.map(LinearAddress(rawValue: 0), to: ram.page(1), byteCount: 4096, writable: true)
        let pasids = [HostPASID.number(1), .number(2)]
        #expect(
            iommu.setEntry(requester: requester, pasid: pasids[0], translation: first.translation, domain: .host))
        #expect(
            iommu.setEntry(requester: requester, pasid: pasids[1], translation: second.translation, domain: .host))
        func request(_ index: Int) -> TranslationRequest {
            TranslationRequest(
                requester: requester, pasid: pasids[index], address: LinearAddress(rawValue: 0), isWrite: true,
                isPrivileged: false)
        }
        #expect(iommu.translate(request(0)).address == ram.page(0))
        iommu.clearEntry(requester: requester, pasid: pasids[0])
        #expect(iommu.translate(request(0)).reason == .pasidEntryNotPresent)
        #expect(iommu.translate(request(1)).address == ram.page(1))
    }
}

/// A second stage that an array can hold.
private final class SecondStageBox {
    private var table: SecondStageTable

    init?(memory: PhysicalMemory) {
        guard let table = SecondStageTable(memory: memory) else { return nil }
        self.table = table
    }

    /// Maps GPA 0 and on to `ram`.
    func map(_ ram: RAM) throws {
        try table.map(
            GuestPhysicalAddress(rawValue: 0), to: ram.start, byteCount: ram.byteCount, permission: .readWrite)
    }

    /// The guest's root table is its page 4.
    var nested: AddressSpaceTranslation {
        table.nested(firstStage: GuestPhysicalAddress(rawValue: 4 << 12), levels: .four)
    }
}
