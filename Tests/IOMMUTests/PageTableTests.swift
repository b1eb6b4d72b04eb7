import IOMMU
import PCIe
import Testing

@Suite("Page tables")
struct PageTableTests {
    let test = TestMemory()
    private let target = HostPhysicalAddress(rawValue: 0x0002_3400_0000_0000)

    private func firstStage(_ table: borrowing FirstStageTable, _ address: UInt64, isWrite: Bool = false) -> Translation
    {
        PageWalk.firstStage(
            in: test.physical, root: table.root, levels: .four, address: LinearAddress(rawValue: address),
            isWrite: isWrite, isPrivileged: false)
    }

    private func secondStage(
        _ table: borrowing SecondStageTable, _ address: UInt64, isWrite: Bool = false
    ) -> Translation {
        PageWalk.secondStage(
            in: test.physical, root: table.root, address: GuestPhysicalAddress(rawValue: address), isWrite: isWrite)
    }

    @Test func `A user page of a host process has P, R/W and U, its tables too`() throws {
        var table = try test.makeFirstStageTable()
        try table.map(LinearAddress(rawValue: 0), to: target, byteCount: 4096, writable: true)
        try table.map(LinearAddress(rawValue: 0x1000), to: target, byteCount: 4096, writable: false)
        var location = table.root
        for _ in 0..<3 {
            let pointer = test.words(at: location, count: 1)[0]
            #expect(pointer & 0xFFF == 7)
            location = HostPhysicalAddress(rawValue: pointer & ~0xFFF)
        }
        #expect(test.words(at: location, count: 3) == [target.rawValue | 7, target.rawValue | 5, 0])
    }

    @Test func `A second-stage page has R and W, a large one the page size flag`() throws {
        var table = try test.makeSecondStageTable()
        try table.map(GuestPhysicalAddress(rawValue: 0), to: target, byteCount: 0x20_0000, permission: .writeOnly)
        let first = HostPhysicalAddress(rawValue: test.words(at: table.root, count: 1)[0] & ~0xFFF)
        #expect(test.words(at: table.root, count: 1)[0] & 0xFFF == 3)
        let second = HostPhysicalAddress(rawValue: test.words(at: first, count: 1)[0] & ~0xFFF)
        #expect(test.words(at: second, count: 2) == [target.rawValue | 0x82, 0])
    }

    @Test func `64 GiB take three frames when the alignment allows it, and 4 KiB pages where it does not`() throws {
        let framesBefore = test.physical.frameCountInUse
        var table = try test.makeSecondStageTable()
        try table.map(GuestPhysicalAddress(rawValue: 0), to: target, byteCount: 64 << 30, permission: .readWrite)
        #expect(test.physical.frameCountInUse == framesBefore + 2)
        #expect(
            secondStage(table, (64 << 30) - 1)
                == .translated(target.advanced(by: (64 << 30) - 1), remaining: 1))
        #expect(secondStage(table, 64 << 30).reason == .secondStageNotPresent)

        let misaligned = target.advanced(by: 0x1000)
        try table.map(
            GuestPhysicalAddress(rawValue: 1 << 40), to: misaligned, byteCount: 0x20_0000, permission: .readWrite)
        #expect(secondStage(table, 1 << 40) == .translated(misaligned, remaining: 4096))
        #expect(test.physical.frameCountInUse == framesBefore + 5)
    }

    @Test func `Part of a large page is protected and unmapped alone`() throws {
        var table = try test.makeFirstStageTable()
        try table.map(LinearAddress(rawValue: 0), to: target, byteCount: 1 << 30, writable: true)
        #expect(firstStage(table, 0) == .translated(target, remaining: 1 << 30))
        try table.protect(LinearAddress(rawValue: 0x1000), byteCount: 0x2000, writable: false)
        try table.unmap(LinearAddress(rawValue: 0x40_0000), byteCount: 0x1000)

        #expect(firstStage(table, 0xFFF, isWrite: true) == .translated(target.advanced(by: 0xFFF), remaining: 1))
        #expect(firstStage(table, 0x1000, isWrite: true).reason == .writeDenied)
        #expect(firstStage(table, 0x2FFF).address == target.advanced(by: 0x2FFF))
        #expect(firstStage(table, 0x3000, isWrite: true).address == target.advanced(by: 0x3000))
        #expect(
            firstStage(table, 0x20_0000) == .translated(target.advanced(by: 0x20_0000), remaining: 0x20_0000))
        #expect(firstStage(table, 0x40_0000).reason == .firstStageNotPresent)
        #expect(firstStage(table, 0x40_1000).address == target.advanced(by: 0x40_1000))
        #expect(
            firstStage(table, 0x3FE0_0000, isWrite: true)
                == .translated(target.advanced(by: 0x3FE0_0000), remaining: 0x20_0000))
    }

    @Test func `Accessed and dirty flags outlive a split and a change of permission`() throws {
        var table = try test.makeFirstStageTable()
        try table.map(LinearAddress(rawValue: 0), to: target, byteCount: 0x20_0000, writable: true)
        _ = firstStage(table, 0, isWrite: true)
        try table.protect(LinearAddress(rawValue: 0), byteCount: 0x1000, writable: false)
        var location = table.root
        for _ in 0..<3 { location = HostPhysicalAddress(rawValue: test.words(at: location, count: 1)[0] & ~0xFFF) }
        #expect(test.words(at: location, count: 2) == [target.rawValue | 0x65, target.rawValue | 0x1067])
    }

    @Test func `Frames are given back as ranges are unmapped, and the rest with the table`() throws {
        let framesBefore = test.physical.frameCountInUse
        do {
            var table = try test.makeFirstStageTable()
            let framesEmpty = test.physical.frameCountInUse
            try table.map(LinearAddress(rawValue: 0x3FFF_F000), to: target, byteCount: 0x2000, writable: true)
            #expect(test.physical.frameCountInUse == framesEmpty + 5)
            try table.unmap(LinearAddress(rawValue: 0x4000_0000), byteCount: 0x1000)
            #expect(test.physical.frameCountInUse == framesEmpty + 3)
            try table.unmap(LinearAddress(rawValue: 0), byteCount: FirstStageTable.addressEnd)
            #expect(test.physical.frameCountInUse == framesEmpty)
            try table.map(LinearAddress(rawValue: 0x1000), to: target, byteCount: 1 << 26, writable: true)
            #expect(test.physical.frameCountInUse > framesEmpty)
        }
        #expect(test.physical.frameCountInUse == framesBefore)
    }

    @Test func `Linear addresses end at bit 47, guest physical ones at bit 48`() throws {
        var first = try test.makeFirstStageTable()
        let lastPage = LinearAddress(rawValue: (1 << 47) - 4096)
        try first.map(lastPage, to: target, byteCount: 4096, writable: true)
        #expect(firstStage(first, (1 << 47) - 1) == .translated(target.advanced(by: 0xFFF), remaining: 1))
        #expect(throws: MappingError.outOfRange) {
            try first.map(lastPage, to: target, byteCount: 8192, writable: true)
        }
        #expect(throws: MappingError.outOfRange) {
            try first.map(LinearAddress(rawValue: 1 << 47), to: target, byteCount: 4096, writable: true)
        }
        #expect(throws: MappingError.outOfRange) {
            try first.unmap(LinearAddress(rawValue: 4096), byteCount: .max & ~0xFFF)
        }
        var second = try test.makeSecondStageTable()
        let last = GuestPhysicalAddress(rawValue: (1 << 48) - 4096)
        try second.map(last, to: target, byteCount: 4096, permission: .readOnly)
        #expect(secondStage(second, (1 << 48) - 1) == .translated(target.advanced(by: 0xFFF), remaining: 1))
        try second.unmap(last, byteCount: 4096)
        #expect(secondStage(second, (1 << 48) - 1).reason == .secondStageNotPresent)
    }

    @Test func `Misaligned ranges, targets above 52 bits and empty ranges are refused`() throws {
        var table = try test.makeFirstStageTable()
        let zero = LinearAddress(rawValue: 0)
        #expect(throws: MappingError.misaligned) {
            try table.map(LinearAddress(rawValue: 1), to: target, byteCount: 4096, writable: true)
        }
        #expect(throws: MappingError.misaligned) { try table.map(zero, to: target, byteCount: 4097, writable: true) }
        #expect(throws: MappingError.misaligned) { try table.map(zero, to: target, byteCount: 0, writable: true) }
        #expect(throws: MappingError.misaligned) {
            try table.map(zero, to: target.advanced(by: 8), byteCount: 4096, writable: true)
        }
        let top = HostPhysicalAddress(rawValue: (1 << 52) - 4096)
        #expect(throws: MappingError.outOfRange) { try table.map(zero, to: top, byteCount: 8192, writable: true) }
        #expect(throws: MappingError.outOfRange) {
            try table.map(zero, to: top.advanced(by: 4096), byteCount: 4096, writable: true)
        }
        try table.map(zero, to: top, byteCount: 4096, writable: true)
        #expect(firstStage(table, 0).address == top)
    }

    @Test func `A range that is partly mapped is not mapped again, one that is partly unmapped not protected`() throws {
        var table = try test.makeSecondStageTable()
        try table.map(GuestPhysicalAddress(rawValue: 0x5000), to: target, byteCount: 4096, permission: .readWrite)
        let framesBefore = test.physical.frameCountInUse
        #expect(throws: MappingError.alreadyMapped) {
            try table.map(
                GuestPhysicalAddress(rawValue: 0), to: target, byteCount: 1 << 30, permission: .readWrite)
        }
        #expect(throws: MappingError.notMapped) {
            try table.protect(GuestPhysicalAddress(rawValue: 0x5000), byteCount: 8192, permission: .readOnly)
        }
        #expect(test.physical.frameCountInUse == framesBefore)
        #expect(secondStage(table, 0x5000, isWrite: true).address == target)
        #expect(secondStage(table, 0x4000).reason == .secondStageNotPresent)
    }
}
