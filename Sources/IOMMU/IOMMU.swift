public import PCIe

/// The host's DMA remapping unit: VT-d scalable mode (virtualization §6).
///
/// Root table, context tables, PASID directories and PASID tables are structures in frames of ``PhysicalMemory``, in
/// the layouts of §6.1. What translations found there and in the page tables is cached, as ``invalidate(_:)`` says, and
/// stays in force until it is invalidated. It owns the frames of its own tables, not those of the page tables they
/// point to.
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

    /// How many invalidations of the unit's own caches were completed.
    public private(set) var invalidationCount: UInt64 = 0

    /// What software asks the unit and, through it, the devices to forget.
    public internal(set) var invalidationQueue: InvalidationQueue
    /// The page requests of the devices, until software takes them.
    public internal(set) var pageRequestQueue: PageRequestQueue
    /// Where wait descriptors of the host's driver write their status.
    let waitStatus: HostPhysicalAddress
    /// The number of the last of them.
    var lastWait: UInt32 = 0
    /// An entry of a foreign address space was set at some time.
    public internal(set) var hasForeignEntries = false

    private var pasidCache = PASIDCache()
    private var translationCache = TranslationCache()

    /// `nil` when there are no frames for the root table, the two queues and the status of wait descriptors.
    public init?(memory: PhysicalMemory) {
        guard let frames = memory.allocateFrames(count: Self.ownFrameCount) else { return nil }
        self.memory = memory
        rootTable = frames
        invalidationQueue = InvalidationQueue(base: frames.advanced(by: pageByteCount))
        pageRequestQueue = PageRequestQueue(base: frames.advanced(by: 2 * pageByteCount))
        waitStatus = frames.advanced(by: 3 * pageByteCount)
    }

    private static let ownFrameCount = 4

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
        memory.freeFrames(rootTable, count: Self.ownFrameCount)
    }
}

// MARK: Translation

extension IOMMU {
    /// Translates one access (§6.2) and records the fault, unless FPD of a structure on the way forbids that.
    ///
    /// - Parameter byteCount: How many bytes from the address on the caller is going to access in the same way, at
    ///   least 1. When they reach past the page of the address, the answer may cover pages that follow it in host
    ///   memory, all of which permit the access; it may cover fewer bytes, or more, than asked for. No fault but the
    ///   address's own is found or recorded.
    @inline(__always)
    public mutating func translate(_ request: TranslationRequest, byteCount: UInt64 = 1) -> Translation {
        Translation(access(request, byteCount: byteCount, isTranslationRequest: false))
    }

    /// Answers a translation request (ATS, §6.4). A page that is missing, or does not admit the access, is no fault
    /// that is recorded: the device is told.
    mutating func answer(_ request: TranslationRequest, byteCount: UInt64) -> PageRunResult {
        access(request, byteCount: byteCount, isTranslationRequest: true)
    }

    @inline(__always)
    private mutating func access(
        _ request: TranslationRequest, byteCount: UInt64, isTranslationRequest: Bool
    ) -> PageRunResult {
        let address = request.address.rawValue
        if let space = pasidCache.find(CachedAddressSpace.key(request.requester, request.pasid)),
            space.takesTranslationRequests || !isTranslationRequest,
            let isPrivileged = space.privilege(of: request),
            let entry = translationCache.find(
                TranslationCache.key(address, isWrite: request.isWrite, isPrivileged: isPrivileged), space.tag)
        {
            let offset = address & (pageByteCount - 1)
            let remaining = entry.byteCount &- offset
            if remaining >= byteCount || entry.isFinal {
                return .run(
                    PageRun(
                        host: entry.host | offset, pageShift: UInt8(truncatingIfNeeded: entry.pageShift),
                        byteCount: remaining))
            }
        }
        return accessUncached(request, byteCount: byteCount, isTranslationRequest: isTranslationRequest)
    }

    /// Does the same by the tables, and caches what it finds.
    @inline(never)
    private mutating func accessUncached(
        _ request: TranslationRequest, byteCount: UInt64, isTranslationRequest: Bool
    ) -> PageRunResult {
        guard let space = pasidCache.find(CachedAddressSpace.key(request.requester, request.pasid)) else {
            switch addressSpace(of: request.requester, request.pasid) {
            case .space(let found):
                pasidCache.insert(found)
                // Its translations may be cached.
                return access(request, byteCount: byteCount, isTranslationRequest: isTranslationRequest)
            case .fault(let reason, let isRecordSuppressed):
                return fault(TranslationFault(reason: reason), of: request, isRecordSuppressed: isRecordSuppressed)
            }
        }
        guard space.takesTranslationRequests || !isTranslationRequest else {
            return fault(
                TranslationFault(reason: .translationRequestsNotEnabled), of: request,
                isRecordSuppressed: space.isRecordSuppressed)
        }
        guard let isPrivileged = space.privilege(of: request) else {
            return fault(
                TranslationFault(reason: .supervisorRequestNotEnabled), of: request,
                isRecordSuppressed: space.isRecordSuppressed)
        }
        switch walk(space, request, byteCount: byteCount, isPrivileged: isPrivileged) {
        case .fault(let reason):
            return fault(
                reason, of: request,
                isRecordSuppressed: space.isRecordSuppressed || isTranslationRequest && reason.isPageFault)
        case .run(let run):
            if space.tag.stage != nil {
                translationCache.insert(
                    TranslationCache.key(
                        request.address.rawValue, isWrite: request.isWrite, isPrivileged: isPrivileged),
                    space.tag, run, isFinal: run.byteCount < byteCount)
            }
            return .run(run)
        }
    }

    private mutating func fault(
        _ fault: TranslationFault, of request: TranslationRequest, isRecordSuppressed: Bool
    ) -> PageRunResult {
        if !(isRecordSuppressed && fault.reason.isQualified) { record(request, reason: fault.reason) }
        return .fault(fault)
    }

    mutating func record(_ request: TranslationRequest, reason: FaultReason) {
        faults.record(FaultRecord(request, reason: reason))
    }

    private enum AddressSpaceLookup {
        case space(CachedAddressSpace)
        case fault(FaultReason, isRecordSuppressed: Bool)
    }

    /// Reads the structures from the root table to the PASID entry.
    private func addressSpace(of requester: RequesterID, _ requestPASID: HostPASID?) -> AddressSpaceLookup {
        var isRecordSuppressed = false
        func fault(_ reason: FaultReason) -> AddressSpaceLookup {
            .fault(reason, isRecordSuppressed: isRecordSuppressed)
        }
        guard let rootValue = memory.loadEntry(RootEntryHalf.location(in: rootTable, of: requester)) else {
            return fault(.rootEntryAccess)
        }
        let root = RootEntryHalf(rawValue: rootValue)
        guard root.isPresent else { return fault(.rootEntryNotPresent) }
        guard !root.hasReservedBits else { return fault(.rootEntryReserved) }

        let contextLocation = ScalableContextEntry.location(in: root.contextTable, of: requester)
        guard let context = ScalableContextEntry(in: memory, at: contextLocation) else {
            return fault(.contextEntryAccess)
        }
        isRecordSuppressed = context.isFaultProcessingDisabled
        guard context.isPresent else { return fault(.contextEntryNotPresent) }
        guard !context.hasReservedBits else { return fault(.contextEntryReserved) }
        guard requestPASID == nil || context.isPASIDEnabled else { return fault(.pasidNotEnabled) }
        let pasid = requestPASID ?? context.requesterPASID
        guard pasid.rawValue < context.pasidCount else {
            return fault(requestPASID == nil ? .requesterPASIDBeyondDirectory : .pasidBeyondDirectory)
        }

        guard let directoryValue = memory.loadEntry(PASIDDirectoryEntry.location(in: context.directory, of: pasid))
        else {
            return fault(.pasidDirectoryAccess)
        }
        let directoryEntry = PASIDDirectoryEntry(rawValue: directoryValue)
        isRecordSuppressed = isRecordSuppressed || directoryEntry.isFaultProcessingDisabled
        guard directoryEntry.isPresent else { return fault(.pasidDirectoryEntryNotPresent) }
        guard !directoryEntry.hasReservedBits else { return fault(.pasidDirectoryEntryReserved) }

        let entryLocation = PASIDTableEntry.location(in: directoryEntry.table, of: pasid)
        guard let entry = PASIDTableEntry(in: memory, at: entryLocation) else { return fault(.pasidTableAccess) }
        isRecordSuppressed = isRecordSuppressed || entry.isFaultProcessingDisabled
        guard entry.isPresent else { return fault(.pasidEntryNotPresent) }
        guard !entry.hasReservedBits else { return fault(.pasidEntryReserved) }
        guard let translation = entry.translation else { return fault(.pasidEntryInvalid) }

        let stage: TranslationTag.Stage? =
            switch translation {
            case .firstStage: .first
            case .secondStage: .second
            case .nested: .nested
            case .passThrough, .foreign: nil
            }
        return .space(
            CachedAddressSpace(
                key: CachedAddressSpace.key(requester, requestPASID), domain: entry.domain, pasid: pasid,
                tag: TranslationTag(stage, entry.domain, pasid), translation: translation,
                takesSupervisorRequests: entry.takesSupervisorRequests,
                takesTranslationRequests: context.takesTranslationRequests,
                isRequesterPrivileged: context.isRequesterPrivileged, writeProtect: entry.isWriteProtectEnabled,
                setsSecondStageFlags: entry.setsSecondStageFlags, isRecordSuppressed: isRecordSuppressed))
    }

    private func walk(
        _ space: CachedAddressSpace, _ request: TranslationRequest, byteCount: UInt64, isPrivileged: Bool
    ) -> PageRunResult {
        switch space.translation {
        case .firstStage(let root, let levels):
            return PageWalk.firstStageRun(
                in: memory, root: root, levels: levels, address: request.address, byteCount: byteCount,
                isWrite: request.isWrite, isPrivileged: isPrivileged, writeProtect: space.writeProtect)
        case .nested(let firstStage, let levels, let secondStage):
            return PageWalk.nestedRun(
                in: memory, firstStage: firstStage, levels: levels, secondStage: secondStage,
                setsFlags: space.setsSecondStageFlags, address: request.address, byteCount: byteCount,
                isWrite: request.isWrite, isPrivileged: isPrivileged, writeProtect: space.writeProtect)
        case .secondStage(let root):
            return PageWalk.secondStageRun(
                in: memory, root: root, setsFlags: space.setsSecondStageFlags,
                address: GuestPhysicalAddress(rawValue: request.address.rawValue), isWrite: request.isWrite)
        case .passThrough:
            let address = request.address.rawValue
            guard address & EntryBits.aboveHostWidth == 0 else { return .fault(.beyondHostWidth) }
            return .page(host: address, offsetMask: 1 << PagingEntry.largestPageShift - 1)
        case .foreign:
            return .fault(.pasidEntryInvalid)
        }
    }
}

// MARK: Foreign address spaces

extension IOMMU {
    /// Whether requests of (`requester`, `pasid`) go to a foreign address space: their addresses are not translated
    /// here, and the driver carries the accesses out. `false` also where there is no entry, which the translation of
    /// the first address reports.
    @inline(__always)
    public mutating func isForeign(requester: RequesterID, pasid: HostPASID?) -> Bool {
        // Almost always there is none at all, which must cost nothing.
        hasForeignEntries && pasid != nil && looksForeign(requester, pasid)
    }

    @inline(never)
    private mutating func looksForeign(_ requester: RequesterID, _ pasid: HostPASID?) -> Bool {
        if let space = pasidCache.find(CachedAddressSpace.key(requester, pasid)) {
            return space.translation == .foreign
        }
        guard case .space(let space) = addressSpace(of: requester, pasid) else { return false }
        pasidCache.insert(space)
        return space.translation == .foreign
    }
}

// MARK: Invalidation

extension IOMMU {
    /// Completes `invalidation`: when it returns, no translation uses what it names as it was before.
    ///
    /// Two caches are kept, both of successes only, so that what becomes present needs none (caching mode 0). The PASID
    /// cache holds what the structures from root table to PASID entry say of a (requester, PASID). The IOTLB holds, by
    /// domain and PASID, the translations of single pages and of runs of pages. Whoever unmaps, narrows a permission,
    /// clears a dirty flag or changes an entry that is present invalidates, between the change and the reuse of what
    /// was mapped; until then the old translation may be used.
    public mutating func invalidate(_ invalidation: Invalidation) {
        invalidationCount += 1
        switch invalidation {
        case .contextCache(let requester): pasidCache.invalidate(requester)
        case .pasidCache(let domain, let pasid): pasidCache.invalidate(domain, pasid)
        case .globalPASIDCache: pasidCache.invalidateAll()
        case .pasidTLB(let domain, let pasid): translationCache.invalidate(domain, pasid)
        case .pasidTLBPages(let domain, let pasid, let address, let byteCount):
            translationCache.invalidate(domain, pasid, address, byteCount: byteCount)
        case .domainTLB(let domain): translationCache.invalidate(domain)
        case .domainTLBPages(let domain, let address, let byteCount):
            translationCache.invalidate(domain, address, byteCount: byteCount)
        case .globalTLB: translationCache.invalidateAll()
        }
    }
}
