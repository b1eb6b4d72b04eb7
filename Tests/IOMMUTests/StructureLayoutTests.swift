import IOMMU
import PCIe
import Testing

@Suite("Scalable-mode structures")
struct StructureLayoutTests {
    let test = TestMemory()

    private func bytes(_ words: some Sequence<UInt64>) -> [UInt8] {
        words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) } }
    }

    private func bytes(_ entry: PASIDTableEntry) -> [UInt8] {
        bytes(entry.words.indices.map { entry.words[$0] })
    }

    @Test func `A first-stage PASID entry of four levels has PGTT 1 and its pointer in bits 191 to 140`() {
        let entry = PASIDTableEntry(
            .firstStage(root: HostPhysicalAddress(rawValue: 0x000A_BCDE_F012_3000), levels: .four),
            domain: DomainID(rawValue: 0xBEEF), options: .writeProtect)
        #expect(
            bytes(entry) == [
                0x41, 0, 0, 0, 0, 0, 0, 0,
                0xEF, 0xBE, 0, 0, 0, 0, 0, 0,
                0x10, 0x30, 0x12, 0xF0, 0xDE, 0xBC, 0x0A, 0,
            ] + [UInt8](repeating: 0, count: 40))
    }

    @Test func `A nested PASID entry of five levels has PGTT 3, AW 2, FSPM 1 and both pointers`() {
        let entry = PASIDTableEntry(
            .nested(
                firstStage: GuestPhysicalAddress(rawValue: 0x1234_5678_9000), levels: .five,
                secondStage: HostPhysicalAddress(rawValue: 0x000A_BCDE_F012_3000)),
            domain: DomainID(rawValue: 2), options: [.supervisorRequests, .writeProtect, .suppressFaultRecords])
        #expect(
            bytes(entry) == [
                0xCB, 0x30, 0x12, 0xF0, 0xDE, 0xBC, 0x0A, 0,
                0x02, 0, 0, 0, 0, 0, 0, 0,
                0x15, 0x90, 0x78, 0x56, 0x34, 0x12, 0, 0,
            ] + [UInt8](repeating: 0, count: 40))
    }

    @Test func `A second-stage PASID entry has PGTT 2 and AW 2, a pass-through one PGTT 4`() {
        let second = PASIDTableEntry(
            .secondStage(root: HostPhysicalAddress(rawValue: 0x7000)), domain: .host, options: [])
        #expect(bytes(second).prefix(16) == [0x89, 0x70, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0])
        let pass = PASIDTableEntry(.passThrough, domain: .host, options: .supervisorRequests)
        #expect(bytes(pass).prefix(24) == [1, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0])
    }

    @Test func `A PASID entry's fields are read from their bits`() {
        let entry = PASIDTableEntry(words: [0x0000_1111_2222_30CB, 0x1_8000_7777, 0x0000_3333_4444_5015, 0, 0, 0, 0, 0])
        #expect(entry.isPresent && entry.isFaultProcessingDisabled)
        #expect(entry.addressWidth == 2 && entry.translationType == .nested)
        #expect(entry.secondStageRoot.rawValue == 0x1111_2222_3000)
        #expect(entry.domain.rawValue == 0x7777)
        #expect(entry.takesSupervisorRequests && entry.isWriteProtectEnabled && entry.firstStageLevels == .five)
        #expect(entry.firstStageRoot == 0x3333_4444_5000)
    }

    @Test(arguments: [
        AddressSpaceTranslation.firstStage(root: HostPhysicalAddress(rawValue: 0x5000), levels: .five),
        .nested(
            firstStage: GuestPhysicalAddress(rawValue: 0x6000), levels: .four,
            secondStage: HostPhysicalAddress(rawValue: 0x8000)),
        .secondStage(root: HostPhysicalAddress(rawValue: 0x9000)), .passThrough,
    ])
    func `A PASID entry says what it was made from`(translation: AddressSpaceTranslation) {
        let entry = PASIDTableEntry(translation, domain: DomainID(rawValue: 3), options: [])
        #expect(entry.translation == translation)
        #expect(!entry.hasReservedBits && entry.isPresent && !entry.isFaultProcessingDisabled)
    }

    @Test func `Every bit of a PASID entry that is not a field of this unit is reserved`() {
        var allowed: Set<Int> = [0, 1, 2, 3, 4, 6, 7, 8, 9, 87, 88, 128, 130, 131, 132, 133, 134]
        allowed.formUnion(12..<52)
        allowed.formUnion(64..<80)
        allowed.formUnion(140..<180)
        for bit in 0..<512 {
            var entry = PASIDTableEntry(words: InlineArray(repeating: 0))
            entry.words[bit / 64] = 1 << UInt64(bit % 64)
            #expect(entry.hasReservedBits == !allowed.contains(bit), "bit \(bit)")
        }
    }

    @Test func `A context entry has P, DTE, PASIDE, PRE, PDTS 7 and its directory, and RID_PASID 0`() {
        let entry = ScalableContextEntry(
            directory: HostPhysicalAddress(rawValue: 0x000F_EDCB_A987_6000))
        #expect(
            bytes(entry.words.indices.map { entry.words[$0] }) == [
                0x1D, 0x6E, 0x87, 0xA9, 0xCB, 0xED, 0x0F, 0,
            ]
                + [UInt8](repeating: 0, count: 24))
        #expect(entry.isPresent && entry.isPASIDEnabled && !entry.isFaultProcessingDisabled)
        #expect(entry.pasidCount == 1 << 20 && entry.directory.rawValue == 0x000F_EDCB_A987_6000)
        #expect(entry.requesterPASID.rawValue == 0 && !entry.isRequesterPrivileged && !entry.hasReservedBits)
    }

    @Test func `RID_PASID and RID_PRIV are bits 83 to 64 and 84 of a context entry`() {
        let entry = ScalableContextEntry(words: [0x0000_0000_0000_1003, 0x1A_BCDE, 0, 0])
        #expect(entry.requesterPASID.rawValue == 0xABCDE && entry.isRequesterPrivileged)
        #expect(entry.isFaultProcessingDisabled && !entry.isPASIDEnabled && entry.pasidCount == 8192)
    }

    @Test func `Every bit of a context entry that is not a field of this unit is reserved`() {
        var allowed: Set<Int> = [0, 1, 2, 3, 4, 9, 10, 11, 84]
        allowed.formUnion(12..<52)
        allowed.formUnion(64..<84)
        for bit in 0..<256 {
            var entry = ScalableContextEntry(words: InlineArray(repeating: 0))
            entry.words[bit / 64] = 1 << UInt64(bit % 64)
            #expect(entry.hasReservedBits == !allowed.contains(bit), "bit \(bit)")
        }
    }

    @Test func `Root and directory entries hold a 52-bit pointer and flags in their lowest bits`() {
        let pointer = HostPhysicalAddress(rawValue: 0x000F_FFFF_FFFF_F000)
        #expect(RootEntryHalf(contextTable: pointer).rawValue == 0x000F_FFFF_FFFF_F001)
        #expect(PASIDDirectoryEntry(table: pointer).rawValue == 0x000F_FFFF_FFFF_F001)
        #expect(RootEntryHalf(contextTable: pointer).contextTable == pointer)
        #expect(PASIDDirectoryEntry(table: pointer).table == pointer)
        for bit in UInt64(0)..<64 {
            let root = RootEntryHalf(rawValue: 1 << bit)
            #expect(root.hasReservedBits == !(bit == 0 || 12..<52 ~= bit), "bit \(bit)")
            let directory = PASIDDirectoryEntry(rawValue: 1 << bit)
            #expect(directory.hasReservedBits == !(bit < 2 || 12..<52 ~= bit), "bit \(bit)")
            #expect(directory.isFaultProcessingDisabled == (bit == 1) && directory.isPresent == (bit == 0))
        }
    }

    @Test func `Bus, device and function and PASID select the entries of section 6_1`() throws {
        let iommu = try TestIOMMU(memory: test.physical)
        let requester = try #require(RequesterID(bus: 0x6A, device: 17, function: 3))
        #expect(iommu.enableRequester(requester))
        let pasid = HostPASID.number(0x9_8765)
        #expect(iommu.setEntry(requester: requester, pasid: pasid, translation: .passThrough, domain: .host))

        // devfn 8BH: the upper half, entry 0BH of its context table.
        let root = test.words(at: iommu.rootTable, count: 512)
        let used = root.indices.filter { root[$0] != 0 }
        #expect(used == [0x6A * 2 + 1])
        let contextTable = test.words(at: RootEntryHalf(rawValue: root[0x6A * 2 + 1]).contextTable, count: 512)
        #expect(contextTable.indices.filter { contextTable[$0] != 0 } == [0x0B * 4])

        // PASID 98765H: directory entry 261DH, table entry 25H.
        let directory = HostPhysicalAddress(rawValue: contextTable[0x0B * 4] & ~0xFFF)
        let directoryWords = test.words(at: directory, count: 16384)
        #expect(directoryWords.indices.filter { directoryWords[$0] != 0 } == [0x261D])
        let table = PASIDDirectoryEntry(rawValue: directoryWords[0x261D]).table
        let tableBytes = test.bytes(at: table, count: 4096)
        #expect(
            tableBytes.indices.filter { tableBytes[$0] != 0 } == [
                0x25 * 64, 0x25 * 64 + 1, 0x25 * 64 + 8, 0x25 * 64 + 16,
            ])
    }
}
