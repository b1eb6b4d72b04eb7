import IOMMU
import PCIe

/// Physical memory of a test: frames for tables, and regions of RAM that live as long as this object.
@safe
final class TestMemory {
    let physical: PhysicalMemory
    private var blocks: [UnsafeMutableRawPointer] = unsafe []

    init(frameCount: Int = 128) {
        physical = PhysicalMemory(frameCount: frameCount)
    }

    deinit {
        while let block = unsafe blocks.popLast() { unsafe block.deallocate() }
    }

    /// A new region of `pageCount` pages, zeroed.
    func addRAM(pageCount: Int) -> RAM {
        let byteCount = pageCount * 4096
        let block = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: 4096)
        unsafe block.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
        unsafe blocks.append(block)
        guard let start = unsafe physical.addRegion(base: block, byteCount: UInt64(byteCount)) else {
            preconditionFailure("no region is left")
        }
        return RAM(physical: physical, start: start, byteCount: UInt64(byteCount))
    }

    /// The 8-byte words from `address`.
    func words(at address: HostPhysicalAddress, count: Int) -> [UInt64] {
        (0..<count).compactMap { physical.load64(address.advanced(by: UInt64($0) * 8)) }
    }

    /// The bytes from `address`, as they lie in memory.
    func bytes(at address: HostPhysicalAddress, count: Int) -> [UInt8] {
        words(at: address, count: count / 8).flatMap { word in
            (0..<8).map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) }
        }
    }
}

/// One region of a ``TestMemory``.
struct RAM {
    let physical: PhysicalMemory
    let start: HostPhysicalAddress
    let byteCount: UInt64

    var end: HostPhysicalAddress { start.advanced(by: byteCount) }

    func page(_ index: UInt64) -> HostPhysicalAddress { start.advanced(by: index * 4096) }

    /// The word at `offset` from the start.
    subscript(offset: UInt64) -> UInt64 {
        get { physical.load64(start.advanced(by: offset)) ?? 0 }
        nonmutating set { physical.store64(newValue, at: start.advanced(by: offset)) }
    }

    /// All of its words.
    var contents: [UInt64] { stride(from: 0, to: byteCount, by: 8).map { self[$0] } }
}

extension Translation {
    /// The address, when there is one.
    var address: HostPhysicalAddress? {
        guard case .translated(let address, remaining: _) = self else { return nil }
        return address
    }

    /// The reason of the fault, when there is one.
    var reason: FaultReason? {
        guard case .fault(let fault) = self else { return nil }
        return fault.reason
    }
}

extension HostPASID {
    /// `number`, which fits 20 bits.
    static func number(_ number: UInt32) -> HostPASID { HostPASID(truncating: number) }
}

extension DomainID {
    static let host = DomainID(rawValue: 1)
}
