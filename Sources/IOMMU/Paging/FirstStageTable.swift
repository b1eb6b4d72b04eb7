public import PCIe

/// The page table of a host process: what the host's kernel builds, and a first-stage PASID entry points to.
///
/// Four levels, user pages, the lower canonical half of the linear addresses (bit 47 = 0). Owns its frames and gives
/// them back when it ends; nothing may walk it then.
public struct FirstStageTable: ~Copyable {
    /// The first address that cannot be mapped.
    public static let addressEnd: UInt64 = 1 << 47

    private var table: PageTable

    /// `nil` when there is no frame.
    public init?(memory: PhysicalMemory) {
        guard let table = PageTable(memory: memory, flags: FirstStageEntry.user) else { return nil }
        self.table = table
    }

    /// The root table.
    public var root: HostPhysicalAddress { table.root }

    /// What a PASID entry for this table says.
    public var translation: AddressSpaceTranslation { .firstStage(root: table.root, levels: .four) }

    /// Maps `byteCount` bytes from `address` to those from `target`, of which the host alone knows whether they are
    /// memory or a device's.
    ///
    /// - Parameter byteCount: A multiple of 4096, as the addresses are.
    /// - Throws: ``MappingError``; nothing is mapped then.
    public mutating func map(
        _ address: LinearAddress, to target: HostPhysicalAddress, byteCount: UInt64, writable: Bool
    ) throws(MappingError) {
        try table.map(
            PageTable.range(from: address.rawValue, byteCount: byteCount, below: Self.addressEnd), to: target,
            permission: writable ? .readWrite : .readOnly)
    }

    /// Leaves nothing mapped in `byteCount` bytes from `address`, mapped before or not. The caller invalidates.
    ///
    /// - Throws: ``MappingError``; everything is as it was then.
    public mutating func unmap(_ address: LinearAddress, byteCount: UInt64) throws(MappingError) {
        try table.unmap(PageTable.range(from: address.rawValue, byteCount: byteCount, below: Self.addressEnd))
    }

    /// Permits or forbids writes in `byteCount` bytes from `address`, all of them mapped. The caller invalidates when
    /// it forbids.
    ///
    /// - Throws: ``MappingError``; everything is as it was then.
    public mutating func protect(
        _ address: LinearAddress, byteCount: UInt64, writable: Bool
    ) throws(MappingError) {
        try table.protect(
            PageTable.range(from: address.rawValue, byteCount: byteCount, below: Self.addressEnd),
            permission: writable ? .readWrite : .readOnly)
    }

    /// Permits reads, and writes if `writable`, in `byteCount` bytes from `address`, whose mapped pages lie where
    /// ``map(_:to:byteCount:writable:)`` would put them: these change in place, the others are mapped. The
    /// caller invalidates when something is forbidden.
    ///
    /// - Throws: ``MappingError``; every translation is as it was then.
    public mutating func remap(
        _ address: LinearAddress, to target: HostPhysicalAddress, byteCount: UInt64, writable: Bool
    ) throws(MappingError) {
        try table.remap(
            PageTable.range(from: address.rawValue, byteCount: byteCount, below: Self.addressEnd), to: target,
            permission: writable ? .readWrite : .readOnly)
    }
}
