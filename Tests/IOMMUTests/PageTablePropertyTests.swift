import IOMMU
import PCIe
import TestKit
import Testing

/// What the reference model knows of one unit of the window: its target, and whether it may be written.
private struct Mapped: Equatable {
    var target: UInt64
    var isWritable: Bool
}

/// The operations that both tables have, on plain numbers.
private protocol MappedTable: ~Copyable {
    init?(memory: PhysicalMemory)
    mutating func map(_ address: UInt64, to target: UInt64, byteCount: UInt64, isWritable: Bool) throws(MappingError)
    mutating func unmap(_ address: UInt64, byteCount: UInt64) throws(MappingError)
    mutating func protect(_ address: UInt64, byteCount: UInt64, isWritable: Bool) throws(MappingError)
    borrowing func walk(_ address: UInt64, isWrite: Bool, in memory: PhysicalMemory) -> Translation
}

extension FirstStageTable: MappedTable {
    fileprivate mutating func map(
        _ address: UInt64, to target: UInt64, byteCount: UInt64, isWritable: Bool
    ) throws(MappingError) {
        try map(
            LinearAddress(rawValue: address), to: HostPhysicalAddress(rawValue: target), byteCount: byteCount,
            writable: isWritable)
    }

    fileprivate mutating func unmap(_ address: UInt64, byteCount: UInt64) throws(MappingError) {
        try unmap(LinearAddress(rawValue: address), byteCount: byteCount)
    }

    fileprivate mutating func protect(
        _ address: UInt64, byteCount: UInt64, isWritable: Bool
    ) throws(MappingError) {
        try protect(LinearAddress(rawValue: address), byteCount: byteCount, writable: isWritable)
    }

    fileprivate borrowing func walk(_ address: UInt64, isWrite: Bool, in memory: PhysicalMemory) -> Translation {
        PageWalk.firstStage(
            in: memory, root: root, levels: .four, address: LinearAddress(rawValue: address), isWrite: isWrite,
            isPrivileged: false)
    }
}

extension SecondStageTable: MappedTable {
    fileprivate mutating func map(
        _ address: UInt64, to target: UInt64, byteCount: UInt64, isWritable: Bool
    ) throws(MappingError) {
        try map(
            GuestPhysicalAddress(rawValue: address), to: HostPhysicalAddress(rawValue: target), byteCount: byteCount,
            permission: isWritable ? .readWrite : .readOnly)
    }

    fileprivate mutating func unmap(_ address: UInt64, byteCount: UInt64) throws(MappingError) {
        try unmap(GuestPhysicalAddress(rawValue: address), byteCount: byteCount)
    }

    fileprivate mutating func protect(
        _ address: UInt64, byteCount: UInt64, isWritable: Bool
    ) throws(MappingError) {
        try protect(
            GuestPhysicalAddress(rawValue: address), byteCount: byteCount,
            permission: isWritable ? .readWrite : .readOnly)
    }

    fileprivate borrowing func walk(_ address: UInt64, isWrite: Bool, in memory: PhysicalMemory) -> Translation {
        PageWalk.secondStage(
            in: memory, root: root, address: GuestPhysicalAddress(rawValue: address), isWrite: isWrite)
    }
}

/// Random operations on a window of `unitCount` units around a boundary where tables of every level meet, against a
/// dictionary of units.
private struct MappingProperty {
    /// The granularity of the window: 4 KiB finds faults in splitting 2 MiB pages, 2 MiB in splitting those of 1 GiB.
    let unit: UInt64
    let unitCount: UInt64 = 2048
    let seed: UInt64

    private var windowStart: UInt64 { (1 << 39) - unitCount / 2 * unit }

    func check<Table: MappedTable & ~Copyable>(_ type: Table.Type, frameCount: Int) throws {
        var random = SeededGenerator(seed: seed)
        let memory = PhysicalMemory(frameCount: frameCount)
        var refused = 0
        do {
            guard var table = Table(memory: memory) else { throw MappingError.outOfFrames }
            var model: [UInt64: Mapped] = [:]
            for _ in 0..<120 {
                let units = randomRange(&random)
                let (address, byteCount) = (windowStart + units.lowerBound * unit, UInt64(units.count) * unit)
                let isWritable = Bool.random(using: &random)
                let framesBefore = memory.frameCountInUse
                do throws(MappingError) {
                    switch Int.random(in: 0..<4, using: &random) {
                    case 0, 1:
                        let target = randomTarget(&random, for: address)
                        try table.map(address, to: target, byteCount: byteCount, isWritable: isWritable)
                        #expect(units.allSatisfy { model[$0] == nil }, "seed \(seed)")
                        for index in units {
                            model[index] = Mapped(
                                target: target + (index - units.lowerBound) * unit, isWritable: isWritable)
                        }
                    case 2:
                        try table.unmap(address, byteCount: byteCount)
                        for index in units { model[index] = nil }
                    default:
                        try table.protect(address, byteCount: byteCount, isWritable: isWritable)
                        #expect(units.allSatisfy { model[$0] != nil }, "seed \(seed)")
                        for index in units { model[index]?.isWritable = isWritable }
                    }
                } catch .alreadyMapped {
                    #expect(units.contains { model[$0] != nil }, "seed \(seed)")
                    #expect(memory.frameCountInUse == framesBefore, "seed \(seed)")
                } catch .notMapped {
                    #expect(units.contains { model[$0] == nil }, "seed \(seed)")
                    #expect(memory.frameCountInUse == framesBefore, "seed \(seed)")
                } catch {
                    #expect(error == .outOfFrames, "seed \(seed)")
                    refused += 1
                }
                for index in [0, units.lowerBound, units.upperBound - 1, unitCount - 1] {
                    expect(table, at: index, model, in: memory, &random)
                }
            }
            for index in 0..<unitCount { expect(table, at: index, model, in: memory, &random) }
            try table.unmap(windowStart, byteCount: unitCount * unit)
            #expect(memory.frameCountInUse == 1, "seed \(seed)")
        }
        #expect(memory.frameCountInUse == 0, "seed \(seed)")
        #expect((refused > 0) == (frameCount < 16), "seed \(seed): \(refused) refused")
    }

    private func randomRange(_ random: inout SeededGenerator) -> Range<UInt64> {
        let length: UInt64 =
            switch UInt64.random(in: 0..<4, using: &random) {
            case 0: 1
            case 1: .random(in: 1...16, using: &random)
            case 2: 512
            default: .random(in: 1...1024, using: &random)
            }
        var start = UInt64.random(in: 0...unitCount - length, using: &random)
        if random.oneIn(2) { start = start / 512 * 512 }
        return start..<start + length
    }

    /// Aligned with the address for pages as large as can be, or one unit off.
    private func randomTarget(_ random: inout SeededGenerator, for address: UInt64) -> UInt64 {
        let base = UInt64.random(in: 1..<256, using: &random) << 40
        return base + address % (1 << 39) + (random.oneIn(3) ? 4096 : 0)
    }

    private func expect<Table: MappedTable & ~Copyable>(
        _ table: borrowing Table, at index: UInt64, _ model: [UInt64: Mapped], in memory: PhysicalMemory,
        _ random: inout SeededGenerator
    ) {
        let offset = UInt64.random(in: 0..<unit, using: &random)
        let address = windowStart + index * unit + offset
        let read = table.walk(address, isWrite: false, in: memory)
        let write = table.walk(address, isWrite: true, in: memory)
        guard let mapped = model[index] else {
            #expect(read.address == nil && write.address == nil, "seed \(seed) unit \(index)")
            return
        }
        #expect(read.address?.rawValue == mapped.target + offset, "seed \(seed) unit \(index)")
        #expect(write.reason == (mapped.isWritable ? nil : .writeDenied), "seed \(seed) unit \(index)")
        // What remains of the page is mapped in a row with it.
        guard case .translated(_, let remaining) = read else { return }
        let lastOffset = index * unit + offset + remaining - 1
        let last = lastOffset / unit
        #expect(
            model[last]?.target == mapped.target + (last - index) * unit
                && model[last]?.isWritable == mapped.isWritable, "seed \(seed) unit \(index)")
    }
}

@Suite("Page tables against a dictionary")
struct PageTablePropertyTests {
    @Test(arguments: UInt64(0)..<12, [UInt64(4096), 2 << 20])
    func `A first-stage table holds what was mapped, protected and unmapped`(seed: UInt64, unit: UInt64) throws {
        try MappingProperty(unit: unit, seed: seed).check(FirstStageTable.self, frameCount: 4096)
    }

    @Test(arguments: UInt64(0)..<12, [UInt64(4096), 2 << 20])
    func `A second-stage table holds what was mapped, protected and unmapped`(seed: UInt64, unit: UInt64) throws {
        try MappingProperty(unit: unit, seed: seed).check(SecondStageTable.self, frameCount: 4096)
    }

    @Test(arguments: UInt64(0)..<12)
    func `A table that runs out of frames is as it was before the change`(seed: UInt64) throws {
        try MappingProperty(unit: 4096, seed: seed).check(FirstStageTable.self, frameCount: 7)
        try MappingProperty(unit: 4096, seed: seed).check(SecondStageTable.self, frameCount: 8)
    }
}
