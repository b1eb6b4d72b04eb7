public import IOMMU
public import PCIe

/// The PASID translation table of one VM: what turns its guest PASIDs into host PASIDs (virtualization §4.2).
///
/// Two directories, for g[19] = 0 and 1, of 512 entries each, and under them up to 1024 tables of 1024 entries, all in
/// frames of physical memory, where the processor walks them. All vCPUs of the VM share one table. It owns its frames
/// and gives them back when it ends.
///
/// The table is edited only while no vCPU of the VM is in non-root mode (V-08); that is the owner's duty.
///
/// A PASID table is freed when its last entry goes: frames are one pool for all VMs, and a guest that binds and unbinds
/// one PASID in each of the 1024 tables must not keep 4 MiB of it.
public struct PASIDTranslationTable: ~Copyable {
    /// For the VMCS's low PASID directory address: guest PASIDs 0 to 7FFFFH.
    public let lowDirectory: HostPhysicalAddress

    /// For the VMCS's high PASID directory address: guest PASIDs 80000H to FFFFFH.
    public let highDirectory: HostPhysicalAddress

    /// How many guest PASIDs translate.
    public private(set) var mappingCount = 0

    private let memory: PhysicalMemory
    private var validEntryCounts: ContiguousArray<UInt16>

    private static let tableCount = 1024

    /// An empty table in two zero-filled frames of `memory`. `nil` when no two frames are free.
    public init?(memory: PhysicalMemory) {
        guard let low = memory.allocateFrame() else { return nil }
        guard let high = memory.allocateFrame() else {
            memory.freeFrame(low)
            return nil
        }
        lowDirectory = low
        highDirectory = high
        self.memory = memory
        validEntryCounts = ContiguousArray(repeating: 0, count: Self.tableCount)
    }

    deinit {
        for position in validEntryCounts.indices where validEntryCounts[position] > 0 {
            let directory = position < 512 ? lowDirectory : highDirectory
            memory.freeFrame(
                Self.directoryEntry(at: directory.advanced(by: UInt64(position & 511) * 8), in: memory).table)
        }
        memory.freeFrame(lowDirectory)
        memory.freeFrame(highDirectory)
    }
}

/// Why a mapping was refused. The table is as it was.
public enum PASIDMappingError: Error, Hashable, Sendable {
    /// A PASID table was needed and no frame is free.
    case outOfFrames
    /// The guest PASID translates already.
    case alreadyMapped(to: HostPASID)
}

extension PASIDTranslationTable {
    /// Makes `guestPASID` translate to `hostPASID`. Any number of guest PASIDs may share one.
    public mutating func map(_ guestPASID: GuestPASID, to hostPASID: HostPASID) throws(PASIDMappingError) {
        let index = PASIDTranslationIndex(guestPASID)
        let entryAddress = directoryEntryAddress(index)
        let old = Self.directoryEntry(at: entryAddress, in: memory)
        let table: HostPhysicalAddress
        if old.isPresent {
            table = old.table
            let present = Self.tableEntry(at: table.advanced(by: index.tableOffset), in: memory)
            if present.isValid { throw .alreadyMapped(to: present.hostPASID) }
        } else {
            guard let frame = memory.allocateFrame() else { throw .outOfFrames }
            table = frame
        }
        memory.store32(PASIDTranslationTableEntry(hostPASID).rawValue, at: table.advanced(by: index.tableOffset))
        // The directory entry goes last: whatever order an observer sees, no entry leads to an unfinished table.
        if !old.isPresent { memory.store64(PASIDTranslationDirectoryEntry(table: table).rawValue, at: entryAddress) }
        validEntryCounts[index.tablePosition] += 1
        mappingCount += 1
    }

    /// Ends the translation of `guestPASID` and returns what it was. `nil`, and no change, when it had none.
    @discardableResult
    public mutating func unmap(_ guestPASID: GuestPASID) -> HostPASID? {
        let index = PASIDTranslationIndex(guestPASID)
        let entryAddress = directoryEntryAddress(index)
        let directoryEntry = Self.directoryEntry(at: entryAddress, in: memory)
        guard directoryEntry.isPresent else { return nil }
        let address = directoryEntry.table.advanced(by: index.tableOffset)
        let tableEntry = Self.tableEntry(at: address, in: memory)
        guard tableEntry.isValid else { return nil }
        memory.store32(PASIDTranslationTableEntry.invalid.rawValue, at: address)
        validEntryCounts[index.tablePosition] -= 1
        mappingCount -= 1
        if validEntryCounts[index.tablePosition] == 0 {
            memory.store64(PASIDTranslationDirectoryEntry.notPresent.rawValue, at: entryAddress)
            memory.freeFrame(directoryEntry.table)
        }
        return tableEntry.hostPASID
    }

    /// What `guestPASID` translates to, by the same walk that the processor makes.
    public func hostPASID(for guestPASID: GuestPASID) -> HostPASID? {
        switch Self.translate(guestPASID, low: lowDirectory, high: highDirectory, memory: memory) {
        case .translated(let hostPASID): hostPASID
        case .failed: nil
        }
    }

    private func directoryEntryAddress(_ index: PASIDTranslationIndex) -> HostPhysicalAddress {
        (index.isHigh ? highDirectory : lowDirectory).advanced(by: index.directoryOffset)
    }

    private static func directoryEntry(
        at address: HostPhysicalAddress, in memory: PhysicalMemory
    ) -> PASIDTranslationDirectoryEntry {
        guard let word = memory.load64(address) else { preconditionFailure("a frame of this table is not memory") }
        return PASIDTranslationDirectoryEntry(rawValue: word)
    }

    private static func tableEntry(
        at address: HostPhysicalAddress, in memory: PhysicalMemory
    ) -> PASIDTranslationTableEntry {
        guard let word = memory.load32(address) else { preconditionFailure("a frame of this table is not memory") }
        return PASIDTranslationTableEntry(rawValue: word)
    }
}

extension PASIDTranslationIndex {
    /// g[19:10]: the position of the PASID table among the 1024 of the VM.
    fileprivate var tablePosition: Int { (isHigh ? 512 : 0) + directoryIndex }
}
