import IOMMU
import PCIe
import Testing

/// A guest of 32 pages whose GPA n x 4096 lies in page 31 - n, so that a GPA taken for a host address is found out.
///
/// The guest's tables of levels 4 to 1 are its pages 4 to 1; linear address 0 is its page 8.
@Suite("Nested walk")
struct NestedWalkTests {
    let test = TestMemory()
    let ram: RAM

    init() {
        ram = test.addRAM(pageCount: 32)
        for level in UInt64(1)...4 { setGuestEntry(level, to: (level == 1 ? 8 : level - 1) << 12 | 7) }
    }

    private func hostPage(_ page: UInt64) -> HostPhysicalAddress { ram.page(31 - page) }

    private func setGuestEntry(_ level: UInt64, to entry: UInt64) { ram[(31 - level) * 4096] = entry }

    private func guestEntry(_ level: UInt64) -> UInt64 { ram[(31 - level) * 4096] }

    /// The second stage of the guest, without `missing` and with `permission` for `page`.
    private func secondStage(
        missing: UInt64? = nil, page changed: UInt64? = nil, _ permission: PagePermission = .readWrite
    ) throws -> SecondStageTable {
        var table = try test.makeSecondStageTable()
        for page in UInt64(0)..<32 where page != missing {
            try table.map(
                GuestPhysicalAddress(rawValue: page << 12), to: hostPage(page), byteCount: 4096,
                permission: page == changed ? permission : .readWrite)
        }
        return table
    }

    private func translate(
        through table: borrowing SecondStageTable, root: UInt64 = 4 << 12, address: UInt64 = 0x123,
        isWrite: Bool = false
    ) -> Translation {
        PageWalk.nested(
            in: test.physical, firstStage: GuestPhysicalAddress(rawValue: root), levels: .four, secondStage: table.root,
            address: LinearAddress(rawValue: address), isWrite: isWrite, isPrivileged: false)
    }

    @Test func `Each first-stage pointer is a GPA that the second stage translates`() throws {
        let table = try secondStage()
        #expect(translate(through: table) == .translated(hostPage(8).advanced(by: 0x123), remaining: 4096 - 0x123))
    }

    @Test(arguments: [UInt64(1), 2, 3, 4, 8])
    func `A table or page that the second stage does not map is a page fault 79H`(page: UInt64) throws {
        let table = try secondStage(missing: page)
        let reason = try #require(translate(through: table).reason)
        #expect(reason == .secondStageNotPresent && reason.isPageFault)
    }

    @Test(arguments: [UInt64(1), 2, 3, 4])
    func `A table that the second stage does not let be read faults with 75H for the root and 76H below`(
        level: UInt64
    ) throws {
        let table = try secondStage(page: level, .writeOnly)
        let reason = try #require(translate(through: table).reason)
        #expect(reason.rawValue == (level == 4 ? 0x75 : 0x76) && reason.isPageFault)
    }

    @Test(arguments: [UInt64(1), 2, 3, 4])
    func `A table that the second stage does not let be written faults with 77H when a flag must be set`(
        level: UInt64
    ) throws {
        let table = try secondStage(page: level, .readOnly)
        let reason = try #require(translate(through: table).reason)
        #expect(reason.rawValue == 0x77 && reason.isPageFault)
        #expect(guestEntry(level) & 0x20 == 0)

        for level in UInt64(1)...4 { setGuestEntry(level, to: guestEntry(level) | 0x20) }
        #expect(translate(through: table).address != nil)
        let writeReason = translate(through: table, isWrite: true).reason
        #expect(writeReason == (level == 1 ? .firstStageTableWriteDenied : nil))
    }

    @Test(arguments: [
        (UInt64(7), PagePermission.readWrite, true), (7, .readOnly, false), (5, .readWrite, false),
        (5, .readOnly, false),
    ])
    func `M-03 A write passes when both stages permit it, and a read-only page of either blocks it`(
        guestFlags: UInt64, permission: PagePermission, isPermitted: Bool
    ) throws {
        let table = try secondStage(page: 8, permission)
        setGuestEntry(1, to: 8 << 12 | guestFlags)
        #expect(translate(through: table).address == hostPage(8).advanced(by: 0x123))
        let write = translate(through: table, isWrite: true)
        #expect(write.address == (isPermitted ? hostPage(8).advanced(by: 0x123) : nil))
        #expect(write.reason == (isPermitted ? nil : .writeDenied))
    }

    @Test func `A page that the second stage lets only be written is not read`() throws {
        let table = try secondStage(page: 8, .writeOnly)
        #expect(translate(through: table).reason == .readDenied)
        #expect(translate(through: table, isWrite: true).address != nil)
    }

    @Test func `A fault of the second stage names the GPA it denied, one of the first stage none`() throws {
        func address(_ translation: Translation) -> UInt64? {
            guard case .fault(let fault) = translation else { return nil }
            return fault.secondStageAddress?.rawValue
        }
        let page9 = UInt64(9) << 12
        let withoutTable = try secondStage(missing: 2)
        #expect(address(translate(through: withoutTable, address: page9)) == UInt64(2 << 12))
        let withoutPage = try secondStage(missing: 8)
        #expect(address(translate(through: withoutPage)) == UInt64(8 << 12 | 0x123))
        let readOnly = try secondStage(page: 8, .readOnly)
        #expect(address(translate(through: readOnly, isWrite: true)) == UInt64(8 << 12 | 0x123))
        let readOnlyTable = try secondStage(page: 1, .readOnly)
        #expect(address(translate(through: readOnlyTable)) == UInt64(1 << 12))

        let complete = try secondStage()
        setGuestEntry(1, to: 8 << 12 | 5)
        let denied = translate(through: complete, isWrite: true)
        #expect(denied.reason == .writeDenied && address(denied) == nil)
        #expect(address(translate(through: complete, address: page9)) == nil)
    }

    @Test func `A pointer above the guest's 48 bits faults with 74H, an output with 84H`() throws {
        let table = try secondStage()
        #expect(translate(through: table, root: 1 << 48).reason?.rawValue == 0x74)
        setGuestEntry(3, to: 1 << 50 | 7)
        #expect(translate(through: table).reason?.rawValue == 0x74)
        setGuestEntry(3, to: 2 << 12 | 7)
        setGuestEntry(1, to: 1 << 49 | 7)
        let reason = try #require(translate(through: table).reason)
        #expect(reason.rawValue == 0x84 && !reason.isPageFault)
    }

    @Test func `What remains of the page is the smaller of both stages`() throws {
        let table = try secondStage()
        // A 2 MiB page of the guest over 4 KiB pages of the host.
        setGuestEntry(2, to: 0x87)
        #expect(
            translate(through: table, address: 0x9010)
                == .translated(hostPage(9).advanced(by: 0x10), remaining: 4096 - 0x10))
        #expect(translate(through: table, address: 32 << 12).reason == .secondStageNotPresent)
    }

    @Test func `A 4 KiB page of the guest in a 2 MiB page of the host ends after 4 KiB`() throws {
        var table = try secondStage()
        let large = GuestPhysicalAddress(rawValue: 0x4000_0000)
        let target = HostPhysicalAddress(rawValue: UInt64(PhysicalMemory.mmioRegionIndex) << 36)
        try table.map(large, to: target, byteCount: 0x20_0000, permission: .readWrite)
        setGuestEntry(1, to: large.rawValue | 0x5007)
        #expect(translate(through: table) == .translated(target.advanced(by: 0x5123), remaining: 4096 - 0x123))
    }

    @Test func `A guest's table in a device is not read`() throws {
        var table = try secondStage(missing: 2)
        let device = HostPhysicalAddress(rawValue: UInt64(PhysicalMemory.mmioRegionIndex) << 36)
        try table.map(
            GuestPhysicalAddress(rawValue: 2 << 12), to: device, byteCount: 4096, permission: .readWrite)
        #expect(translate(through: table).reason == .firstStageAccess)
    }

    @Test func `Low bits of a root do not misalign the walk`() throws {
        let table = try secondStage()
        #expect(translate(through: table, root: 4 << 12 | 0xFFF).address == hostPage(8).advanced(by: 0x123))
    }
}
