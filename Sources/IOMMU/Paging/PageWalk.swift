public import PCIe

/// Walks page tables in memory, as the IOMMU and the processors do (virtualization §6.2).
///
/// Guest tables are hostile and change while they are read: each entry is read once, and everything is decided on that
/// one value. No content of a table can make a walk trap, take more than 30 reads, or leave the second stage.
///
/// The accessed flag is set in each first-stage entry that a walk goes through, the dirty flag in the page's entry when
/// a write succeeds; both live in the entry's lowest byte, and only that byte is read and written again, without a bus
/// lock. A guest processor that changes the same byte in that instant loses its change, which hardware would not let
/// happen.
public enum PageWalk {
    /// Walks a first stage whose tables lie in host memory.
    ///
    /// - Parameters:
    ///   - root: The root table, page-aligned.
    ///   - writeProtect: Whether privileged writes heed R/W: WPE, and CR0.WP of a processor.
    public static func firstStage(
        in memory: PhysicalMemory, root: HostPhysicalAddress, levels: PagingLevels, address: LinearAddress,
        isWrite: Bool, isPrivileged: Bool, writeProtect: Bool = true
    ) -> Translation {
        Translation(
            firstStageRun(
                in: memory, root: root, levels: levels, address: address, isWrite: isWrite,
                isPrivileged: isPrivileged, writeProtect: writeProtect))
    }

    /// Walks a guest's first stage, whose every pointer goes through the VM's second stage. What is permitted is what
    /// both permit (M-03).
    public static func nested(
        in memory: PhysicalMemory, firstStage: GuestPhysicalAddress, levels: PagingLevels,
        secondStage: HostPhysicalAddress, address: LinearAddress, isWrite: Bool, isPrivileged: Bool,
        writeProtect: Bool = true
    ) -> Translation {
        Translation(
            nestedRun(
                in: memory, firstStage: firstStage, levels: levels, secondStage: secondStage, address: address,
                isWrite: isWrite, isPrivileged: isPrivileged, writeProtect: writeProtect))
    }

    /// Walks a second stage of four levels.
    public static func secondStage(
        in memory: PhysicalMemory, root: HostPhysicalAddress, address: GuestPhysicalAddress, isWrite: Bool
    ) -> Translation {
        Translation(secondStageRun(in: memory, root: root, address: address, isWrite: isWrite))
    }

    /// The first address that no second stage translates: guest physical addresses have 48 bits.
    static let guestAddressEnd: UInt64 = 1 << 48
}

// MARK: Runs

extension PageWalk {
    /// What the public walk of a first stage finds, and of pages of 4 KiB those that follow it in host memory, out of
    /// the same lowest table, as long as they are needed for `byteCount` bytes and permit the access. Their accessed
    /// and dirty flags are set as if each were walked to.
    static func firstStageRun(
        in memory: PhysicalMemory, root: HostPhysicalAddress, levels: PagingLevels, address: LinearAddress,
        byteCount: UInt64 = 1, isWrite: Bool, isPrivileged: Bool, writeProtect: Bool
    ) -> PageRunResult {
        walk(
            memory, root: root.rawValue, secondStage: nil, setsFlags: false, levels: levels, address: address,
            byteCount: byteCount, isWrite: isWrite, isPrivileged: isPrivileged, writeProtect: writeProtect)
    }

    /// The same for a nested translation.
    ///
    /// - Parameter setsFlags: Second-stage entries get accessed and dirty flags as well: of the pages that first-stage
    ///   tables lie in, and of those that hold the data.
    static func nestedRun(
        in memory: PhysicalMemory, firstStage: GuestPhysicalAddress, levels: PagingLevels,
        secondStage: HostPhysicalAddress, setsFlags: Bool = false, address: LinearAddress, byteCount: UInt64 = 1,
        isWrite: Bool, isPrivileged: Bool, writeProtect: Bool
    ) -> PageRunResult {
        walk(
            memory, root: firstStage.rawValue, secondStage: secondStage, setsFlags: setsFlags, levels: levels,
            address: address, byteCount: byteCount, isWrite: isWrite, isPrivileged: isPrivileged,
            writeProtect: writeProtect)
    }

    /// The page of a second stage. It comes alone: the pages of a second stage are as large as they can be.
    ///
    /// - Parameter setsFlags: Entries get accessed and dirty flags.
    static func secondStageRun(
        in memory: PhysicalMemory, root: HostPhysicalAddress, setsFlags: Bool = false, address: GuestPhysicalAddress,
        isWrite: Bool
    ) -> PageRunResult {
        guard address.rawValue < guestAddressEnd else {
            return .fault(.beyondGuestWidth, secondStageAddress: address.rawValue)
        }
        switch lookUpSecondStage(memory, root: root, address: address.rawValue, setsFlags: setsFlags) {
        case .fault(let reason): return .fault(reason, secondStageAddress: address.rawValue)
        case .page(let page):
            let result = page.translate(address.rawValue, isWrite: isWrite)
            if setsFlags, isWrite, case .run = result { page.markDirty(in: memory) }
            return result
        }
    }
}

// MARK: Second stage

extension PageWalk {
    /// A page of the second stage, before any access is checked against it.
    private struct SecondStagePage: BitwiseCopyable {
        /// The first GPA of the page, or an address in none.
        var start: UInt64
        /// The size of the page less 1.
        var offsetMask: UInt64
        /// Where the page begins in host memory.
        var host: UInt64
        /// The R and W bits that all entries on the way have.
        var permission: UInt64
        /// Where the page's entry lies.
        var entry: UInt64

        static var none: Self { Self(start: .max, offsetMask: 0, host: 0, permission: 0, entry: 0) }

        /// Sets the dirty flag of the page's entry.
        @inline(__always)
        func markDirty(in memory: PhysicalMemory) {
            memory.setBits8(SecondStageEntry.dirtyInSecondByte, at: HostPhysicalAddress(rawValue: entry &+ 1))
        }

        @inline(__always) var isReadable: Bool { permission & SecondStageEntry.readable != 0 }

        @inline(__always) var isWritable: Bool { permission & SecondStageEntry.writable != 0 }

        @inline(__always)
        func contains(_ address: UInt64) -> Bool { address & ~offsetMask == start }

        /// - Parameter firstStageMask: The size less 1 of the first stage's page, which may be the smaller one.
        @inline(__always)
        func translate(_ address: UInt64, isWrite: Bool, firstStageMask: UInt64 = .max) -> PageRunResult {
            guard isWrite ? isWritable : isReadable else {
                return .fault(isWrite ? .writeDenied : .readDenied, secondStageAddress: address)
            }
            return .page(host: host | address & offsetMask, offsetMask: min(offsetMask, firstStageMask))
        }
    }

    private enum SecondStageResult: BitwiseCopyable {
        case page(SecondStagePage)
        case fault(FaultReason)
    }

    /// - Parameter address: Below ``guestAddressEnd``.
    @inline(__always)
    private static func lookUpSecondStage(
        _ memory: PhysicalMemory, root: HostPhysicalAddress, address: UInt64, setsFlags: Bool
    ) -> SecondStageResult {
        var table = root.rawValue & PagingEntry.address
        var permission = SecondStageEntry.readable | SecondStageEntry.writable
        var shift: UInt64 = 39
        while true {
            let location = PagingEntry.location(in: table, of: address, shift: shift)
            guard let raw = memory.loadEntry(HostPhysicalAddress(rawValue: location)) else {
                return .fault(shift == 39 ? .secondStageRootAccess : .secondStageAccess)
            }
            let entry = SecondStageEntry(rawValue: raw)
            guard entry.isPresent else { return .fault(.secondStageNotPresent) }
            guard !entry.hasReservedBits(shift: shift) else { return .fault(.secondStageReserved) }
            permission &= raw
            if setsFlags, raw & SecondStageEntry.accessed == 0 {
                memory.setBits8(
                    SecondStageEntry.accessedInSecondByte, at: HostPhysicalAddress(rawValue: location &+ 1))
            }
            if PagingEntry.isPage(raw, shift: shift) {
                let offsetMask: UInt64 = 1 &<< shift &- 1
                return .page(
                    SecondStagePage(
                        start: address & ~offsetMask, offsetMask: offsetMask,
                        host: PagingEntry.page(raw, shift: shift), permission: permission, entry: location))
            }
            table = raw & PagingEntry.address
            shift &-= PagingEntry.bitsPerLevel
        }
    }
}

// MARK: First stage

extension PageWalk {
    /// Both walks in one body; `secondStage` is a constant in each caller, so that the optimiser makes two of it.
    @inline(__always)
    private static func walk(
        _ memory: PhysicalMemory, root: UInt64, secondStage: HostPhysicalAddress?, setsFlags: Bool,
        levels: PagingLevels, address: LinearAddress, byteCount: UInt64, isWrite: Bool, isPrivileged: Bool,
        writeProtect: Bool
    ) -> PageRunResult {
        guard levels.isCanonical(address) else { return .fault(.nonCanonicalAddress) }
        var table = root & ~(pageByteCount &- 1)
        var permission = FirstStageEntry.writable | FirstStageEntry.user
        var shift = levels.rootShift
        // The tables of one walk mostly share a large page of the second stage. Nobody changes the second stage during
        // a walk, so that remembering the page until its end is exact.
        var tablePage = SecondStagePage.none
        while true {
            let isRoot = shift == levels.rootShift
            let guestLocation = PagingEntry.location(in: table, of: address.rawValue, shift: shift)
            var location = guestLocation
            if let secondStage {
                if !tablePage.contains(guestLocation) {
                    guard guestLocation < guestAddressEnd else {
                        return .fault(.firstStageTableBeyondGuestWidth, secondStageAddress: guestLocation)
                    }
                    let result = lookUpSecondStage(
                        memory, root: secondStage, address: guestLocation, setsFlags: setsFlags)
                    switch result {
                    case .fault(let reason): return .fault(reason, secondStageAddress: guestLocation)
                    case .page(let page): tablePage = page
                    }
                }
                guard tablePage.isReadable else {
                    return .fault(
                        isRoot ? .firstStageRootReadDenied : .firstStageTableReadDenied,
                        secondStageAddress: guestLocation)
                }
                location = tablePage.host | guestLocation & tablePage.offsetMask
            }
            let entryAddress = HostPhysicalAddress(rawValue: location)
            guard let raw = memory.loadEntry(entryAddress) else {
                return .fault(isRoot ? .firstStageRootAccess : .firstStageAccess)
            }
            let entry = FirstStageEntry(rawValue: raw)
            guard entry.isPresent else { return .fault(.firstStageNotPresent) }
            guard !entry.hasReservedBits(shift: shift) else { return .fault(.firstStageReserved) }
            let permissionAbove = permission
            permission &= raw

            let isPage = PagingEntry.isPage(raw, shift: shift)
            var outputPage = tablePage
            var run: PageRun?
            if isPage {
                guard isPrivileged || permission & FirstStageEntry.user != 0 else { return .fault(.userRequestDenied) }
                guard !isWrite || permission & FirstStageEntry.writable != 0 || isPrivileged && !writeProtect else {
                    return .fault(.writeDenied)
                }
                let offsetMask: UInt64 = 1 &<< shift &- 1
                let output = PagingEntry.page(raw, shift: shift) | address.rawValue & offsetMask
                let result = finish(
                    memory, output, offsetMask: offsetMask, secondStage: secondStage, setsFlags: setsFlags,
                    page: &outputPage, isWrite: isWrite)
                guard case .run(let found) = result else { return result }
                run = found
            }

            let used = FirstStageEntry.accessed | (isPage && isWrite ? FirstStageEntry.dirty : 0)
            if raw & used != used {
                guard secondStage == nil || tablePage.isWritable else {
                    return .fault(.firstStageTableWriteDenied, secondStageAddress: guestLocation)
                }
                memory.setBits8(UInt8(truncatingIfNeeded: used), at: entryAddress)
                if setsFlags { tablePage.markDirty(in: memory) }
            }
            if var run {
                if shift == PagingEntry.pageShift, run.byteCount < byteCount {
                    let leaves = Leaves(
                        table: secondStage == nil ? nil : tablePage, setsFlags: setsFlags, permission: permissionAbove,
                        isWrite: isWrite, isPrivileged: isPrivileged, writeProtect: writeProtect)
                    leaves.extend(&run, to: byteCount, in: memory, after: location, secondStage, &outputPage)
                }
                return .run(run)
            }
            table = raw & PagingEntry.address
            shift &-= PagingEntry.bitsPerLevel
        }
    }

    /// From an address that the first stage yields to the host physical one. `page` is a page of the second stage that
    /// may hold it, and then the one that does.
    @inline(__always)
    private static func finish(
        _ memory: PhysicalMemory, _ output: UInt64, offsetMask: UInt64, secondStage: HostPhysicalAddress?,
        setsFlags: Bool, page: inout SecondStagePage, isWrite: Bool
    ) -> PageRunResult {
        guard let secondStage else { return .page(host: output, offsetMask: offsetMask) }
        if !page.contains(output) {
            guard output < guestAddressEnd else { return .fault(.beyondGuestWidth, secondStageAddress: output) }
            switch lookUpSecondStage(memory, root: secondStage, address: output, setsFlags: setsFlags) {
            case .fault(let reason): return .fault(reason, secondStageAddress: output)
            case .page(let found): page = found
            }
        }
        let result = page.translate(output, isWrite: isWrite, firstStageMask: offsetMask)
        if setsFlags, isWrite, case .run = result { page.markDirty(in: memory) }
        return result
    }

    /// The lowest table that a walk ended in, and what the way there permits.
    private struct Leaves {
        /// Where the second stage has the table; `nil` when there is none.
        var table: SecondStagePage?
        /// Second-stage entries get accessed and dirty flags.
        var setsFlags: Bool
        /// The R/W and U/S bits that all entries above have.
        var permission: UInt64
        var isWrite: Bool
        var isPrivileged: Bool
        var writeProtect: Bool

        /// Adds the pages of the entries behind `location` to `run` until it has `byteCount` bytes, or one does not
        /// follow in memory, does not permit the access, or would fault in any other way.
        @inline(__always)
        func extend(
            _ run: inout PageRun, to byteCount: UInt64, in memory: PhysicalMemory, after location: UInt64,
            _ secondStage: HostPhysicalAddress?, _ outputPage: inout SecondStagePage
        ) {
            let used = FirstStageEntry.accessed | (isWrite ? FirstStageEntry.dirty : 0)
            var location = location &+ 8
            while run.byteCount < byteCount, location % pageByteCount != 0 {
                let entryAddress = HostPhysicalAddress(rawValue: location)
                guard let raw = memory.loadEntry(entryAddress), FirstStageEntry(rawValue: raw).isPresent,
                    isPrivileged || permission & raw & FirstStageEntry.user != 0,
                    !isWrite || permission & raw & FirstStageEntry.writable != 0 || isPrivileged && !writeProtect,
                    case .run(let next) = PageWalk.finish(
                        memory, PagingEntry.page(raw, shift: PagingEntry.pageShift), offsetMask: pageByteCount &- 1,
                        secondStage: secondStage, setsFlags: setsFlags, page: &outputPage, isWrite: isWrite),
                    raw & used == used || table?.isWritable ?? true, run.append(next.host)
                else { return }
                if raw & used != used {
                    memory.setBits8(UInt8(truncatingIfNeeded: used), at: entryAddress)
                    if setsFlags { table?.markDirty(in: memory) }
                }
                location &+= 8
            }
        }
    }
}
