import DSAOracle
import IOMMU
import PCIe

/// A page table of four levels, written entry by entry, so that a test can change one page at the cost of one store.
@safe
final class RawPageTable {
    private static let tableByteCount = 4096
    private static let tableCount = 16

    private let tables: UnsafeMutableRawPointer
    private let region: HostPhysicalAddress
    private var usedCount = 1

    init(memory: PhysicalMemory) {
        let byteCount = Self.tableCount * Self.tableByteCount
        unsafe tables = .allocate(byteCount: byteCount, alignment: Self.tableByteCount)
        unsafe tables.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
        guard let region = unsafe memory.addRegion(base: tables, byteCount: UInt64(byteCount)) else {
            preconditionFailure("a test has few regions")
        }
        self.region = region
    }

    deinit {
        unsafe tables.deallocate()
    }

    var translation: AddressSpaceTranslation { .firstStage(root: region, levels: .four) }

    /// Maps the page of `address` to `frame`, as `kind` says.
    func set(_ kind: PageKind, at address: UInt64, frame: HostPhysicalAddress) {
        let target = kind == .noMemory ? UInt64(PhysicalMemory.mmioRegionIndex) << 36 : frame.rawValue
        let flags: UInt64 =
            switch kind {
            case .absent: 0
            case .readOnly: FirstStageEntry.present | FirstStageEntry.user
            case .readWrite, .noMemory: FirstStageEntry.present | FirstStageEntry.user | FirstStageEntry.writable
            case .supervisorReadOnly: FirstStageEntry.present
            case .supervisorReadWrite: FirstStageEntry.present | FirstStageEntry.writable
            }
        unsafe leaf(of: address).pointee = kind == .absent ? 0 : target | flags
    }

    private func leaf(of address: UInt64) -> UnsafeMutablePointer<UInt64> {
        var table = 0
        for shift in [UInt64(39), 30, 21] {
            let slot = unsafe entry(table, address >> shift & 511)
            if unsafe slot.pointee == 0 {
                precondition(usedCount < Self.tableCount, "a test maps few runs of pages")
                let start = region.advanced(by: UInt64(usedCount * Self.tableByteCount))
                unsafe slot.pointee =
                    start.rawValue | FirstStageEntry.present | FirstStageEntry.writable | FirstStageEntry.user
                usedCount += 1
            }
            table = unsafe Int((slot.pointee & 0x000F_FFFF_FFFF_F000) - region.rawValue) / Self.tableByteCount
        }
        return unsafe entry(table, address >> 12 & 511)
    }

    private func entry(_ table: Int, _ index: UInt64) -> UnsafeMutablePointer<UInt64> {
        unsafe (tables + table * Self.tableByteCount + Int(index) * 8).assumingMemoryBound(to: UInt64.self)
    }
}
