public import DSASpec
internal import IOMMU
public import PCIe

/// What the processor and devices may do with a page.
public enum MemoryAccess: UInt8, Sendable {
    case none
    case readOnly
    case readWrite
}

extension Machine {
    /// Maps memory that was added to ``memory`` into an address space, at `wanted` or where there is room.
    public mutating func mapMemory(
        _ region: HostPhysicalAddress, byteCount: UInt64, isReadOnly: Bool, at wanted: UInt64?,
        in space: AddressSpaceIndex
    ) throws(MachineError) -> UInt64 {
        try insert(.memory(region), byteCount: byteCount, isReadOnly: isReadOnly, at: wanted, in: space, page: region)
    }

    /// Maps a portal's page into an address space. Accesses by the processor reach the device; a device that reads or
    /// writes there finds no memory. A VM whose VMCSs do not translate PASIDs gets none (V-13, virtualization §1.1,
    /// P5).
    public mutating func mapPortal(
        _ portal: Portal, ofDevice device: Int, at wanted: UInt64?, in space: AddressSpaceIndex
    ) throws(MachineError) -> UInt64 {
        guard devices.contains(device) else { throw .unknownDevice(device) }
        if case .virtualMachine(let vm) = space, !vms[vm].settings.translatesPASIDs { throw .pasidTranslationOff }
        return try insert(
            .portal(device: device, portal), byteCount: pageByteCount, isReadOnly: false, at: wanted, in: space,
            page: HostAddressLayout.portalPage(portal, ofDevice: device))
    }

    private mutating func insert(
        _ content: AddressMapping.Content, byteCount: UInt64, isReadOnly: Bool, at wanted: UInt64?,
        in space: AddressSpaceIndex, page: HostPhysicalAddress
    ) throws(MachineError) -> UInt64 {
        let start: UInt64
        do {
            start =
                switch space {
                case .process(let index): try processes[index].map.place(byteCount: byteCount, at: wanted)
                case .virtualMachine(let index): try vms[index].map.place(byteCount: byteCount, at: wanted)
                }
        } catch { throw .address(error) }
        let access: MemoryAccess = isReadOnly ? .readOnly : .readWrite
        guard setPages(start, to: page, byteCount: byteCount, access: access, in: space) else { throw .outOfFrames }
        let mapping = AddressMapping(start: start, byteCount: byteCount, content: content, isReadOnly: isReadOnly)
        switch space {
        case .process(let index): processes[index].map.insert(mapping)
        case .virtualMachine(let index): vms[index].map.insert(mapping)
        }
        return start
    }

    /// Takes the mapping that begins at `start` out of an address space. A window on a thread may still use the pages
    /// until ``whenWindowsReturn(token:)`` answers.
    public mutating func unmap(
        startingAt start: UInt64, from space: AddressSpaceIndex
    ) throws(MachineError) -> AddressMapping {
        let mapping: AddressMapping
        do {
            mapping =
                switch space {
                case .process(let index): try processes[index].map.remove(startingAt: start)
                case .virtualMachine(let index): try vms[index].map.remove(startingAt: start)
                }
        } catch { throw .address(error) }
        // A whole mapping begins and ends where its pages do, so no large page has to be split.
        let isClear = clearPages(mapping.start, byteCount: mapping.byteCount, in: space)
        precondition(isClear, "a whole mapping is unmapped without new tables")
        return mapping
    }

    /// Changes what may be done with pages inside one mapping of memory.
    public mutating func protect(
        _ start: UInt64, byteCount: UInt64, access: MemoryAccess, in space: AddressSpaceIndex
    ) throws(MachineError) {
        guard start % pageByteCount == 0, byteCount % pageByteCount == 0, byteCount > 0 else {
            throw .address(.notPageAligned)
        }
        let mapping = try self.mapping(containing: start, byteCount: byteCount, in: space)
        guard case .memory(let region) = mapping.content else { throw .address(.notMemory) }
        guard !(mapping.isReadOnly && access == .readWrite) else { throw .address(.readOnly) }
        let page = region.advanced(by: start - mapping.start)
        let isChanged =
            access == .none
            ? clearPages(start, byteCount: byteCount, in: space)
            : changePages(start, to: page, byteCount: byteCount, access: access, in: space)
        guard isChanged else { throw .outOfFrames }
    }

    /// The mapping that holds all of a range.
    public func mapping(
        containing start: UInt64, byteCount: UInt64, in space: AddressSpaceIndex
    ) throws(MachineError) -> AddressMapping {
        do {
            return switch space {
            case .process(let index): try processes[index].map.mapping(containing: start, byteCount: byteCount)
            case .virtualMachine(let index): try vms[index].map.mapping(containing: start, byteCount: byteCount)
            }
        } catch { throw .address(error) }
    }

    /// Everything mapped in an address space, by address.
    public func mappings(of space: AddressSpaceIndex) -> [AddressMapping] {
        switch space {
        case .process(let index): processes[index].map.mappings
        case .virtualMachine(let index): vms[index].map.mappings
        }
    }

    /// Where the byte at `address` lies in this process, for the owner's own reads and writes, whatever the page's
    /// access. `nil` when the range leaves one mapping of memory.
    public func pointer(
        to address: UInt64, byteCount: UInt64, in space: AddressSpaceIndex
    ) -> UnsafeMutableRawPointer? {
        guard let mapping = try? mapping(containing: address, byteCount: byteCount, in: space),
            case .memory(let region) = mapping.content
        else { return nil }
        return unsafe memory.pointer(to: region.advanced(by: address - mapping.start), byteCount: byteCount)
    }

    /// Returns `false` when out of frames; nothing is mapped then.
    private mutating func setPages(
        _ start: UInt64, to page: HostPhysicalAddress, byteCount: UInt64, access: MemoryAccess,
        in space: AddressSpaceIndex
    ) -> Bool {
        Self.hasFrames { () throws(MappingError) in
            switch space {
            case .process(let index):
                try processes[index].table.map(
                    LinearAddress(rawValue: start), to: page, byteCount: byteCount, writable: access == .readWrite)
            case .virtualMachine(let index):
                try vms[index].table.map(
                    GuestPhysicalAddress(rawValue: start), to: page, byteCount: byteCount,
                    permission: access == .readWrite ? .readWrite : .readOnly)
            }
        }
    }

    /// Gives pages of one mapping, mapped in the table or not, this access. Returns `false` when out of frames;
    /// everything is as it was then.
    private mutating func changePages(
        _ start: UInt64, to page: HostPhysicalAddress, byteCount: UInt64, access: MemoryAccess,
        in space: AddressSpaceIndex
    ) -> Bool {
        let isDone = Self.hasFrames { () throws(MappingError) in
            switch space {
            case .process(let index):
                try processes[index].table.remap(
                    LinearAddress(rawValue: start), to: page, byteCount: byteCount, writable: access == .readWrite)
            case .virtualMachine(let index):
                try vms[index].table.remap(
                    GuestPhysicalAddress(rawValue: start), to: page, byteCount: byteCount,
                    permission: access == .readWrite ? .readWrite : .readOnly)
            }
        }
        if isDone { invalidateTranslations(start, byteCount: byteCount, in: space) }
        return isDone
    }

    /// Returns `false` when a large page must be split and no frame is free; everything is as it was then.
    private mutating func clearPages(_ start: UInt64, byteCount: UInt64, in space: AddressSpaceIndex) -> Bool {
        let isDone = Self.hasFrames { () throws(MappingError) in
            switch space {
            case .process(let index):
                try processes[index].table.unmap(LinearAddress(rawValue: start), byteCount: byteCount)
            case .virtualMachine(let index):
                try vms[index].table.unmap(GuestPhysicalAddress(rawValue: start), byteCount: byteCount)
            }
        }
        if isDone { invalidateTranslations(start, byteCount: byteCount, in: space) }
        return isDone
    }

    /// Whether a change of a page table, of ranges that the address map has checked, found the frames it needs.
    private static func hasFrames(_ change: () throws(MappingError) -> Void) -> Bool {
        do throws(MappingError) {
            try change()
            return true
        } catch {
            precondition(error == .outOfFrames, "the address map and the page table agree: \(error)")
            return false
        }
    }
}
