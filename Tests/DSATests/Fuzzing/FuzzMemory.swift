import DSA
import Glibc
import IOMMU
import PCIe
import Testing

/// A page table has one owner.
private final class OwnedTable {
    var table: FirstStageTable

    init(_ table: consuming FirstStageTable) {
        self.table = table
    }
}

/// The memory of three address spaces, page by page between pages that belong to nobody, so that one byte too many hits
/// a guard or another space.
///
/// The third space is the victim: nobody submits under its PASID. Of the others, page ``readOnlyPage`` may only be
/// read, ``absentPage`` is not mapped, and ``foreignPage`` leads to what is no memory.
@safe
final class FuzzMemory {
    static let requester = RequesterID(rawValue: 0x6A10)
    static let pasids = [HostPASID(truncating: 11), HostPASID(truncating: 12), HostPASID(truncating: 13)]
    static let victim = 2
    static let base: UInt64 = 0x100_0000
    static let pageCount = 24
    static let readOnlyPage = 20
    static let absentPage = 21
    static let foreignPage = 22
    /// The last page below the hole of addresses that are not canonical leads to the last page of the space.
    static let highPage: UInt64 = 0x7FFF_FFFF_F000

    private static let guardByte: UInt8 = 0xA5
    private static let stride = pasids.count + 1
    private static let frameCount = pageCount * stride + 1

    let memory = PhysicalMemory(frameCount: 512)
    var iommu: IOMMU
    private var tables: [OwnedTable] = []
    private let bytes: UnsafeMutableRawPointer
    private let region: HostPhysicalAddress
    /// What pages that nobody may write hold.
    private let guardPage = [UInt8](repeating: guardByte, count: 4096)

    init() throws {
        let byteCount = Self.frameCount * 4096
        unsafe bytes = .allocate(byteCount: byteCount, alignment: 4096)
        unsafe bytes.initializeMemory(as: UInt8.self, repeating: Self.guardByte, count: byteCount)
        region = try #require(unsafe memory.addRegion(base: bytes, byteCount: UInt64(byteCount)))
        let start = region
        func address(ofPage page: Int, of space: Int) -> HostPhysicalAddress {
            start.advanced(by: UInt64(Self.frame(ofPage: page, of: space) * 4096))
        }
        guard var iommu = IOMMU(memory: memory), iommu.enableRequester(Self.requester) else {
            preconditionFailure("the fixture has frames enough")
        }
        for space in Self.pasids.indices {
            guard var table = FirstStageTable(memory: memory),
                iommu.setEntry(
                    requester: Self.requester, pasid: Self.pasids[space], translation: table.translation,
                    domain: DomainID(rawValue: 0), options: [.writeProtect, .supervisorRequests])
            else { preconditionFailure("the fixture has frames enough") }
            for page in 0..<Self.pageCount where page != Self.absentPage {
                let target =
                    page == Self.foreignPage
                    ? HostPhysicalAddress(rawValue: UInt64(PhysicalMemory.mmioRegionIndex) << 36)
                    : address(ofPage: page, of: space)
                try table.map(
                    LinearAddress(rawValue: Self.base + UInt64(page) * 4096), to: target, byteCount: 4096,
                    writable: page != Self.readOnlyPage)
            }
            try table.map(
                LinearAddress(rawValue: Self.highPage), to: address(ofPage: Self.pageCount - 1, of: space),
                byteCount: 4096, writable: true)
            tables.append(OwnedTable(table))
        }
        self.iommu = iommu
        for space in 0..<Self.victim {
            for page in 0..<Self.pageCount where page != Self.readOnlyPage {
                unsafe pointer(toPage: page, of: space).initializeMemory(as: UInt8.self, repeating: 0, count: 4096)
            }
        }
    }

    deinit {
        unsafe bytes.deallocate()
    }

    private static func frame(ofPage page: Int, of space: Int) -> Int { 1 + page * stride + space }

    private func address(ofPage page: Int, of space: Int) -> HostPhysicalAddress {
        region.advanced(by: UInt64(Self.frame(ofPage: page, of: space) * 4096))
    }

    private func pointer(toPage page: Int, of space: Int) -> UnsafeMutableRawPointer {
        unsafe bytes + Self.frame(ofPage: page, of: space) * 4096
    }

    /// Whether no guard, no page of the victim and no page that may only be read has changed.
    var isIntact: Bool {
        for frame in 0..<Self.frameCount {
            let (page, place) = (frame + Self.stride - 1).quotientAndRemainder(dividingBy: Self.stride)
            let isOwned = place < Self.victim && page - 1 != Self.readOnlyPage && frame > 0
            guard !isOwned else { continue }
            guard unsafe memcmp(bytes + frame * 4096, guardPage, 4096) == 0 else { return false }
        }
        return true
    }

    /// Changes bytes as their owner does while the device works.
    func write(_ contents: [UInt8], at offset: Int, of space: Int) {
        for (index, byte) in contents.enumerated() {
            let (page, place) = (offset + index).quotientAndRemainder(dividingBy: 4096)
            guard page < Self.pageCount, page != Self.readOnlyPage else { return }
            unsafe pointer(toPage: page, of: space).storeBytes(of: byte, toByteOffset: place, as: UInt8.self)
        }
    }

    /// The byte at a linear address of a space, `nil` outside its run of pages.
    func byte(at address: UInt64, of space: Int) -> UInt8? {
        guard address >= Self.base, address < Self.base + UInt64(Self.pageCount) * 4096 else { return nil }
        let (page, place) = Int(address - Self.base).quotientAndRemainder(dividingBy: 4096)
        return unsafe pointer(toPage: page, of: space).load(fromByteOffset: place, as: UInt8.self)
    }

    /// Takes a page away from a space, or gives it back.
    func setPage(_ page: Int, of space: Int, isMapped: Bool) throws {
        let linear = LinearAddress(rawValue: Self.base + UInt64(page) * 4096)
        if isMapped {
            try tables[space].table.remap(linear, to: address(ofPage: page, of: space), byteCount: 4096, writable: true)
        } else {
            try tables[space].table.unmap(linear, byteCount: 4096)
        }
        iommu.invalidate(.globalTLB)
    }
}
