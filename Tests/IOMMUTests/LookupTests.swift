import IOMMU
import PCIe
import Testing

/// A requester with one PASID that passes addresses through, and the means to spoil each structure on the way.
///
/// A class, so that the IOMMU can be changed by the tests in place.
private final class Lookup {
    let test = TestMemory()
    let iommu: TestIOMMU
    let requester = RequesterID(rawValue: 0x6A08)
    let pasid = HostPASID.number(0x1_2345)
    let address = LinearAddress(rawValue: 0x7000_0123)

    init() throws {
        iommu = try TestIOMMU(memory: test.physical)
        #expect(iommu.enableRequester(requester))
        #expect(iommu.setEntry(requester: requester, pasid: pasid, translation: .passThrough, domain: .host))
    }

    func translate(
        requester: RequesterID? = nil, pasid: HostPASID?, address: LinearAddress? = nil, isPrivileged: Bool = false
    ) -> Translation {
        iommu.translate(
            TranslationRequest(
                requester: requester ?? self.requester, pasid: pasid, address: address ?? self.address, isWrite: true,
                isPrivileged: isPrivileged))
    }

    func word(_ location: HostPhysicalAddress) -> UInt64 { test.physical.load64(location) ?? 0 }

    var rootEntry: HostPhysicalAddress { iommu.rootTable.advanced(by: 0x6A * 16) }

    var contextEntry: HostPhysicalAddress {
        HostPhysicalAddress(rawValue: word(rootEntry) & ~0xFFF).advanced(by: 8 * 32)
    }

    var directoryEntry: HostPhysicalAddress {
        HostPhysicalAddress(rawValue: word(contextEntry) & ~0xFFF).advanced(by: 0x1_2345 / 64 * 8)
    }

    var pasidEntry: HostPhysicalAddress {
        HostPhysicalAddress(rawValue: word(directoryEntry) & ~0xFFF).advanced(by: 0x1_2345 % 64 * 64)
    }

    /// Runs `body` with bits of the word at `location` cleared and then others set, and puts the old word back, which
    /// teardown relies on.
    func withWord(
        _ location: HostPhysicalAddress, clearing cleared: UInt64 = 0, setting set: UInt64 = 0, _ body: () -> Void
    ) {
        let old = word(location)
        change(location, to: old & ~cleared | set)
        body()
        change(location, to: old)
    }

    private func change(_ location: HostPhysicalAddress, to word: UInt64) {
        test.physical.store64(word, at: location)
        iommu.invalidate(.contextCache(requester))
        iommu.invalidate(.globalPASIDCache)
    }
}

@Suite("IOMMU look-up")
struct LookupTests {
    private let lookup: Lookup

    init() throws {
        lookup = try Lookup()
    }

    /// The structures on the way: where the n-th word lies, and the codes for not present and reserved.
    private struct Structure {
        let word: HostPhysicalAddress
        let reservedBit: UInt64
        let notPresent: UInt8
        let reserved: UInt8
    }

    private var structures: [Structure] {
        [
            Structure(word: lookup.rootEntry, reservedBit: 5, notPresent: 0x39, reserved: 0x3A),
            Structure(word: lookup.contextEntry, reservedBit: 5, notPresent: 0x41, reserved: 0x42),
            Structure(word: lookup.directoryEntry, reservedBit: 11, notPresent: 0x51, reserved: 0x52),
            Structure(word: lookup.pasidEntry, reservedBit: 10, notPresent: 0x59, reserved: 0x5A),
        ]
    }

    @Test func `A requester and a PASID with entries translate`() {
        #expect(lookup.translate(pasid: lookup.pasid).address?.rawValue == 0x7000_0123)
        #expect(lookup.iommu.faults.totalCount == 0)
    }

    @Test func `A structure that is not present faults with its own code`() {
        for structure in structures {
            lookup.withWord(structure.word, clearing: 1) {
                #expect(lookup.translate(pasid: lookup.pasid).reason?.rawValue == structure.notPresent)
            }
        }
    }

    @Test func `A reserved bit of a structure faults with its own code, and does not count when it is not present`() {
        for structure in structures {
            lookup.withWord(structure.word, setting: 1 << structure.reservedBit) {
                #expect(lookup.translate(pasid: lookup.pasid).reason?.rawValue == structure.reserved)
            }
            lookup.withWord(structure.word, clearing: 1, setting: 1 << structure.reservedBit) {
                #expect(lookup.translate(pasid: lookup.pasid).reason?.rawValue == structure.notPresent)
            }
        }
    }

    @Test func `A pointer to what is no memory faults with its own code`() {
        let nowhere: UInt64 = 0x000F_F000_0000_0000
        let pointers = [(lookup.rootEntry, 0x40), (lookup.contextEntry, 0x50), (lookup.directoryEntry, 0x58)]
        for (location, code) in pointers {
            lookup.withWord(location, clearing: ~0xFFF, setting: nowhere) {
                #expect(lookup.translate(pasid: lookup.pasid).reason?.rawValue == UInt8(code))
            }
        }
    }

    @Test(arguments: [
        (UInt64(0x141), UInt64(0)), (0x001, 0), (0x181, 0), (0x081, 0), (0x085, 0), (0x08D, 0), (0x041, 0x8),
        (0x0C9, 0xC), (0x0C1, 0),
    ])
    func `PGTT, AW or FSPM that this unit does not have faults with 5BH`(low: UInt64, first: UInt64) {
        lookup.withWord(lookup.pasidEntry, clearing: .max, setting: low) {
            lookup.withWord(lookup.pasidEntry.advanced(by: 16), clearing: .max, setting: first) {
                #expect(lookup.translate(pasid: lookup.pasid).reason?.rawValue == 0x5B)
            }
        }
    }

    @Test func `A request with PASID where PASIDE is 0 faults with 45H`() {
        lookup.withWord(lookup.contextEntry, clearing: 8) {
            #expect(lookup.translate(pasid: lookup.pasid).reason?.rawValue == 0x45)
        }
    }

    @Test func `A PASID that PDTS does not cover faults with 46H, the first of them too`() {
        // PDTS = 2: 512 directory entries, 32768 PASIDs.
        lookup.withWord(lookup.contextEntry, clearing: 0xE00, setting: 2 << 9) {
            #expect(lookup.translate(pasid: .number(0x8000)).reason?.rawValue == 0x46)
            #expect(lookup.translate(pasid: lookup.pasid).reason?.rawValue == 0x46)
            #expect(lookup.translate(pasid: .number(0x7FFF)).reason?.rawValue == 0x51)
        }
    }

    @Test func `A request without PASID uses RID_PASID, even where PASIDE is 0`() {
        #expect(lookup.translate(pasid: nil).reason == .pasidDirectoryEntryNotPresent)
        lookup.withWord(lookup.contextEntry.advanced(by: 8), setting: 0x1_2345) {
            #expect(lookup.translate(pasid: nil).address?.rawValue == 0x7000_0123)
            lookup.withWord(lookup.contextEntry, clearing: 8) {
                #expect(lookup.translate(pasid: nil).address?.rawValue == 0x7000_0123)
            }
            lookup.withWord(lookup.contextEntry, clearing: 0xE00) {
                #expect(lookup.translate(pasid: nil).reason?.rawValue == 0x48)
            }
        }
    }

    @Test func `A privileged request needs supervisor request enable, whatever the translation`() throws {
        let reason = try #require(lookup.translate(pasid: lookup.pasid, isPrivileged: true).reason)
        #expect(reason.rawValue == 0x5D && !reason.isPageFault)
        lookup.iommu.clearEntry(requester: lookup.requester, pasid: lookup.pasid)
        #expect(
            lookup.iommu.setEntry(
                requester: lookup.requester, pasid: lookup.pasid, translation: .passThrough, domain: .host,
                options: .supervisorRequests))
        #expect(lookup.translate(pasid: lookup.pasid, isPrivileged: true).address != nil)
    }

    @Test func `Pass-through blocks what lies above the host's 52 bits and in the interrupt range`() {
        #expect(
            lookup.translate(pasid: lookup.pasid, address: LinearAddress(rawValue: 1 << 52)).reason?.rawValue == 0x83)
        #expect(
            lookup.translate(pasid: lookup.pasid, address: LinearAddress(rawValue: 0xFEE0_0000)).reason?.rawValue
                == 0x87)
        #expect(
            lookup.translate(pasid: lookup.pasid, address: LinearAddress(rawValue: 0x3FFF_FFFF))
                == .translated(HostPhysicalAddress(rawValue: 0x3FFF_FFFF), remaining: 1))
    }

    @Test func `M-02 A PASID of one requester means nothing under another`() {
        let other = RequesterID(rawValue: 0x6A10)
        #expect(lookup.iommu.enableRequester(other))
        #expect(lookup.translate(requester: other, pasid: lookup.pasid).reason == .pasidDirectoryEntryNotPresent)
        // A neighbour in the same PASID table brings the table, not the entry.
        let neighbour = HostPASID.number(0x1_2344)
        #expect(
            lookup.iommu.setEntry(requester: other, pasid: neighbour, translation: .passThrough, domain: .host))
        #expect(lookup.translate(requester: other, pasid: lookup.pasid).reason?.rawValue == 0x59)
        #expect(lookup.translate(requester: other, pasid: neighbour).address != nil)
        #expect(lookup.translate(requester: lookup.requester, pasid: neighbour).reason?.rawValue == 0x59)
        #expect(
            lookup.translate(requester: RequesterID(rawValue: 0x6A11), pasid: lookup.pasid).reason?.rawValue == 0x41)
        #expect(
            lookup.translate(requester: RequesterID(rawValue: 0x6B08), pasid: lookup.pasid).reason?.rawValue == 0x39)
    }

    @Test func `M-02 Every single bit of RID and PASID selects another entry`() {
        for bit in 0..<16 {
            let other = RequesterID(rawValue: lookup.requester.rawValue ^ 1 << bit)
            #expect(lookup.translate(requester: other, pasid: lookup.pasid).address == nil, "RID bit \(bit)")
        }
        for bit in 0..<20 {
            let other = HostPASID.number(lookup.pasid.rawValue ^ 1 << bit)
            #expect(lookup.translate(pasid: other).address == nil, "PASID bit \(bit)")
        }
    }
}

@Suite("Fault records")
struct FaultRecordTests {
    private let lookup: Lookup

    init() throws {
        lookup = try Lookup()
    }

    @Test func `A fault is recorded with requester, PASID, address, reason and access`() {
        _ = lookup.translate(pasid: .number(5), isPrivileged: true)
        let request = TranslationRequest(
            requester: lookup.requester, pasid: .number(5), address: lookup.address, isWrite: true, isPrivileged: true)
        #expect(lookup.iommu.faults.last == FaultRecord(request, reason: .pasidDirectoryEntryNotPresent))
        #expect(lookup.iommu.faults.totalCount == 1)
    }

    @Test func `The newest records are kept, and all are counted`() {
        let count = UInt64(FaultRecorder.capacity) * 2 + 7
        for number in 0..<count {
            _ = lookup.translate(pasid: .number(5), address: LinearAddress(rawValue: number << 12))
        }
        #expect(lookup.iommu.faults.totalCount == count)
        let kept = lookup.iommu.faults.records.map { $0.address.rawValue >> 12 }
        #expect(kept == Array(count - UInt64(FaultRecorder.capacity)..<count))
        #expect(lookup.iommu.faults.last?.address.rawValue == (count - 1) << 12)
    }

    @Test func `M-06 FPD of context, directory or PASID entry suppresses the record, not the blocking`() {
        for location in [lookup.contextEntry, lookup.directoryEntry, lookup.pasidEntry] {
            let before = lookup.iommu.faults.totalCount
            lookup.withWord(location, clearing: 1, setting: 2) {
                #expect(lookup.translate(pasid: lookup.pasid).address == nil)
            }
            #expect(lookup.iommu.faults.totalCount == before)
            lookup.withWord(location, clearing: 1) {
                #expect(lookup.translate(pasid: lookup.pasid).address == nil)
            }
            #expect(lookup.iommu.faults.totalCount == before + 1)
        }
    }

    @Test func `M-06 FPD does not suppress the record of a table that is no memory`() {
        lookup.withWord(lookup.directoryEntry, clearing: ~0xFFF, setting: 0x000F_F000_0000_0002) {
            #expect(lookup.translate(pasid: lookup.pasid).reason == .pasidTableAccess)
        }
        #expect(lookup.iommu.faults.totalCount == 1)
    }

    @Test func `M-06 An entry that is cleared with its fault records suppressed blocks in silence`() {
        lookup.iommu.clearEntry(requester: lookup.requester, pasid: lookup.pasid, suppressFaultRecords: true)
        #expect(lookup.translate(pasid: lookup.pasid).reason == .pasidEntryNotPresent)
        #expect(lookup.iommu.faults.totalCount == 0)
    }
}
