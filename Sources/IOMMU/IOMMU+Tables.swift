public import PCIe

// What the host's kernel does to the tables: enable a requester, set and clear PASID entries.
extension IOMMU {
    /// Gives `requester` a context entry that takes requests with all PASIDs of 20 bits, and a directory without any.
    /// Does nothing for a requester that has one.
    ///
    /// - Returns: `false` when out of frames.
    public mutating func enableRequester(_ requester: RequesterID) -> Bool {
        guard contextEntry(of: requester) == nil else { return true }
        guard let directory = memory.allocateFrames(count: Self.directoryFrameCount) else { return false }
        guard let contextTable = makeContextTable(of: requester) else {
            memory.freeFrames(directory, count: Self.directoryFrameCount)
            return false
        }
        let entry = ScalableContextEntry(directory: directory)
        let location = ScalableContextEntry.location(in: contextTable, of: requester)
        for index in entry.words.indices.reversed() {
            memory.store64(entry.words[index], at: location.advanced(by: UInt64(index) * 8))
        }
        return true
    }

    /// Takes `requester`'s context entry away, and its PASID entries with it. From then on its requests fault.
    public mutating func disableRequester(_ requester: RequesterID) {
        let root = rootEntry(of: requester)
        guard root.isPresent else { return }
        let location = ScalableContextEntry.location(in: root.contextTable, of: requester)
        Self.freeDirectory(ofContextAt: location, in: memory)
        // Of all its PASIDs and their domains.
        complete(.contextCache(requester))
        complete(.globalPASIDCache)
        complete(.globalTLB)
    }

    /// Sets the PASID entry of (`requester`, `pasid`): everything but P, then P (§6.6).
    ///
    /// - Precondition: `requester` is enabled, and the entry is not present: it is cleared before it is set again.
    /// - Returns: `false` when out of frames; nothing is set then.
    public mutating func setEntry(
        requester: RequesterID, pasid: HostPASID, translation: AddressSpaceTranslation, domain: DomainID,
        options: PASIDEntryOptions = .writeProtect
    ) -> Bool {
        guard let context = contextEntry(of: requester) else { preconditionFailure("the requester is not enabled") }
        guard let table = makePASIDTable(in: context.directory, of: pasid) else { return false }
        let location = PASIDTableEntry.location(in: table, of: pasid)
        precondition(Self.word(at: location, in: memory) & EntryBits.present == 0, "the PASID entry is present")
        let entry = PASIDTableEntry(translation, domain: domain, options: options)
        if translation == .foreign { hasForeignEntries = true }
        for index in entry.words.indices.reversed() {
            memory.store64(entry.words[index], at: location.advanced(by: UInt64(index) * 8))
        }
        return true
    }

    /// Clears the PASID entry of (`requester`, `pasid`) and invalidates what the unit may hold of it (§6.6, steps 1 to
    /// 3): when it returns, no request is translated by that entry. What the device has been given of it is the
    /// caller's to take back. Does nothing when it is not present.
    ///
    /// - Parameters:
    ///   - suppressFaultRecords: Leaves FPD behind, for a device that is known to go on sending.
    ///   - steps: What is invalidated; less than all of it only to show that each step is needed.
    public mutating func clearEntry(
        requester: RequesterID, pasid: HostPASID, suppressFaultRecords: Bool = false,
        steps: InvalidationSteps = .all
    ) {
        guard let directory = contextEntry(of: requester)?.directory else { return }
        let directoryLocation = PASIDDirectoryEntry.location(in: directory, of: pasid)
        let directoryEntry = PASIDDirectoryEntry(rawValue: Self.word(at: directoryLocation, in: memory))
        guard directoryEntry.isPresent else { return }
        let location = PASIDTableEntry.location(in: directoryEntry.table, of: pasid)
        guard let entry = PASIDTableEntry(in: memory, at: location), entry.isPresent else { return }

        for index in entry.words.indices {
            let kept = index == 0 && suppressFaultRecords ? EntryBits.faultProcessingDisable : 0
            memory.store64(kept, at: location.advanced(by: UInt64(index) * 8))
        }
        let invalidations = Invalidation.afterClearing(entry, of: pasid)
        if steps.contains(.pasidCache) { complete(invalidations[0]) }
        if steps.contains(.translations) { complete(invalidations[1]) }

        if isEmpty(directoryEntry.table) {
            memory.store64(0, at: directoryLocation)
            memory.freeFrame(directoryEntry.table)
        }
    }

    /// The context entry of `requester`, or `nil` when it is not enabled.
    public func contextEntry(of requester: RequesterID) -> ScalableContextEntry? {
        let root = rootEntry(of: requester)
        guard root.isPresent,
            let entry = ScalableContextEntry(
                in: memory, at: ScalableContextEntry.location(in: root.contextTable, of: requester)), entry.isPresent
        else { return nil }
        return entry
    }

    /// The PASID entry of (`requester`, `pasid`), or `nil` when it is not present.
    public func entry(requester: RequesterID, pasid: HostPASID) -> PASIDTableEntry? {
        guard let context = contextEntry(of: requester) else { return nil }
        let directoryLocation = PASIDDirectoryEntry.location(in: context.directory, of: pasid)
        let directoryEntry = PASIDDirectoryEntry(rawValue: Self.word(at: directoryLocation, in: memory))
        guard directoryEntry.isPresent,
            let entry = PASIDTableEntry(
                in: memory, at: PASIDTableEntry.location(in: directoryEntry.table, of: pasid)), entry.isPresent
        else { return nil }
        return entry
    }
}

// MARK: Frames

extension IOMMU {
    static let directoryFrameCount = Int(ScalableContextEntry.directoryByteCount / pageByteCount)

    /// Reads a word of the unit's own tables.
    static func word(at location: HostPhysicalAddress, in memory: PhysicalMemory) -> UInt64 {
        guard let word = memory.load64(location) else { preconditionFailure("a table lost its frame") }
        return word
    }

    /// Clears the context entry at `location`, and frees its directory and tables when it is present.
    static func freeDirectory(ofContextAt location: HostPhysicalAddress, in memory: PhysicalMemory) {
        guard let context = ScalableContextEntry(in: memory, at: location), context.isPresent else { return }
        for index in context.words.indices { memory.store64(0, at: location.advanced(by: UInt64(index) * 8)) }
        for offset in stride(from: 0, to: ScalableContextEntry.directoryByteCount, by: 8) {
            let entry = PASIDDirectoryEntry(rawValue: word(at: context.directory.advanced(by: offset), in: memory))
            if entry.isPresent { memory.freeFrame(entry.table) }
        }
        memory.freeFrames(context.directory, count: directoryFrameCount)
    }

    private func rootEntry(of requester: RequesterID) -> RootEntryHalf {
        RootEntryHalf(rawValue: Self.word(at: RootEntryHalf.location(in: rootTable, of: requester), in: memory))
    }

    private func makeContextTable(of requester: RequesterID) -> HostPhysicalAddress? {
        let root = rootEntry(of: requester)
        if root.isPresent { return root.contextTable }
        guard let frame = memory.allocateFrame() else { return nil }
        let location = RootEntryHalf.location(in: rootTable, of: requester)
        memory.store64(RootEntryHalf(contextTable: frame).rawValue, at: location)
        return frame
    }

    private func makePASIDTable(in directory: HostPhysicalAddress, of pasid: HostPASID) -> HostPhysicalAddress? {
        let location = PASIDDirectoryEntry.location(in: directory, of: pasid)
        let entry = PASIDDirectoryEntry(rawValue: Self.word(at: location, in: memory))
        if entry.isPresent { return entry.table }
        guard let frame = memory.allocateFrame() else { return nil }
        memory.store64(PASIDDirectoryEntry(table: frame).rawValue, at: location)
        return frame
    }

    /// Whether no entry of the PASID table says anything, FPD included.
    private func isEmpty(_ table: HostPhysicalAddress) -> Bool {
        stride(from: 0, to: pageByteCount, by: Int(PASIDTableEntry.byteCount)).allSatisfy { offset in
            Self.word(at: table.advanced(by: offset), in: memory) == 0
        }
    }
}
