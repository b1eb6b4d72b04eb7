package import PCIe

/// Walks page tables in memory, as the IOMMU and the processors do (virtualization §6.2).
///
/// Guest tables are hostile and change while they are read: each entry is read once, and everything is decided on that
/// one value. No content of a table can make a walk trap, take more than 30 reads, or leave the second stage.
///
/// The accessed flag is set in each first-stage entry that a walk goes through, the dirty flag in the page's entry when
/// a write succeeds; both live in the entry's lowest byte, and only that byte is read and written again, without a bus
/// lock. A guest processor that changes the same byte in that instant loses its change, which hardware would not let
/// happen.
package enum PageWalk {
    /// Walks a first stage whose tables lie in host memory.
    ///
    /// - Parameters:
    ///   - root: The root table, page-aligned.
    ///   - writeProtect: Whether privileged writes heed R/W: WPE, and CR0.WP of a processor.
    package static func firstStage(
        in memory: PhysicalMemory, root: HostPhysicalAddress, levels: PagingLevels, address: LinearAddress,
        isWrite: Bool, isPrivileged: Bool, writeProtect: Bool = true
    ) -> Translation {
        walk(
            memory, root: root.rawValue, secondStage: nil, levels: levels, address: address, isWrite: isWrite,
            isPrivileged: isPrivileged, writeProtect: writeProtect)
    }

    /// Walks a guest's first stage, whose every pointer goes through the VM's second stage. What is permitted is what
    /// both permit (M-03).
    package static func nested(
        in memory: PhysicalMemory, firstStage: GuestPhysicalAddress, levels: PagingLevels,
        secondStage: HostPhysicalAddress, address: LinearAddress, isWrite: Bool, isPrivileged: Bool,
        writeProtect: Bool = true
    ) -> Translation {
        walk(
            memory, root: firstStage.rawValue, secondStage: secondStage, levels: levels, address: address,
            isWrite: isWrite, isPrivileged: isPrivileged, writeProtect: writeProtect)
    }

    /// Walks a second stage of four levels.
    package static func secondStage(
        in memory: PhysicalMemory, root: HostPhysicalAddress, address: GuestPhysicalAddress, isWrite: Bool
    ) -> Translation {
        guard address.rawValue < guestAddressEnd else { return .fault(.beyondGuestWidth) }
        switch lookUpSecondStage(memory, root: root, address: address.rawValue) {
        case .fault(let reason):
            return .fault(reason)
        case .page(let output, let remaining, let permission):
            if let denied = denial(isWrite: isWrite, permission) { return .fault(denied) }
            return .output(output, remaining: remaining)
        }
    }

    /// The first address that no second stage translates: guest physical addresses have 48 bits.
    static let guestAddressEnd: UInt64 = 1 << 48
}

// MARK: Second stage

extension PageWalk {
    /// What a second stage says of one address, before any access is checked against it.
    private enum SecondStageResult: BitwiseCopyable {
        /// `permission` holds the R and W bits that all entries on the way have.
        case page(UInt64, remaining: UInt64, permission: UInt64)
        case fault(FaultReason)
    }

    /// - Parameter address: Below ``guestAddressEnd``.
    @inline(__always)
    private static func lookUpSecondStage(
        _ memory: PhysicalMemory, root: HostPhysicalAddress, address: UInt64
    ) -> SecondStageResult {
        var table = root.rawValue
        var permission = SecondStageEntry.readable | SecondStageEntry.writable
        var shift: UInt64 = 39
        while true {
            let location = PagingEntry.location(in: table, of: address, shift: shift)
            guard let raw = memory.load64(HostPhysicalAddress(rawValue: location)) else {
                return .fault(shift == 39 ? .secondStageRootAccess : .secondStageAccess)
            }
            guard SecondStageEntry(rawValue: raw).isPresent else { return .fault(.secondStageNotPresent) }
            guard raw & SecondStageEntry.reserved == 0, !PagingEntry.hasReservedAddressBits(raw, shift: shift) else {
                return .fault(.secondStageReserved)
            }
            permission &= raw
            if PagingEntry.isPage(raw, shift: shift) {
                let pageByteCount: UInt64 = 1 &<< shift
                let offset = address & (pageByteCount &- 1)
                return .page(
                    PagingEntry.page(raw, shift: shift) | offset, remaining: pageByteCount &- offset,
                    permission: permission)
            }
            table = raw & PagingEntry.address
            shift &-= PagingEntry.bitsPerLevel
        }
    }

    @inline(__always)
    private static func denial(isWrite: Bool, _ permission: UInt64) -> FaultReason? {
        if isWrite {
            permission & SecondStageEntry.writable == 0 ? .writeDenied : nil
        } else {
            permission & SecondStageEntry.readable == 0 ? .readDenied : nil
        }
    }
}

// MARK: First stage

extension PageWalk {
    /// Where an entry of a first-stage table lies in host memory, and whether it may be written there.
    private enum EntryLocation: BitwiseCopyable {
        case host(HostPhysicalAddress, isWritable: Bool)
        case fault(FaultReason)
    }

    /// - Parameter address: Of the entry: a GPA where there is a second stage.
    @inline(__always)
    private static func locateEntry(
        _ memory: PhysicalMemory, at address: UInt64, secondStage: HostPhysicalAddress?, isRoot: Bool
    ) -> EntryLocation {
        guard let secondStage else { return .host(HostPhysicalAddress(rawValue: address), isWritable: true) }
        guard address < guestAddressEnd else { return .fault(.firstStageTableBeyondGuestWidth) }
        switch lookUpSecondStage(memory, root: secondStage, address: address) {
        case .fault(let reason):
            return .fault(reason)
        case .page(let output, remaining: _, let permission):
            guard permission & SecondStageEntry.readable != 0 else {
                return .fault(isRoot ? .firstStageRootReadDenied : .firstStageTableReadDenied)
            }
            return .host(
                HostPhysicalAddress(rawValue: output), isWritable: permission & SecondStageEntry.writable != 0)
        }
    }

    /// Both walks in one body; `secondStage` is a constant in each caller, so that the optimiser makes two of it.
    @inline(__always)
    private static func walk(
        _ memory: PhysicalMemory, root: UInt64, secondStage: HostPhysicalAddress?, levels: PagingLevels,
        address: LinearAddress, isWrite: Bool, isPrivileged: Bool, writeProtect: Bool
    ) -> Translation {
        guard levels.isCanonical(address) else { return .fault(.nonCanonicalAddress) }
        var table = root
        var permission = FirstStageEntry.writable | FirstStageEntry.user
        var shift = levels.rootShift
        while true {
            let isRoot = shift == levels.rootShift
            let guestLocation = PagingEntry.location(in: table, of: address.rawValue, shift: shift)
            let location: HostPhysicalAddress
            let isTableWritable: Bool
            switch locateEntry(memory, at: guestLocation, secondStage: secondStage, isRoot: isRoot) {
            case .fault(let reason): return .fault(reason)
            case .host(let host, let isWritable): (location, isTableWritable) = (host, isWritable)
            }
            guard let raw = memory.load64(location) else {
                return .fault(isRoot ? .firstStageRootAccess : .firstStageAccess)
            }
            guard FirstStageEntry(rawValue: raw).isPresent else { return .fault(.firstStageNotPresent) }
            guard !PagingEntry.hasReservedAddressBits(raw, shift: shift) else { return .fault(.firstStageReserved) }
            permission &= raw

            let isPage = PagingEntry.isPage(raw, shift: shift)
            var result = Translation.translated(location, remaining: 0)
            if isPage {
                guard isPrivileged || permission & FirstStageEntry.user != 0 else { return .fault(.userRequestDenied) }
                guard !isWrite || permission & FirstStageEntry.writable != 0 || isPrivileged && !writeProtect else {
                    return .fault(.writeDenied)
                }
                let pageByteCount: UInt64 = 1 &<< shift
                let offset = address.rawValue & (pageByteCount &- 1)
                result = finish(
                    memory, output: PagingEntry.page(raw, shift: shift) | offset, remaining: pageByteCount &- offset,
                    secondStage: secondStage, isWrite: isWrite)
                if case .fault = result { return result }
            }

            let used = FirstStageEntry.accessed | (isPage && isWrite ? FirstStageEntry.dirty : 0)
            if raw & used != used {
                guard isTableWritable else { return .fault(.firstStageTableWriteDenied) }
                memory.setBits8(UInt8(truncatingIfNeeded: used), at: location)
            }
            if isPage { return result }
            table = raw & PagingEntry.address
            shift &-= PagingEntry.bitsPerLevel
        }
    }

    /// From the first stage's output to the host physical address.
    @inline(__always)
    private static func finish(
        _ memory: PhysicalMemory, output: UInt64, remaining: UInt64, secondStage: HostPhysicalAddress?, isWrite: Bool
    ) -> Translation {
        guard let secondStage else { return .output(output, remaining: remaining) }
        guard output < guestAddressEnd else { return .fault(.beyondGuestWidth) }
        switch lookUpSecondStage(memory, root: secondStage, address: output) {
        case .fault(let reason):
            return .fault(reason)
        case .page(let host, let hostRemaining, let permission):
            if let denied = denial(isWrite: isWrite, permission) { return .fault(denied) }
            return .output(host, remaining: min(remaining, hostRemaining))
        }
    }
}
