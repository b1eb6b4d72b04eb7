/// One address space: runs of 4 KiB pages with a permission each. What lies outside the runs is absent.
///
/// Each stored byte goes into a journal, so that a case can be undone.
package final class OracleMemory {
    package static let pageByteCount = 4096

    /// Pages that follow each other.
    package struct Run: Sendable {
        /// The linear address of the first page divided by the page size.
        package let firstPage: UInt64
        package let pageCount: Int

        package init(firstPage: UInt64, pageCount: Int) {
            self.firstPage = firstPage
            self.pageCount = pageCount
        }
    }

    /// A byte that was overwritten.
    package struct Store: Sendable {
        /// The place of the byte in ``OracleMemory/bytes``.
        package let offset: Int
        package let old: UInt8
    }

    package let runs: [Run]
    /// By the number of the page, counted over all runs.
    package var kinds: [PageKind]
    /// The pages of all runs, end to end.
    package private(set) var bytes: [UInt8]
    /// Whether the IOMMU knows the PASID.
    package var isBound = true
    package private(set) var journal: [Store] = []

    package init(runs: [Run]) {
        self.runs = runs
        let pageCount = runs.reduce(0) { $0 + $1.pageCount }
        kinds = Array(repeating: .readWrite, count: pageCount)
        bytes = Array(repeating: 0, count: pageCount * Self.pageByteCount)
        journal.reserveCapacity(1 << 14)
    }

    package var pageCount: Int { kinds.count }

    /// The linear address of page `index`.
    package func address(ofPage index: Int) -> UInt64 {
        var index = index
        for run in runs {
            if index < run.pageCount { return (run.firstPage + UInt64(index)) << 12 }
            index -= run.pageCount
        }
        preconditionFailure("there are fewer pages")
    }

    /// The number of the page that `address` lies in.
    package func page(of address: UInt64) -> Int? {
        var before = 0
        for run in runs {
            let distance = address >> 12 &- run.firstPage
            if distance < UInt64(run.pageCount) { return before + Int(distance) }
            before += run.pageCount
        }
        return nil
    }

    /// Where the byte at `address` stands in ``bytes``.
    package func offset(of address: UInt64) -> Int? {
        page(of: address).map { $0 * Self.pageByteCount + Int(address & 0xFFF) }
    }
}

// MARK: Accesses

extension OracleMemory {
    /// Why a device cannot make this access on behalf of the PASID, or `nil` when it can.
    func refusal(at address: UInt64, isWrite: Bool, isPrivileged: Bool) -> Refusal? {
        guard isBound else { return .unboundPASID }
        let top = address >> 47
        guard top == 0 || top == 0x1FFFF else { return .nonCanonical }
        guard let page = page(of: address) else { return .pageFault }
        switch kinds[page] {
        case .absent: return .pageFault
        case .readOnly: return isWrite ? .pageFault : nil
        case .readWrite: return nil
        case .supervisorReadOnly: return isWrite || !isPrivileged ? .pageFault : nil
        case .supervisorReadWrite: return isPrivileged ? nil : .pageFault
        case .noMemory: return .noMemory
        }
    }

    /// The byte at `address`, which is accessible.
    func load(_ address: UInt64) -> UInt8 {
        guard let offset = offset(of: address) else { preconditionFailure("checked before") }
        return bytes[offset]
    }

    /// Puts `byte` at `address`, which is accessible.
    func store(_ byte: UInt8, at address: UInt64) {
        guard let offset = offset(of: address) else { preconditionFailure("checked before") }
        put(byte, atOffset: offset)
    }
}

// MARK: Set-up

extension OracleMemory {
    /// Puts `byte` at an offset of ``bytes``, whatever the page's permission.
    package func put(_ byte: UInt8, atOffset offset: Int) {
        journal.append(Store(offset: offset, old: bytes[offset]))
        bytes[offset] = byte
    }

    /// Puts `bytes` at `address`, as far as there are pages.
    package func put(_ bytes: [UInt8], at address: UInt64) {
        for (index, byte) in bytes.enumerated() {
            guard let offset = offset(of: address &+ UInt64(index)) else { continue }
            put(byte, atOffset: offset)
        }
    }

    /// The pages that the journal has stores in.
    package var touchedPages: [Int] {
        var isTouched = Array(repeating: false, count: pageCount)
        for entry in journal { isTouched[entry.offset / Self.pageByteCount] = true }
        return isTouched.indices.filter { isTouched[$0] }
    }

    /// The bytes of `range` that the journal has stores in, from its entry `start` on.
    package func storedOffsets(in range: Range<Int>, since start: Int) -> Set<Int> {
        Set(journal[start...].lazy.map(\.offset).filter(range.contains))
    }

    /// Gives every byte a new content and forgets the journal.
    package func fill(_ next: () -> UInt64) {
        for offset in stride(from: 0, to: bytes.count, by: 8) {
            let word = next()
            for index in 0..<8 { bytes[offset + index] = UInt8(truncatingIfNeeded: word >> UInt64(index * 8)) }
        }
        journal.removeAll(keepingCapacity: true)
    }

    /// Takes back what the journal holds, and forgets it.
    package func undo() {
        for entry in journal.reversed() { bytes[entry.offset] = entry.old }
        journal.removeAll(keepingCapacity: true)
    }
}
