public import IOMMU
public import PCIe

/// How the processor's walk of a PASID translation table ended.
public enum PASIDTranslation: Hashable, Sendable, BitwiseCopyable {
    case translated(HostPASID)
    /// The processor leaves non-root mode with reason 72 or 73.
    case failed(PASIDTranslationFailure)
}

/// Why a guest PASID did not translate. The exit does not tell; the model does.
public enum PASIDTranslationFailure: UInt8, Hashable, Sendable, BitwiseCopyable, CaseIterable {
    /// Bit 0 of the directory entry is clear.
    case directoryEntryNotPresent
    /// A reserved bit of the directory entry is set.
    case directoryEntryReservedBits
    /// Bit 31 of the table entry is clear.
    case tableEntryInvalid
    /// A reserved bit of the table entry is set.
    case tableEntryReservedBits
    /// The directory or the table lies where no memory is: the hypervisor wrote a wrong pointer.
    case notMemory
}

/// Where a guest PASID indexes the structures of virtualization §4.2.
public struct PASIDTranslationIndex: Hashable, Sendable, BitwiseCopyable {
    /// g[19]: the high directory instead of the low one.
    public let isHigh: Bool
    /// g[18:10]: the entry of the directory, 0 to 511.
    public let directoryIndex: Int
    /// g[9:0]: the entry of the table, 0 to 1023.
    public let tableIndex: Int

    /// Where `guestPASID` indexes them; every 20-bit value has a place.
    @inlinable
    public init(_ guestPASID: GuestPASID) {
        isHigh = guestPASID.rawValue >> 19 & 1 != 0
        directoryIndex = Int(guestPASID.rawValue >> 10 & 0x1FF)
        tableIndex = Int(guestPASID.rawValue & 0x3FF)
    }

    /// The directory entry's offset in its directory, in bytes.
    @inlinable public var directoryOffset: UInt64 { UInt64(directoryIndex) * 8 }

    /// The table entry's offset in its table, in bytes.
    @inlinable public var tableOffset: UInt64 { UInt64(tableIndex) * 4 }
}

extension PASIDTranslationTable {
    /// The processor's walk (virtualization §4.2): two loads, each word read once.
    ///
    /// - Parameters:
    ///   - low: The VMCS's low PASID directory address.
    ///   - high: The VMCS's high PASID directory address.
    @inlinable
    public static func translate(
        _ guestPASID: GuestPASID, low: HostPhysicalAddress, high: HostPhysicalAddress, memory: PhysicalMemory
    ) -> PASIDTranslation {
        let index = PASIDTranslationIndex(guestPASID)
        let directory = index.isHigh ? high : low
        guard let directoryWord = memory.load64(directory.advanced(by: index.directoryOffset)) else {
            return .failed(.notMemory)
        }
        let directoryEntry = PASIDTranslationDirectoryEntry(rawValue: directoryWord)
        guard directoryEntry.isPresent else { return .failed(.directoryEntryNotPresent) }
        guard !directoryEntry.hasReservedBits else { return .failed(.directoryEntryReservedBits) }
        guard let tableWord = memory.load32(directoryEntry.table.advanced(by: index.tableOffset)) else {
            return .failed(.notMemory)
        }
        let tableEntry = PASIDTranslationTableEntry(rawValue: tableWord)
        guard tableEntry.isValid else { return .failed(.tableEntryInvalid) }
        guard !tableEntry.hasReservedBits else { return .failed(.tableEntryReservedBits) }
        return .translated(tableEntry.hostPASID)
    }
}
