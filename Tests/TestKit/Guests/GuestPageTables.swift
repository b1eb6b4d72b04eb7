/// First-stage page tables as a guest kernel would write them: four levels, 4 KiB pages, each linear address equal to
/// the guest physical one.
package struct GuestPageTables {
    private static let pageByteCount: UInt64 = 4096
    private static let entryCount = 512
    /// Present, writable, user, accessed, dirty.
    private static let readWrite: UInt64 = 0x67
    private static let writable: UInt64 = 0x02

    /// Where the tables begin: the guest physical address of the top-level table.
    package let root: UInt64
    /// The tables, to be written at ``root``.
    package private(set) var bytes: [UInt8]

    /// Tables at `root` for `pageCount` pages from `base` on, which lie in one range of 2 MiB.
    package init(at root: UInt64, mapping base: UInt64, pageCount: Int) {
        let firstPage = Int(base / Self.pageByteCount) % Self.entryCount
        precondition(base % Self.pageByteCount == 0 && firstPage + pageCount <= Self.entryCount)
        self.root = root
        bytes = Array(repeating: 0, count: 4 * Int(Self.pageByteCount))
        for level in 0..<3 {
            let index = Int(base >> UInt64(39 - 9 * level)) % Self.entryCount
            set(level, index, to: root + UInt64(level + 1) * Self.pageByteCount | Self.readWrite)
        }
        for page in 0..<pageCount {
            set(3, firstPage + page, to: base + UInt64(page) * Self.pageByteCount | Self.readWrite)
        }
    }

    /// Bytes that the tables take.
    package static var byteCount: UInt64 { 4 * pageByteCount }

    /// Takes the page at `address` away from the guest process.
    package mutating func unmap(_ address: UInt64) {
        set(3, index(of: address), to: 0)
    }

    /// Lets the guest process only read the page at `address`.
    package mutating func makeReadOnly(_ address: UInt64) {
        set(3, index(of: address), to: (address & ~(Self.pageByteCount - 1)) | Self.readWrite & ~Self.writable)
    }

    private func index(of address: UInt64) -> Int { Int(address / Self.pageByteCount) % Self.entryCount }

    private mutating func set(_ table: Int, _ index: Int, to entry: UInt64) {
        let offset = table * Int(Self.pageByteCount) + index * 8
        for byte in 0..<8 { bytes[offset + byte] = UInt8(truncatingIfNeeded: entry >> UInt64(8 * byte)) }
    }
}
