public import DSASpec
public import PCIe

/// What lies at a range of addresses of a process or a VM.
public struct AddressMapping: Hashable, Sendable {
    /// What the addresses lead to.
    public enum Content: Hashable, Sendable {
        /// Memory from this host physical address on.
        case memory(HostPhysicalAddress)
        /// One page: a portal of the device with this index.
        case portal(device: Int, Portal)
    }

    /// A multiple of 4096.
    public let start: UInt64
    /// A multiple of 4096, at least one page.
    public let byteCount: UInt64
    /// What lies there.
    public let content: Content
    /// The lender refuses stores: a memfd that is not open for writing.
    public let isReadOnly: Bool

    /// The first address behind the range.
    public var end: UInt64 { start + byteCount }
}

/// Why a range cannot be mapped or found.
public enum AddressMapError: Error, Hashable, Sendable {
    /// The address or the length is no multiple of 4096, or the length is 0.
    case notPageAligned
    /// The range leaves the address space.
    case outOfRange
    /// Something is mapped in the range.
    case occupied
    /// No gap is large enough.
    case noSpace
    /// Nothing begins at the address, or the range leaves what does.
    case notMapped
    /// A portal page has no bytes and its access does not change.
    case notMemory
    /// The mapping never allows stores.
    case readOnly
}

/// The ranges of one address space, ordered by address. It decides where things lie; the page tables say the same to
/// the hardware.
public struct AddressMap: Sendable {
    /// Where addresses chosen by the map begin: 0 stays unmapped, as a null pointer should fault.
    private let floor: UInt64
    /// The first address beyond the space.
    private let limit: UInt64
    /// Every mapping, by ascending start. No two share an address.
    public private(set) var mappings: [AddressMapping] = []

    /// - Parameters:
    ///   - floor: The lowest address that the map chooses by itself.
    ///   - limit: The first address beyond the space.
    public init(floor: UInt64, limit: UInt64) {
        self.floor = floor
        self.limit = limit
    }

    /// Where a range of `byteCount` bytes goes: `wanted`, or the lowest gap, aligned to 2 MiB when it is as long.
    public func place(byteCount: UInt64, at wanted: UInt64?) throws(AddressMapError) -> UInt64 {
        guard byteCount > 0, byteCount % pageByteCount == 0 else { throw .notPageAligned }
        guard byteCount <= limit else { throw wanted == nil ? .noSpace : .outOfRange }
        if let wanted {
            guard wanted % pageByteCount == 0 else { throw .notPageAligned }
            guard wanted <= limit - byteCount else { throw .outOfRange }
            guard !isOccupied(from: wanted, to: wanted + byteCount) else { throw .occupied }
            return wanted
        }
        let alignment: UInt64 = byteCount >= 2 << 20 ? 2 << 20 : pageByteCount
        var candidate = floor
        for mapping in mappings where mapping.end > candidate {
            let aligned = (candidate + alignment - 1) & ~(alignment - 1)
            if aligned + byteCount <= mapping.start { return aligned }
            candidate = mapping.end
        }
        let aligned = (candidate + alignment - 1) & ~(alignment - 1)
        guard aligned <= limit - byteCount else { throw .noSpace }
        return aligned
    }

    /// Adds a mapping whose range ``place(byteCount:at:)`` returned.
    public mutating func insert(_ mapping: AddressMapping) {
        precondition(!isOccupied(from: mapping.start, to: mapping.end), "mappings never overlap")
        mappings.insert(mapping, at: firstIndex(endingAfter: mapping.start))
    }

    /// Takes out the mapping that begins at `start`.
    public mutating func remove(startingAt start: UInt64) throws(AddressMapError) -> AddressMapping {
        let index = firstIndex(endingAfter: start)
        guard index < mappings.count, mappings[index].start == start else { throw .notMapped }
        return mappings.remove(at: index)
    }

    /// The mapping that holds all of the range, or an error that says why there is none.
    public func mapping(containing start: UInt64, byteCount: UInt64) throws(AddressMapError) -> AddressMapping {
        let index = firstIndex(endingAfter: start)
        guard index < mappings.count, mappings[index].start <= start, byteCount <= mappings[index].end - start else {
            throw .notMapped
        }
        return mappings[index]
    }

    private func isOccupied(from start: UInt64, to end: UInt64) -> Bool {
        let index = firstIndex(endingAfter: start)
        return index < mappings.count && mappings[index].start < end
    }

    private func firstIndex(endingAfter address: UInt64) -> Int {
        var low = 0
        var high = mappings.count
        while low < high {
            let middle = (low + high) / 2
            if mappings[middle].end > address { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
