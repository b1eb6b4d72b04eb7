public import PCIe

/// The host's DMA remapping unit: VT-d scalable mode (virtualization §6).
///
/// Root table, context tables, PASID directories and PASID tables are structures in frames of ``PhysicalMemory``, in
/// the layouts of §6.1, and every translation walks them: this unit caches nothing, so what software changed counts
/// from the next translation on. It owns the frames of these tables, not those of the page tables they point to.
///
/// It offers: PASIDs of 20 bits, first stages of 4 and 5 levels, second stages of 4 levels, nested translation and
/// pass-through, 4 KiB, 2 MiB and 1 GiB pages, a host address width of 52 bits, supervisor requests.
public struct IOMMU: ~Copyable {
    /// Holds the unit's tables and the page tables they point to.
    public let memory: PhysicalMemory
    /// RTADDR: 256 root entries of 16 bytes.
    public let rootTable: HostPhysicalAddress

    /// The faults that were to be recorded.
    public private(set) var faults = FaultRecorder()

    /// How many invalidations were completed.
    public private(set) var invalidationCount: UInt64 = 0

    /// `nil` when there is no frame for the root table.
    public init?(memory: PhysicalMemory) {
        guard let rootTable = memory.allocateFrame() else { return nil }
        self.memory = memory
        self.rootTable = rootTable
    }

    deinit {
        for half in 0..<UInt64(512) {
            let location = rootTable.advanced(by: half * 8)
            let entry = RootEntryHalf(rawValue: Self.word(at: location, in: memory))
            guard entry.isPresent else { continue }
            for index in 0..<UInt64(128) {
                let contextLocation = entry.contextTable.advanced(by: index * ScalableContextEntry.byteCount)
                Self.freeDirectory(ofContextAt: contextLocation, in: memory)
            }
            memory.freeFrame(entry.contextTable)
        }
        memory.freeFrame(rootTable)
    }
}

// MARK: Translation

extension IOMMU {
    /// Translates one access (§6.2) and records the fault, unless FPD of a structure on the way forbids that.
    public mutating func translate(_ request: TranslationRequest) -> Translation {
        var isRecordSuppressed = false
        let translation = walk(request, isRecordSuppressed: &isRecordSuppressed)
        if case .fault(let fault) = translation, !(isRecordSuppressed && fault.reason.isQualified) {
            faults.record(FaultRecord(request, reason: fault.reason))
        }
        return translation
    }

    @inline(__always)
    private func walk(_ request: TranslationRequest, isRecordSuppressed: inout Bool) -> Translation {
        guard let rootValue = memory.loadEntry(RootEntryHalf.location(in: rootTable, of: request.requester)) else {
            return .fault(.rootEntryAccess)
        }
        let root = RootEntryHalf(rawValue: rootValue)
        guard root.isPresent else { return .fault(.rootEntryNotPresent) }
        guard !root.hasReservedBits else { return .fault(.rootEntryReserved) }

        let contextLocation = ScalableContextEntry.location(in: root.contextTable, of: request.requester)
        guard let context = ScalableContextEntry(in: memory, at: contextLocation) else {
            return .fault(.contextEntryAccess)
        }
        isRecordSuppressed = context.isFaultProcessingDisabled
        guard context.isPresent else { return .fault(.contextEntryNotPresent) }
        guard !context.hasReservedBits else { return .fault(.contextEntryReserved) }
        guard request.pasid == nil || context.isPASIDEnabled else { return .fault(.pasidNotEnabled) }
        let pasid = request.pasid ?? context.requesterPASID
        let isPrivileged = request.pasid == nil ? context.isRequesterPrivileged : request.isPrivileged
        guard pasid.rawValue < context.pasidCount else {
            return .fault(request.pasid == nil ? .requesterPASIDBeyondDirectory : .pasidBeyondDirectory)
        }

        guard let directoryValue = memory.loadEntry(PASIDDirectoryEntry.location(in: context.directory, of: pasid))
        else {
            return .fault(.pasidDirectoryAccess)
        }
        let directoryEntry = PASIDDirectoryEntry(rawValue: directoryValue)
        isRecordSuppressed = isRecordSuppressed || directoryEntry.isFaultProcessingDisabled
        guard directoryEntry.isPresent else { return .fault(.pasidDirectoryEntryNotPresent) }
        guard !directoryEntry.hasReservedBits else { return .fault(.pasidDirectoryEntryReserved) }

        let entryLocation = PASIDTableEntry.location(in: directoryEntry.table, of: pasid)
        guard let entry = PASIDTableEntry(in: memory, at: entryLocation) else { return .fault(.pasidTableAccess) }
        isRecordSuppressed = isRecordSuppressed || entry.isFaultProcessingDisabled
        guard entry.isPresent else { return .fault(.pasidEntryNotPresent) }
        guard !entry.hasReservedBits else { return .fault(.pasidEntryReserved) }
        guard let translation = entry.translation else { return .fault(.pasidEntryInvalid) }
        guard !isPrivileged || request.pasid == nil || entry.takesSupervisorRequests else {
            return .fault(.supervisorRequestNotEnabled)
        }

        switch translation {
        case .firstStage(let root, let levels):
            return PageWalk.firstStage(
                in: memory, root: root, levels: levels, address: request.address, isWrite: request.isWrite,
                isPrivileged: isPrivileged, writeProtect: entry.isWriteProtectEnabled)
        case .nested(let firstStage, let levels, let secondStage):
            return PageWalk.nested(
                in: memory, firstStage: firstStage, levels: levels, secondStage: secondStage,
                address: request.address, isWrite: request.isWrite, isPrivileged: isPrivileged,
                writeProtect: entry.isWriteProtectEnabled)
        case .secondStage(let root):
            return PageWalk.secondStage(
                in: memory, root: root, address: GuestPhysicalAddress(rawValue: request.address.rawValue),
                isWrite: request.isWrite)
        case .passThrough:
            let address = request.address.rawValue
            guard address & EntryBits.aboveHostWidth == 0 else { return .fault(.beyondHostWidth) }
            let pageByteCount: UInt64 = 1 << PagingEntry.largestPageShift
            return .output(address, remaining: pageByteCount - address & (pageByteCount - 1))
        }
    }
}

// MARK: Invalidation

extension IOMMU {
    /// Completes `invalidation`: when it returns, no translation uses what it names as it was before.
    ///
    /// Without caches that holds beforehand, and only ``invalidationCount`` changes. Whoever unmaps, narrows a
    /// permission or changes an entry calls it all the same, between the change and the reuse of what was mapped.
    public mutating func invalidate(_ invalidation: Invalidation) {
        invalidationCount += 1
    }
}
