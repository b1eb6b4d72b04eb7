public import PCIe

/// The second stage of a VM, from guest physical to host physical addresses: what the hypervisor builds, and every
/// PASID entry of the VM points to.
///
/// Four levels, 48-bit addresses. Owns its frames and gives them back when it ends; nothing may walk it then.
public struct SecondStageTable: ~Copyable {
    /// The first address that cannot be mapped.
    public static let addressEnd: UInt64 = PageWalk.guestAddressEnd

    private var table: PageTable

    /// `nil` when there is no frame.
    public init?(memory: PhysicalMemory) {
        guard let table = PageTable(memory: memory, flags: 0) else { return nil }
        self.table = table
    }

    /// The root table.
    public var root: HostPhysicalAddress { table.root }

    /// What a PASID entry for this table alone says.
    public var translation: AddressSpaceTranslation { .secondStage(root: table.root) }

    /// What a PASID entry says for a guest process whose page table is at `firstStage`, below this table.
    public func nested(firstStage: GuestPhysicalAddress, levels: PagingLevels) -> AddressSpaceTranslation {
        .nested(firstStage: firstStage, levels: levels, secondStage: table.root)
    }

    /// Maps `byteCount` bytes from `address` to those from `target`, of which the host alone knows whether they are
    /// memory or a device's.
    ///
    /// - Parameter byteCount: A multiple of 4096, as the addresses are.
    /// - Throws: ``MappingError``; nothing is mapped then.
    public mutating func map(
        _ address: GuestPhysicalAddress, to target: HostPhysicalAddress, byteCount: UInt64, permission: PagePermission
    ) throws(MappingError) {
        try table.map(
            PageTable.range(from: address.rawValue, byteCount: byteCount, below: Self.addressEnd), to: target,
            permission: permission)
    }

    /// Clears the dirty flag of every page that has it, and calls `body` with where it begins and how large it is, by
    /// rising address. The caller invalidates before it relies on the next call: a cached translation lets a page be
    /// written without its flag (virtualization §9.4).
    public mutating func takeDirtyPages(_ body: (GuestPhysicalAddress, _ byteCount: UInt64) -> Void) {
        table.takeFlag(SecondStageEntry.dirty) { body(GuestPhysicalAddress(rawValue: $0.lowerBound), UInt64($0.count)) }
    }

    /// Leaves nothing mapped in `byteCount` bytes from `address`, mapped before or not. The caller invalidates.
    ///
    /// - Throws: ``MappingError``; everything is as it was then.
    public mutating func unmap(_ address: GuestPhysicalAddress, byteCount: UInt64) throws(MappingError) {
        try table.unmap(PageTable.range(from: address.rawValue, byteCount: byteCount, below: Self.addressEnd))
    }

    /// Permits `permission` in `byteCount` bytes from `address`, all of them mapped. The caller invalidates when
    /// something is forbidden.
    ///
    /// - Throws: ``MappingError``; everything is as it was then.
    public mutating func protect(
        _ address: GuestPhysicalAddress, byteCount: UInt64, permission: PagePermission
    ) throws(MappingError) {
        try table.protect(
            PageTable.range(from: address.rawValue, byteCount: byteCount, below: Self.addressEnd),
            permission: permission)
    }

    /// Permits `permission` in `byteCount` bytes from `address`, whose mapped pages lie where
    /// ``map(_:to:byteCount:permission:)`` would put them: these change in place, the others are mapped. The
    /// caller invalidates when something is forbidden.
    ///
    /// - Throws: ``MappingError``; every translation is as it was then.
    public mutating func remap(
        _ address: GuestPhysicalAddress, to target: HostPhysicalAddress, byteCount: UInt64, permission: PagePermission
    ) throws(MappingError) {
        try table.remap(
            PageTable.range(from: address.rawValue, byteCount: byteCount, below: Self.addressEnd), to: target,
            permission: permission)
    }
}
