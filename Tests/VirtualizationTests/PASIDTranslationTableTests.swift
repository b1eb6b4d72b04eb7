import IOMMU
import PCIe
import TestKit
import Testing
import Virtualization

@Suite("PASID translation table")
struct PASIDTranslationTableTests {
    private static func guest(_ value: UInt32) -> GuestPASID { GuestPASID(truncating: value) }

    private static func host(_ value: UInt32) -> HostPASID { HostPASID(truncating: value) }

    /// Two directories and one table written word by word, with no help from the code under test.
    private struct HandMadeTable {
        let memory = PhysicalMemory(frameCount: 3)
        let low: HostPhysicalAddress
        let high: HostPhysicalAddress
        let table: HostPhysicalAddress

        init() throws {
            low = try #require(memory.allocateFrame())
            high = try #require(memory.allocateFrame())
            table = try #require(memory.allocateFrame())
        }

        func translate(_ guestPASID: UInt32) -> PASIDTranslation {
            PASIDTranslationTable.translate(guest(guestPASID), low: low, high: high, memory: memory)
        }
    }

    @Test func `V-04: g = 7FFFFH uses the low directory and g = 80000H the high one`() throws {
        let tables = try HandMadeTable()
        tables.memory.store64(tables.table.rawValue | 1, at: tables.low.advanced(by: 511 * 8))
        tables.memory.store32(0x8000_1111, at: tables.table.advanced(by: 1023 * 4))
        #expect(tables.translate(0x7_FFFF) == .translated(Self.host(0x1111)))
        #expect(tables.translate(0x8_0000) == .failed(.directoryEntryNotPresent))
        tables.memory.store64(tables.table.rawValue | 1, at: tables.high)
        tables.memory.store32(0x8000_2222, at: tables.table)
        #expect(tables.translate(0x8_0000) == .translated(Self.host(0x2222)))
    }

    @Test(arguments: 0..<20)
    func `V-04: each of the 20 bits of a guest PASID selects its directory, entry or table slot`(bit: Int) throws {
        let tables = try HandMadeTable()
        let directory = bit == 19 ? tables.high : tables.low
        let directoryIndex: UInt64 = (10..<19).contains(bit) ? 1 << UInt64(bit - 10) : 0
        let tableIndex: UInt64 = bit < 10 ? 1 << UInt64(bit) : 0
        tables.memory.store64(tables.table.rawValue | 1, at: directory.advanced(by: directoryIndex * 8))
        tables.memory.store32(0x8000_0000 | 0xBEEF, at: tables.table.advanced(by: tableIndex * 4))
        #expect(tables.translate(1 << UInt32(bit)) == .translated(Self.host(0xBEEF)))
        #expect(tables.translate(0) != .translated(Self.host(0xBEEF)))
        for other in 0..<20 where other != bit {
            #expect(tables.translate(1 << UInt32(other)) != .translated(Self.host(0xBEEF)))
        }
    }

    @Test(arguments: Array(1..<12) + Array(52..<64))
    func `V-03: a reserved bit in a directory entry fails the translation`(bit: UInt64) throws {
        let tables = try HandMadeTable()
        tables.memory.store32(0x8000_0001, at: tables.table)
        tables.memory.store64(tables.table.rawValue | 1 | 1 << bit, at: tables.low)
        #expect(tables.translate(0) == .failed(.directoryEntryReservedBits))
    }

    @Test(arguments: 20..<31)
    func `V-03: a reserved bit in a table entry fails the translation`(bit: UInt32) throws {
        let tables = try HandMadeTable()
        tables.memory.store64(tables.table.rawValue | 1, at: tables.low)
        tables.memory.store32(0x8000_0001 | 1 << bit, at: tables.table)
        #expect(tables.translate(0) == .failed(.tableEntryReservedBits))
    }

    @Test func `V-03: a directory entry that is not present and a table entry that is not valid fail the translation`()
        throws
    {
        let tables = try HandMadeTable()
        tables.memory.store64(tables.table.rawValue, at: tables.low)
        tables.memory.store32(0x8000_0001, at: tables.table)
        #expect(tables.translate(0) == .failed(.directoryEntryNotPresent))
        tables.memory.store64(tables.table.rawValue | 1, at: tables.low)
        tables.memory.store32(0x0000_0001, at: tables.table)
        #expect(tables.translate(0) == .failed(.tableEntryInvalid))
    }

    @Test func `A directory or a table where no memory is fails the translation`() throws {
        let tables = try HandMadeTable()
        let nowhere = HostPhysicalAddress(rawValue: 0x000F_FFFF_FFFF_F000)
        #expect(
            PASIDTranslationTable.translate(Self.guest(0), low: nowhere, high: tables.high, memory: tables.memory)
                == .failed(.notMemory))
        tables.memory.store64(nowhere.rawValue | 1, at: tables.low)
        #expect(tables.translate(0) == .failed(.notMemory))
    }

    @Test func `map writes what the processor walks, in the layout of the manual`() throws {
        let memory = PhysicalMemory(frameCount: 3)
        var table = try makeTable(in: memory)
        try table.map(Self.guest(0x8_0401), to: Self.host(0xF_EDCB))
        let entry = try #require(memory.load64(table.highDirectory.advanced(by: 8)))
        #expect(entry & 0xFFF0_0000_0000_0FFF == 1)
        #expect(memory.load32(HostPhysicalAddress(rawValue: entry & ~1).advanced(by: 4)) == 0x800F_EDCB)
        #expect(table.hostPASID(for: Self.guest(0x8_0401)) == Self.host(0xF_EDCB))
        #expect(table.mappingCount == 1)
    }

    @Test func `A guest PASID that translates already is not mapped again`() throws {
        let memory = PhysicalMemory(frameCount: 3)
        var table = try makeTable(in: memory)
        try table.map(Self.guest(7), to: Self.host(100))
        var refusal: PASIDMappingError?
        do throws(PASIDMappingError) { try table.map(Self.guest(7), to: Self.host(200)) } catch { refusal = error }
        #expect(refusal == .alreadyMapped(to: Self.host(100)))
        #expect(table.hostPASID(for: Self.guest(7)) == Self.host(100))
        #expect(table.mappingCount == 1)
    }

    @Test(arguments: [1, 2])
    func `A table is made only when two frames are free, and takes none otherwise`(frames: Int) {
        let memory = PhysicalMemory(frameCount: frames)
        let table = PASIDTranslationTable(memory: memory)
        switch consume table {
        case .some(let table):
            #expect(frames == 2)
            #expect(table.mappingCount == 0)
            #expect(memory.frameCountInUse == 2)
        case .none:
            #expect(frames == 1)
            #expect(memory.frameCountInUse == 0)
        }
    }

    @Test func `A mapping that needs a frame when none is left is refused and changes nothing`() throws {
        let memory = PhysicalMemory(frameCount: 3)
        var table = try makeTable(in: memory)
        try table.map(Self.guest(0), to: Self.host(1))
        var refusal: PASIDMappingError?
        do throws(PASIDMappingError) { try table.map(Self.guest(1024), to: Self.host(2)) } catch { refusal = error }
        #expect(refusal == .outOfFrames)
        #expect(table.hostPASID(for: Self.guest(1024)) == nil)
        #expect(table.mappingCount == 1)
        try table.map(Self.guest(1023), to: Self.host(3))
        #expect(table.hostPASID(for: Self.guest(1023)) == Self.host(3))
    }

    @Test func `A PASID table is freed with its last entry, and the directory entry becomes not present`() throws {
        let memory = PhysicalMemory(frameCount: 8)
        var table = try makeTable(in: memory)
        try table.map(Self.guest(1), to: Self.host(1))
        try table.map(Self.guest(2), to: Self.host(2))
        #expect(memory.frameCountInUse == 3)
        #expect(table.unmap(Self.guest(1)) == Self.host(1))
        #expect(memory.frameCountInUse == 3)
        #expect(table.unmap(Self.guest(2)) == Self.host(2))
        #expect(memory.frameCountInUse == 2)
        #expect(memory.load64(table.lowDirectory) == 0)
        #expect(table.unmap(Self.guest(2)) == nil)
    }

    @Test func `A VM's table gives all its frames back when it ends`() throws {
        let memory = PhysicalMemory(frameCount: 32)
        do {
            var table = try makeTable(in: memory)
            for number in UInt32(0)..<20 { try table.map(Self.guest(number << 15), to: Self.host(number + 1)) }
            #expect(memory.frameCountInUse == 22)
        }
        #expect(memory.frameCountInUse == 0)
    }

    @Test(arguments: UInt64(0)..<32)
    func `A table under random maps and unmaps agrees with a dictionary`(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let memory = PhysicalMemory(frameCount: 12)
        do {
            var table = try makeTable(in: memory)
            var model: [UInt32: UInt32] = [:]
            // A few PASIDs from a few tables, so that tables fill, empty and run out of frames.
            let candidates = (0..<48).map { _ in
                UInt32.random(in: 0..<16, using: &random) << 16 | UInt32.random(in: 0..<4, using: &random) << 10
                    | UInt32.random(in: 0..<4, using: &random)
            }
            for step in 0..<400 {
                let g = candidates.randomElement(using: &random) ?? 0
                if Bool.random(using: &random) {
                    let h = UInt32.random(in: 1...0xF_FFFF, using: &random)
                    let needsFrame = !model.keys.contains { $0 >> 10 == g >> 10 }
                    let framesLeft = 12 - memory.frameCountInUse
                    var refusal: PASIDMappingError?
                    do throws(PASIDMappingError) {
                        try table.map(Self.guest(g), to: Self.host(h))
                    } catch {
                        refusal = error
                    }
                    if let old = model[g] {
                        #expect(refusal == .alreadyMapped(to: Self.host(old)), "seed \(seed) step \(step)")
                    } else if needsFrame && framesLeft == 0 {
                        #expect(refusal == .outOfFrames, "seed \(seed) step \(step)")
                    } else {
                        #expect(refusal == nil, "seed \(seed) step \(step)")
                        model[g] = h
                    }
                } else {
                    #expect(
                        table.unmap(Self.guest(g))?.rawValue == model.removeValue(forKey: g),
                        "seed \(seed) step \(step)")
                }
                #expect(table.mappingCount == model.count, "seed \(seed) step \(step)")
                #expect(
                    memory.frameCountInUse == 2 + Set(model.keys.map { $0 >> 10 }).count, "seed \(seed) step \(step)")
            }
            for g in candidates + [0, 0x7_FFFF, 0x8_0000, 0xF_FFFF] {
                #expect(table.hostPASID(for: Self.guest(g))?.rawValue == model[g], "seed \(seed), g \(g)")
            }
        }
        #expect(memory.frameCountInUse == 0, "seed \(seed)")
    }
}
