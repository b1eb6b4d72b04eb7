import IOMMU
import PCIe
import TestKit
import Testing

/// Guests that write anything into the memory their page tables lie in.
@Suite("Hostile guest tables")
struct HostileGuestTests {
    private let pageCount: UInt64 = 16

    /// A word as a hostile guest writes it: an entry that points into its memory or just beside it, or noise.
    private func randomEntry(_ random: inout SeededGenerator) -> UInt64 {
        let noise = random.next()
        switch UInt64.random(in: 0..<24, using: &random) {
        case 0: return noise
        case 1: return 0
        case 2: return noise & 0x000F_FFFF_FFFF_F000 | 7
        default:
            let page = UInt64.random(in: 0..<pageCount + 2, using: &random) << 12
            let large: UInt64 = random.oneIn(8) ? 0x80 : 0
            let ignored: UInt64 = random.oneIn(4) ? noise & 0xFFF0_0000_0000_0F00 : 0
            return page | (random.oneIn(12) ? noise & 0x1F : 7) | large | ignored
        }
    }

    @Test(arguments: UInt64(0)..<64, [PagingLevels.four, .five])
    func `No content of a guest's tables traps, or yields or changes what its second stage does not allow`(
        seed: UInt64, levels: PagingLevels
    ) throws {
        var random = SeededGenerator(seed: seed)
        let test = TestMemory()
        let neighbourBefore = test.addRAM(pageCount: 4)
        let ram = test.addRAM(pageCount: Int(pageCount))
        let neighbourAfter = test.addRAM(pageCount: 4)
        var secondStage = try test.makeSecondStageTable()
        /// Of each guest page that is mapped.
        var permissions: [UInt64: PagePermission] = [:]
        for page in 0..<pageCount where !random.oneIn(16) {
            let permission: PagePermission = random.oneIn(8) ? .readOnly : random.oneIn(12) ? .writeOnly : .readWrite
            permissions[page] = permission
            try secondStage.map(
                GuestPhysicalAddress(rawValue: page << 12), to: ram.page(page), byteCount: 4096, permission: permission)
        }
        for offset in stride(from: 0, to: ram.byteCount, by: 8) { ram[offset] = randomEntry(&random) }
        let contents = ram.contents
        let framesBefore = test.physical.frameCountInUse
        let tableBefore = test.words(at: HostPhysicalAddress(rawValue: 0), count: framesBefore * 512)

        var reached = 0
        for step in 0..<3000 {
            // Few indices, so that walks meet each other's flags.
            var address: UInt64 = 0
            for level in 0..<levels.rawValue {
                address |= UInt64.random(in: 0..<16, using: &random) << (12 + 9 * UInt64(level))
            }
            address |= UInt64.random(in: 0..<4096, using: &random)
            if random.oneIn(16) { address = random.next() }
            let root = random.oneIn(16) ? random.next() : UInt64.random(in: 0..<pageCount, using: &random) << 12
            let isWrite = Bool.random(using: &random)
            let translation = PageWalk.nested(
                in: test.physical, firstStage: GuestPhysicalAddress(rawValue: root), levels: levels,
                secondStage: secondStage.root, address: LinearAddress(rawValue: address), isWrite: isWrite,
                isPrivileged: Bool.random(using: &random), writeProtect: Bool.random(using: &random))
            guard case .translated(let host, let remaining) = translation else { continue }
            reached += 1
            let place = "seed \(seed) step \(step)"
            #expect(host >= ram.start && host < ram.end, "\(place)")
            #expect(remaining >= 1 && host.rawValue % 4096 + remaining <= 4096, "\(place)")
            let permission = permissions[(host.rawValue - ram.start.rawValue) >> 12]
            #expect(permission == .readWrite || permission == (isWrite ? .writeOnly : .readOnly), "\(place)")
        }
        #expect(reached > 0, "seed \(seed)")

        for (index, (now, before)) in zip(ram.contents, contents).enumerated() where now != before {
            let permission = permissions[UInt64(index) / 512]
            #expect(permission == .readWrite, "seed \(seed): a walk wrote word \(index)")
            #expect(now & ~0x60 == before & ~0x60 && now & before == before, "seed \(seed): word \(index)")
        }
        #expect(neighbourBefore.contents.allSatisfy { $0 == 0 } && neighbourAfter.contents.allSatisfy { $0 == 0 })
        #expect(
            test.words(at: HostPhysicalAddress(rawValue: 0), count: framesBefore * 512) == tableBefore,
            "seed \(seed): a walk wrote into the host's frames")
    }

    @Test(arguments: UInt64(0)..<32)
    func `No content of any table of the IOMMU traps a translation`(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let test = TestMemory()
        let ram = test.addRAM(pageCount: Int(pageCount))
        for offset in stride(from: 0, to: ram.byteCount, by: 8) {
            let entry = randomEntry(&random)
            // Host tables hold host addresses.
            ram[offset] = entry & 0xFFF < 0x20 ? entry &+ ram.start.rawValue : entry
        }
        for _ in 0..<3000 {
            let root = ram.page(UInt64.random(in: 0..<pageCount, using: &random))
            let address = random.oneIn(4) ? random.next() : random.next() & 0x1FF_FFFF
            let isWrite = Bool.random(using: &random)
            let first = PageWalk.firstStage(
                in: test.physical, root: root, levels: .four, address: LinearAddress(rawValue: address),
                isWrite: isWrite, isPrivileged: Bool.random(using: &random))
            let second = PageWalk.secondStage(
                in: test.physical, root: root, address: GuestPhysicalAddress(rawValue: address), isWrite: isWrite)
            for case .translated(let host, let remaining) in [first, second] {
                #expect(host.rawValue < 1 << 52 && remaining >= 1 && remaining <= 1 << 30, "seed \(seed)")
                #expect(!(0xFEE0_0000..<0xFEF0_0000 ~= host.rawValue), "seed \(seed)")
            }
        }
    }
}
