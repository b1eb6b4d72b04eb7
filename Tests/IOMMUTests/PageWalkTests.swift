import IOMMU
import PCIe
import Testing

/// A RAM of 64 pages that holds the tables of a hand-written walk: table of level n in page n, data from page 8 on.
private struct Walk {
    let test = TestMemory()
    let ram: RAM

    init() {
        ram = test.addRAM(pageCount: 64)
    }

    /// Entry `index` of the table in page `level`.
    func set(_ level: UInt64, _ index: UInt64 = 0, _ entry: UInt64) { ram[level * 4096 + index * 8] = entry }

    func entry(_ level: UInt64, _ index: UInt64 = 0) -> UInt64 { ram[level * 4096 + index * 8] }

    func pointer(_ page: UInt64, _ flags: UInt64) -> UInt64 { ram.page(page).rawValue | flags }
}

@Suite("First-stage walk")
struct FirstStageWalkTests {
    private let walk = Walk()
    /// Indices 1, 2, 3, 4 and offset 567H.
    private let address = LinearAddress(rawValue: 1 << 39 | 2 << 30 | 3 << 21 | 4 << 12 | 0x567)

    init() {
        walk.set(4, 1, walk.pointer(3, 7))
        walk.set(3, 2, walk.pointer(2, 7))
        walk.set(2, 3, walk.pointer(1, 7))
        walk.set(1, 4, walk.pointer(8, 7))
    }

    private func translate(
        _ address: LinearAddress? = nil, levels: PagingLevels = .four, isWrite: Bool = false,
        isPrivileged: Bool = false,
        writeProtect: Bool = true
    ) -> Translation {
        PageWalk.firstStage(
            in: walk.test.physical, root: walk.ram.page(levels == .four ? 4 : 5), levels: levels,
            address: address ?? self.address, isWrite: isWrite, isPrivileged: isPrivileged, writeProtect: writeProtect)
    }

    @Test func `Four levels of nine bits each select the page`() {
        #expect(
            translate() == .translated(walk.ram.page(8).advanced(by: 0x567), remaining: 4096 - 0x567))
    }

    @Test func `The fifth level is indexed by bits 56 to 48`() {
        walk.set(5, 0x1FF, walk.pointer(4, 7))
        let high = LinearAddress(rawValue: address.rawValue | 0xFFFF << 48)
        #expect(translate(high, levels: .five).address == walk.ram.page(8).advanced(by: 0x567))
        #expect(translate(address, levels: .five).reason == .firstStageNotPresent)
    }

    @Test(arguments: [
        (PagingLevels.four, UInt64(0x0000_8000_0000_0000)), (.four, 0xFFFF_7FFF_FFFF_F000), (.four, 1 << 63),
        (.five, 0x0100_0000_0000_0000), (.five, 0xFEFF_FFFF_FFFF_F000),
    ])
    func `A non-canonical address faults with 80H, which is no page fault`(levels: PagingLevels, address: UInt64) throws
    {
        let reason = try #require(translate(LinearAddress(rawValue: address), levels: levels).reason)
        #expect(reason.rawValue == 0x80 && !reason.isPageFault)
    }

    @Test(arguments: [UInt64(1), 2, 3, 4])
    func `An entry that is not present faults with 71H at every level`(level: UInt64) throws {
        walk.set(level, 5 - level, walk.pointer(8, 6))
        let reason = try #require(translate().reason)
        #expect(reason.rawValue == 0x71 && reason.isPageFault)
    }

    @Test func `The page size flag makes pages of 2 MiB and 1 GiB`() {
        walk.set(2, 3, 0x0000_0012_3460_0087)
        #expect(
            translate() == .translated(HostPhysicalAddress(rawValue: 0x12_3460_4567), remaining: 0x20_0000 - 0x4567))
        walk.set(3, 2, 0x0000_0040_0000_0087)
        #expect(
            translate()
                == .translated(HostPhysicalAddress(rawValue: 0x40_0060_4567), remaining: 0x4000_0000 - 0x60_4567))
    }

    @Test func `Bit 12 of a large page's entry is its memory type and not reserved`() {
        walk.set(2, 3, 0x0000_0012_3460_1087)
        #expect(translate().address?.rawValue == 0x12_3460_4567)
    }

    @Test(
        arguments: [
            (4, 1, 0x87), (2, 3, 1 << 13 | 0x87), (2, 3, 1 << 20 | 0x87), (3, 2, 1 << 13 | 0x87),
            (3, 2, 1 << 29 | 0x87),
        ] as [(UInt64, UInt64, UInt64)])
    func `A reserved bit faults with 72H`(level: UInt64, index: UInt64, entry: UInt64) throws {
        walk.set(level, index, entry)
        let reason = try #require(translate().reason)
        #expect(reason.rawValue == 0x72 && !reason.isPageFault)
    }

    @Test func `A reserved bit of an entry that is not present counts as not present`() {
        walk.set(4, 1, 0x86)
        #expect(translate().reason == .firstStageNotPresent)
    }

    @Test(arguments: [UInt64(1), 2, 3, 4])
    func `A user request needs U at every level, a privileged one at none`(level: UInt64) throws {
        walk.set(level, 5 - level, walk.pointer(level == 1 ? 8 : level - 1, 3))
        let reason = try #require(translate().reason)
        #expect(reason.rawValue == 0x81 && reason.isPageFault)
        #expect(translate(isPrivileged: true).address == walk.ram.page(8).advanced(by: 0x567))
    }

    @Test(arguments: [UInt64(1), 2, 3, 4])
    func `A write needs W at every level, a privileged one only under write protection`(level: UInt64) throws {
        walk.set(level, 5 - level, walk.pointer(level == 1 ? 8 : level - 1, 5))
        let reason = try #require(translate(isWrite: true).reason)
        #expect(reason.rawValue == 0x85 && reason.isPageFault)
        #expect(translate().address != nil)
        #expect(translate(isWrite: true, isPrivileged: true).reason == .writeDenied)
        #expect(translate(isWrite: true, isPrivileged: true, writeProtect: false).address != nil)
        #expect(translate(isWrite: true, isPrivileged: false, writeProtect: false).reason == .writeDenied)
    }

    @Test func `A read sets the accessed flag at each level, a write the page's dirty flag as well`() {
        _ = translate()
        #expect((1...4).map { walk.entry($0, 5 - $0) & 0x60 } == [0x20, 0x20, 0x20, 0x20])
        _ = translate(isWrite: true)
        #expect((1...4).map { walk.entry($0, 5 - $0) & 0x60 } == [0x60, 0x20, 0x20, 0x20])
        #expect(walk.entry(1, 4) == walk.pointer(8, 0x67))
    }

    @Test func `A denied access leaves the page's flags as they are`() {
        walk.set(1, 4, walk.pointer(8, 5))
        #expect(translate(isWrite: true).reason == .writeDenied)
        #expect(walk.entry(1, 4) == walk.pointer(8, 5))
    }

    @Test func `A table that is no memory faults with 73H for the root and 70H below`() {
        let device = HostPhysicalAddress(rawValue: UInt64(PhysicalMemory.mmioRegionIndex) << 36)
        walk.set(3, 2, device.rawValue | 7)
        #expect(translate().reason?.rawValue == 0x70)
        let atRoot = PageWalk.firstStage(
            in: walk.test.physical, root: device, levels: .four, address: address, isWrite: false, isPrivileged: false)
        #expect(atRoot.reason?.rawValue == 0x73)
    }

    @Test func `A page may lie in a device`() {
        let device = HostPhysicalAddress(rawValue: UInt64(PhysicalMemory.mmioRegionIndex) << 36)
        walk.set(1, 4, device.rawValue | 7)
        #expect(translate(isWrite: true).address == device.advanced(by: 0x567))
    }

    @Test func `An output in the interrupt range faults with 87H, and a large page ends before it`() throws {
        walk.set(1, 4, 0xFEE0_0007)
        let reason = try #require(translate().reason)
        #expect(reason.rawValue == 0x87 && !reason.isPageFault)
        walk.set(1, 4, 0xFEEF_F007)
        #expect(translate().reason == .outputInInterruptRange)
        walk.set(1, 4, 0xFEF0_0007)
        #expect(translate().address?.rawValue == 0xFEF0_0567)
        walk.set(3, 2, 0xC000_0087)
        let below = LinearAddress(rawValue: 1 << 39 | 2 << 30 | 0x3EDF_FFF0)
        #expect(translate(below) == .translated(HostPhysicalAddress(rawValue: 0xFEDF_FFF0), remaining: 16))
    }
}

@Suite("Second-stage walk")
struct SecondStageWalkTests {
    private let walk = Walk()
    private let address = GuestPhysicalAddress(rawValue: 1 << 39 | 2 << 30 | 3 << 21 | 4 << 12 | 0x567)

    init() {
        walk.set(4, 1, walk.pointer(3, 3))
        walk.set(3, 2, walk.pointer(2, 3))
        walk.set(2, 3, walk.pointer(1, 3))
        walk.set(1, 4, walk.pointer(8, 3))
    }

    private func translate(_ address: GuestPhysicalAddress? = nil, isWrite: Bool = false) -> Translation {
        PageWalk.secondStage(
            in: walk.test.physical, root: walk.ram.page(4), address: address ?? self.address, isWrite: isWrite)
    }

    @Test func `Four levels of nine bits each select the page of a GPA`() {
        #expect(translate() == .translated(walk.ram.page(8).advanced(by: 0x567), remaining: 4096 - 0x567))
    }

    @Test(arguments: [UInt64(1), 2, 3, 4])
    func `Neither R nor W faults with 79H at every level`(level: UInt64) throws {
        walk.set(level, 5 - level, walk.pointer(8, 4))
        let reason = try #require(translate().reason)
        #expect(reason.rawValue == 0x79 && reason.isPageFault)
    }

    @Test(arguments: [UInt64(1), 2, 3, 4])
    func `R and W are the AND of all levels`(level: UInt64) throws {
        walk.set(level, 5 - level, walk.pointer(level == 1 ? 8 : level - 1, 1))
        #expect(translate().address != nil)
        #expect(translate(isWrite: true).reason?.rawValue == 0x85)
        walk.set(level, 5 - level, walk.pointer(level == 1 ? 8 : level - 1, 2))
        #expect(translate(isWrite: true).address != nil)
        let reason = try #require(translate().reason)
        #expect(reason.rawValue == 0x86 && reason.isPageFault)
    }

    @Test(
        arguments: [
            (4, 1, 0x83), (2, 3, 1 << 12 | 0x83), (2, 3, 1 << 20 | 0x83), (3, 2, 1 << 12 | 0x83),
            (3, 2, 1 << 29 | 0x83), (1, 4, 1 << 62 | 3), (4, 1, 1 << 62 | 3),
        ] as [(UInt64, UInt64, UInt64)])
    func `A reserved bit faults with 7AH`(level: UInt64, index: UInt64, entry: UInt64) throws {
        walk.set(level, index, entry)
        let reason = try #require(translate().reason)
        #expect(reason.rawValue == 0x7A && !reason.isPageFault)
    }

    @Test func `A GPA above 48 bits faults with 84H`() throws {
        let reason = try #require(translate(GuestPhysicalAddress(rawValue: 1 << 48)).reason)
        #expect(reason.rawValue == 0x84 && !reason.isPageFault)
    }

    @Test func `A table that is no memory faults with 7BH for the root and 78H below`() {
        walk.set(3, 2, 0x000F_F000_0000_0003)
        #expect(translate().reason?.rawValue == 0x78)
        let atRoot = PageWalk.secondStage(
            in: walk.test.physical, root: HostPhysicalAddress(rawValue: 0x000F_F000_0000_0000), address: address,
            isWrite: false)
        #expect(atRoot.reason?.rawValue == 0x7B)
    }

    @Test func `Pages of 2 MiB and 1 GiB translate the lower bits unchanged`() {
        walk.set(2, 3, 0x0000_0012_3460_0083)
        #expect(
            translate() == .translated(HostPhysicalAddress(rawValue: 0x12_3460_4567), remaining: 0x20_0000 - 0x4567))
        walk.set(3, 2, 0x0000_0040_0000_0083)
        #expect(
            translate()
                == .translated(HostPhysicalAddress(rawValue: 0x40_0060_4567), remaining: 0x4000_0000 - 0x60_4567))
    }
}
