import DSASpec
import PCIe
import TestKit
import Testing

@testable import Machine

/// An address space as a list of pages: what ``AddressMap`` must agree with.
private struct PageModel {
    static let limit: UInt64 = 16 << 20
    static let pageCount = Int(limit / 4096)

    let floor: UInt64
    /// The start of the mapping that has the page.
    var owners = [UInt64?](repeating: nil, count: pageCount)
    var sizes: [UInt64: UInt64] = [:]

    func isFree(_ start: UInt64, _ byteCount: UInt64) -> Bool {
        (start / 4096..<(start + byteCount) / 4096).allSatisfy { owners[Int($0)] == nil }
    }

    func place(_ byteCount: UInt64, _ wanted: UInt64?) -> Result<UInt64, AddressMapError> {
        guard byteCount > 0, byteCount % 4096 == 0 else { return .failure(.notPageAligned) }
        if let wanted {
            guard byteCount <= Self.limit else { return .failure(.outOfRange) }
            guard wanted % 4096 == 0 else { return .failure(.notPageAligned) }
            guard wanted <= Self.limit - byteCount else { return .failure(.outOfRange) }
            return isFree(wanted, byteCount) ? .success(wanted) : .failure(.occupied)
        }
        let alignment: UInt64 = byteCount >= 2 << 20 ? 2 << 20 : 4096
        for start in stride(from: (floor + alignment - 1) / alignment * alignment, to: Self.limit, by: Int(alignment))
        where start + byteCount <= Self.limit && isFree(start, byteCount) {
            return .success(start)
        }
        return .failure(.noSpace)
    }

    mutating func set(_ start: UInt64, _ byteCount: UInt64, to owner: UInt64?) {
        for page in start / 4096..<(start + byteCount) / 4096 { owners[Int(page)] = owner }
        sizes[start] = owner == nil ? nil : byteCount
    }
}

@Suite("Address map")
struct AddressMapTests {
    @Test(arguments: UInt64(0)..<30)
    func `It agrees with a list of pages on every placement, removal and look-up`(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let floor = [UInt64(0), 4096, 0x3000, 2 << 20].randomElement(using: &generator)!
        var map = AddressMap(floor: floor, limit: PageModel.limit)
        var model = PageModel(floor: floor)
        func randomSize() -> UInt64 {
            switch UInt8.random(in: 0..<8, using: &generator) {
            case 0: UInt64.random(in: 0...9000, using: &generator)
            case 1: UInt64.random(in: 500...1200, using: &generator) * 4096
            case 2: PageModel.limit + 4096
            default: UInt64.random(in: 1...40, using: &generator) * 4096
            }
        }
        for step in 0..<400 {
            if generator.oneIn(3), let start = model.sizes.keys.sorted().randomElement(using: &generator) {
                let removed = try map.remove(startingAt: start)
                #expect(removed.byteCount == model.sizes[start], "seed \(seed), step \(step)")
                model.set(start, removed.byteCount, to: nil)
            } else {
                let byteCount = randomSize()
                var wanted: UInt64?
                if generator.oneIn(2) {
                    wanted = UInt64.random(in: 0...PageModel.limit / 4096, using: &generator) * 4096
                    if generator.oneIn(10) { wanted! += 8 }
                }
                let expected = model.place(byteCount, wanted)
                var found: Result<UInt64, AddressMapError>
                do throws(AddressMapError) {
                    found = .success(try map.place(byteCount: byteCount, at: wanted))
                } catch {
                    found = .failure(error)
                }
                #expect(found == expected, "seed \(seed), step \(step), floor \(floor)")
                if case .success(let start) = found {
                    map.insert(
                        AddressMapping(
                            start: start, byteCount: byteCount, content: .memory(HostPhysicalAddress(rawValue: 0)),
                            isReadOnly: false))
                    model.set(start, byteCount, to: start)
                }
            }
            #expect(map.mappings.map(\.start) == model.sizes.keys.sorted(), "seed \(seed), step \(step)")
            for _ in 0..<4 {
                let start = UInt64.random(in: 0..<PageModel.limit, using: &generator)
                let byteCount = UInt64.random(in: 1...8192, using: &generator)
                let owner = model.owners[Int(start / 4096)]
                let isInside = owner.map { start + byteCount <= $0 + model.sizes[$0]! } ?? false
                let found = try? map.mapping(containing: start, byteCount: byteCount)
                #expect(found?.start == (isInside ? owner : nil), "seed \(seed), step \(step)")
            }
        }
    }

    @Test func `Nothing begins inside a mapping`() throws {
        var map = AddressMap(floor: 0, limit: 1 << 20)
        map.insert(
            AddressMapping(
                start: 4096, byteCount: 8192, content: .memory(HostPhysicalAddress(rawValue: 0)), isReadOnly: false))
        for start in [UInt64(0), 8192, 12288] {
            #expect(throws: AddressMapError.notMapped) { try map.remove(startingAt: start) }
        }
        #expect(throws: AddressMapError.notMapped) { try map.mapping(containing: 8192, byteCount: 4097) }
        #expect(throws: AddressMapError.notMapped) { try map.mapping(containing: 8192, byteCount: .max) }
        #expect(try map.mapping(containing: 8192, byteCount: 4096).start == 4096)
    }

    @Test func `A length that wraps the address space is out of range`() {
        let map = AddressMap(floor: 0, limit: 1 << 48)
        #expect(throws: AddressMapError.outOfRange) { try map.place(byteCount: 0xFFFF_FFFF_FFFF_F000, at: 4096) }
        #expect(throws: AddressMapError.noSpace) { try map.place(byteCount: 0xFFFF_FFFF_FFFF_F000, at: nil) }
        #expect(throws: AddressMapError.outOfRange) {
            try map.place(byteCount: 8192, at: 0xFFFF_FFFF_FFFF_F000)
        }
        #expect(throws: AddressMapError.outOfRange) { try map.place(byteCount: 8192, at: 1 << 48 - 4096) }
    }
}
