import PCIe

/// Why a page table refuses a change. It is then as it was.
public enum MappingError: Error, Equatable {
    /// An address or the length is no multiple of 4096, or the length is 0.
    case misaligned
    /// The range leaves what the table translates, or its target leaves the host's 52 bits.
    case outOfRange
    /// A page of the range is mapped.
    case alreadyMapped
    /// A page of the range is not mapped.
    case notMapped
    /// A table, or the split of a large page, needs a frame and there is none.
    case outOfFrames
}

/// What an entry lets through.
public enum PagePermission: UInt64, Sendable, BitwiseCopyable {
    case readOnly = 0b01
    case writeOnly = 0b10
    case readWrite = 0b11

    /// The same two bits mean P and R/W in the first stage, R and W in the second.
    static let mask: UInt64 = 0b11
}

/// A page table of four levels that software builds in frames of the core: what ``FirstStageTable`` and
/// ``SecondStageTable`` share. It owns its frames.
///
/// An entry is 0 exactly when it maps nothing, and no table but the root is empty. Pages are as large as the alignment
/// of address and target allows, and are split when a part of one is changed.
struct PageTable: ~Copyable {
    /// What 48 bits address, and the table's root covers.
    private static let rootShift: UInt64 = 39

    let memory: PhysicalMemory
    let root: HostPhysicalAddress
    /// Flags of every entry beside its permission.
    private let flags: UInt64

    /// `nil` when there is no frame for the root.
    init?(memory: PhysicalMemory, flags: UInt64) {
        guard let root = memory.allocateFrame() else { return nil }
        self.memory = memory
        self.root = root
        self.flags = flags
    }

    deinit {
        Self.free(root, shift: Self.rootShift, in: memory)
    }

    mutating func map(
        _ range: Range<UInt64>, to target: HostPhysicalAddress, permission: PagePermission
    ) throws(MappingError) {
        guard target.rawValue.isMultiple(of: pageByteCount) else { throw .misaligned }
        let hostAddressEnd: UInt64 = 1 << 52
        guard target.rawValue < hostAddressEnd, UInt64(range.count) <= hostAddressEnd - target.rawValue else {
            throw .outOfRange
        }
        guard isUniform(mapped: false, in: range, of: rootNode) else { throw .alreadyMapped }
        guard place(range, of: rootNode, at: target.rawValue, entryFlags: flags | permission.rawValue) else {
            _ = clear(range, of: rootNode)
            throw .outOfFrames
        }
    }

    /// Leaves nothing mapped in `range`. Parts of it that were not mapped stay so.
    mutating func unmap(_ range: Range<UInt64>) throws(MappingError) {
        try split(at: range)
        _ = clear(range, of: rootNode)
    }

    mutating func protect(_ range: Range<UInt64>, permission: PagePermission) throws(MappingError) {
        guard isUniform(mapped: true, in: range, of: rootNode) else { throw .notMapped }
        try split(at: range)
        setPermission(permission, in: range, of: rootNode)
    }

    /// Permits `permission` in all of `range`, whose mapped parts lie where they would if the whole were mapped to
    /// `target`: these change in place, the others are mapped.
    mutating func remap(
        _ range: Range<UInt64>, to target: HostPhysicalAddress, permission: PagePermission
    ) throws(MappingError) {
        var holes: [Range<UInt64>] = []
        collectHoles(in: range, of: rootNode, into: &holes)
        do throws(MappingError) {
            for hole in holes {
                try map(hole, to: target.advanced(by: hole.lowerBound - range.lowerBound), permission: permission)
            }
            try protect(range, permission: permission)
        } catch {
            for hole in holes { _ = clear(hole, of: rootNode) }
            throw error
        }
    }

    /// `byteCount` bytes from `address`, when they are whole pages below `end`.
    static func range(
        from address: UInt64, byteCount: UInt64, below end: UInt64
    ) throws(MappingError) -> Range<UInt64> {
        guard address.isMultiple(of: pageByteCount), byteCount.isMultiple(of: pageByteCount), byteCount > 0 else {
            throw .misaligned
        }
        guard address < end, byteCount <= end - address else { throw .outOfRange }
        return address..<address + byteCount
    }
}

// MARK: Entries

extension PageTable {
    /// One table: its frame, the first address it translates and the size of what one entry covers.
    private struct Node: BitwiseCopyable {
        var table: HostPhysicalAddress
        var base: UInt64
        var shift: UInt64

        /// The indices of the entries that `range` touches.
        func indices(of range: Range<UInt64>) -> ClosedRange<UInt64> {
            (range.lowerBound - base) >> shift...(range.upperBound - 1 - base) >> shift
        }

        /// What the entry at `index` translates.
        func coverage(of index: UInt64) -> Range<UInt64> {
            let start = base + index << shift
            return start..<start + 1 << shift
        }

        func location(of index: UInt64) -> HostPhysicalAddress { table.advanced(by: index * 8) }
    }

    private var rootNode: Node { Node(table: root, base: 0, shift: Self.rootShift) }

    private func entry(_ index: UInt64, of node: Node) -> UInt64 {
        guard let entry = memory.load64(node.location(of: index)) else { preconditionFailure("a table lost its frame") }
        return entry
    }

    private func setEntry(_ index: UInt64, of node: Node, to entry: UInt64) {
        memory.store64(entry, at: node.location(of: index))
    }

    /// The table that `entry` of `node` points to, or `nil` when it is a page or nothing.
    private func child(_ entry: UInt64, at index: UInt64, of node: Node) -> Node? {
        guard entry != 0, !PagingEntry.isPage(entry, shift: node.shift) else { return nil }
        return Node(
            table: HostPhysicalAddress(rawValue: entry & PagingEntry.address),
            base: node.coverage(of: index).lowerBound, shift: node.shift - PagingEntry.bitsPerLevel)
    }

    /// The table below the entry at `index`, made when there is none. `nil` when there is no frame for it.
    private func makeChild(at index: UInt64, of node: Node) -> Node? {
        if entry(index, of: node) == 0 {
            guard let frame = memory.allocateFrame() else { return nil }
            setPointer(at: index, of: node, to: frame)
        }
        return child(entry(index, of: node), at: index, of: node)
    }

    /// Pointers permit everything: what a range may do is said once, in its pages' entries.
    private func setPointer(at index: UInt64, of node: Node, to frame: HostPhysicalAddress) {
        setEntry(index, of: node, to: frame.rawValue | flags | PagePermission.readWrite.rawValue)
    }

    private func isEmpty(_ node: Node) -> Bool {
        (0..<PagingEntry.entryCount).allSatisfy { entry($0, of: node) == 0 }
    }

    private static func free(_ table: HostPhysicalAddress, shift: UInt64, in memory: PhysicalMemory) {
        if shift > PagingEntry.pageShift {
            for index in 0..<PagingEntry.entryCount {
                guard let entry = memory.load64(table.advanced(by: index * 8)), entry != 0,
                    !PagingEntry.isPage(entry, shift: shift)
                else { continue }
                free(
                    HostPhysicalAddress(rawValue: entry & PagingEntry.address),
                    shift: shift - PagingEntry.bitsPerLevel, in: memory)
            }
        }
        memory.freeFrame(table)
    }
}

// MARK: Ranges

extension PageTable {
    /// Whether all of `range` is mapped, or nothing of it.
    private func isUniform(mapped: Bool, in range: Range<UInt64>, of node: Node) -> Bool {
        for index in node.indices(of: range) {
            let entry = entry(index, of: node)
            if let child = child(entry, at: index, of: node) {
                let piece = range.clamped(to: node.coverage(of: index))
                guard isUniform(mapped: mapped, in: piece, of: child) else { return false }
            } else if (entry != 0) != mapped {
                return false
            }
        }
        return true
    }

    /// Appends the parts of `range` that are not mapped, by rising address, no two of them adjacent.
    private func collectHoles(in range: Range<UInt64>, of node: Node, into holes: inout [Range<UInt64>]) {
        for index in node.indices(of: range) {
            let entry = entry(index, of: node)
            let piece = range.clamped(to: node.coverage(of: index))
            if let child = child(entry, at: index, of: node) {
                collectHoles(in: piece, of: child, into: &holes)
            } else if entry == 0 {
                if let last = holes.last, last.upperBound == piece.lowerBound {
                    holes[holes.count - 1] = last.lowerBound..<piece.upperBound
                } else {
                    holes.append(piece)
                }
            }
        }
    }

    /// Maps `range`, in which nothing is mapped. `false` when frames ran out on the way.
    private func place(_ range: Range<UInt64>, of node: Node, at target: UInt64, entryFlags: UInt64) -> Bool {
        for index in node.indices(of: range) {
            let coverage = node.coverage(of: index)
            let piece = range.clamped(to: coverage)
            let pieceTarget = target + (piece.lowerBound - range.lowerBound)
            let fits = piece == coverage && pieceTarget & (1 << node.shift - 1) == 0
            if fits, node.shift <= PagingEntry.largestPageShift {
                let size = node.shift > PagingEntry.pageShift ? PagingEntry.largePage : 0
                setEntry(index, of: node, to: pieceTarget | entryFlags | size)
            } else {
                guard let child = makeChild(at: index, of: node),
                    place(piece, of: child, at: pieceTarget, entryFlags: entryFlags)
                else { return false }
            }
        }
        return true
    }

    /// Unmaps `range`, whose ends cut no large page, and frees the tables that become empty. Returns whether `node`
    /// did.
    private func clear(_ range: Range<UInt64>, of node: Node) -> Bool {
        for index in node.indices(of: range) {
            if let child = child(entry(index, of: node), at: index, of: node) {
                let coverage = node.coverage(of: index)
                let piece = range.clamped(to: coverage)
                if piece == coverage {
                    Self.free(child.table, shift: child.shift, in: memory)
                } else if clear(piece, of: child) {
                    memory.freeFrame(child.table)
                } else {
                    continue
                }
            }
            setEntry(index, of: node, to: 0)
        }
        return isEmpty(node)
    }

    /// Clears `flag` in each page's entry that has it, and calls `body` with what the entry translates.
    mutating func takeFlag(_ flag: UInt64, _ body: (Range<UInt64>) -> Void) {
        takeFlag(flag, of: rootNode, body)
    }

    private func takeFlag(_ flag: UInt64, of node: Node, _ body: (Range<UInt64>) -> Void) {
        for index in 0..<PagingEntry.entryCount {
            let entry = entry(index, of: node)
            if let child = child(entry, at: index, of: node) {
                takeFlag(flag, of: child, body)
            } else if entry & flag != 0 {
                setEntry(index, of: node, to: entry & ~flag)
                body(node.coverage(of: index))
            }
        }
    }

    private func setPermission(_ permission: PagePermission, in range: Range<UInt64>, of node: Node) {
        for index in node.indices(of: range) {
            let entry = entry(index, of: node)
            if let child = child(entry, at: index, of: node) {
                setPermission(permission, in: range.clamped(to: node.coverage(of: index)), of: child)
            } else {
                setEntry(index, of: node, to: entry & ~PagePermission.mask | permission.rawValue)
            }
        }
    }

    /// Makes pages begin at both ends of `range`, so that no later step needs a frame. A page that was split although
    /// the second split found no frame translates as before.
    private func split(at range: Range<UInt64>) throws(MappingError) {
        guard split(at: range.lowerBound), split(at: range.upperBound) else { throw .outOfFrames }
    }

    private func split(at address: UInt64) -> Bool {
        var node = rootNode
        // The end of the translated addresses lies in no entry, and is no address inside a page either.
        while address & (1 << node.shift - 1) != 0 {
            let index = (address - node.base) >> node.shift
            let entry = entry(index, of: node)
            guard entry != 0 else { return true }
            if PagingEntry.isPage(entry, shift: node.shift) {
                guard let frame = memory.allocateFrame() else { return false }
                fill(frame, with: entry, shift: node.shift)
                setPointer(at: index, of: node, to: frame)
            }
            guard let child = child(self.entry(index, of: node), at: index, of: node) else { return true }
            node = child
        }
        return true
    }

    /// Fills the table `frame` with the 512 parts of the large page `entry` of a table at `shift`.
    private func fill(_ frame: HostPhysicalAddress, with entry: UInt64, shift: UInt64) {
        let partShift = shift - PagingEntry.bitsPerLevel
        let size = partShift > PagingEntry.pageShift ? PagingEntry.largePage : 0
        let partFlags = entry & ~(PagingEntry.address | PagingEntry.largePage) | size
        for index in 0..<PagingEntry.entryCount {
            let part = PagingEntry.page(entry, shift: shift) + index << partShift
            memory.store64(part | partFlags, at: frame.advanced(by: index * 8))
        }
    }
}
