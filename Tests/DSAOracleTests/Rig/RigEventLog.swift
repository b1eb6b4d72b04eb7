import DSAOracle
import DSASpec
import IOMMU
import PCIe

/// The ring of a device's event log, in an address space of its own.
@safe
final class RigEventLog {
    static let pasid = HostPASID(truncating: 14)
    private static let address: UInt64 = 0x7F00_0000_0000
    private static let entryCount = 64

    private let ring: UnsafeMutableRawPointer
    private let table: RawPageTable

    /// An entry as software reads it.
    struct Entry {
        let words: (UInt64, UInt64, UInt64)
        let record: (UInt64, UInt64, UInt64, UInt64)
    }

    init(memory: PhysicalMemory, requester: RequesterID, iommu: inout IOMMU) {
        let byteCount = Self.entryCount * 64
        unsafe ring = .allocate(byteCount: byteCount, alignment: 4096)
        unsafe ring.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
        guard let region = unsafe memory.addRegion(base: ring, byteCount: UInt64(byteCount)) else {
            preconditionFailure("a test has few regions")
        }
        table = RawPageTable(memory: memory)
        table.set(.readWrite, at: Self.address, frame: region)
        let isSet = iommu.setEntry(
            requester: requester, pasid: Self.pasid, translation: table.translation, domain: DomainID(rawValue: 0))
        precondition(isSet, "there are frames enough")
    }

    deinit {
        unsafe ring.deallocate()
    }

    var configuration: EventLogConfiguration {
        var configuration = EventLogConfiguration()
        configuration.isPASIDEnabled = true
        configuration.pasid = Self.pasid
        configuration.base = LinearAddress(rawValue: Self.address)
        configuration.size = UInt16(Self.entryCount)
        return configuration
    }

    /// The entries from Head to the one before Tail.
    func entries(from head: Int, to tail: Int) -> [Entry] {
        let count = (tail - head + Self.entryCount) % Self.entryCount
        return (0..<count).map { index in
            let start = (head + index) % Self.entryCount * 64
            func word(_ number: Int) -> UInt64 {
                unsafe ring.load(fromByteOffset: start + number * 8, as: UInt64.self)
            }
            return Entry(
                words: (word(0), word(1), word(2)), record: (word(4), word(5), word(6), word(7)))
        }
    }
}
