/// Page tables that a guest keeps for one of its processes: four levels, 4 KiB pages, linear addresses equal to guest
/// physical ones.
struct GuestPageTables {
    /// Where guest memory begins, so that a page directory covers it from its first entry: 1 GiB.
    static let base: UInt64 = 1 << 30

    private static let pageByteCount = 4096
    private static let tableEntryCount = 512
    /// Present, writable, user, accessed, dirty.
    private static let flags: UInt64 = 0x67

    /// Tables for `byteCount` bytes of guest memory, at most 1 GiB.
    private let leafCount: Int
    private let pageCount: Int

    init(byteCount: Int) {
        precondition(byteCount > 0 && byteCount <= 1 << 30 && byteCount % Self.pageByteCount == 0)
        pageCount = byteCount / Self.pageByteCount
        leafCount = (pageCount + Self.tableEntryCount - 1) / Self.tableEntryCount
    }

    /// Bytes that the tables take at the start of guest memory.
    var byteCount: Int { (3 + leafCount) * Self.pageByteCount }

    /// The guest physical address of the top-level table.
    var root: UInt64 { Self.base }

    /// Writes the tables to `memory`, all of the guest's memory as it is mapped here.
    func write(to memory: UnsafeMutableRawBufferPointer) {
        // A page each: PML4, PDPT, PD, then the leaves.
        unsafe set(0, 0, to: 1, in: memory)
        unsafe set(1, Int(Self.base >> 30), to: 2, in: memory)
        for leaf in 0..<leafCount { unsafe set(2, leaf, to: 3 + leaf, in: memory) }
        for page in 0..<pageCount {
            unsafe set(3 + page / Self.tableEntryCount, page % Self.tableEntryCount, to: page, in: memory)
        }
    }

    private func set(_ table: Int, _ index: Int, to page: Int, in memory: UnsafeMutableRawBufferPointer) {
        let entry = (Self.base + UInt64(page * Self.pageByteCount)) | Self.flags
        let offset = table * Self.pageByteCount + index * 8
        unsafe memory.storeBytes(of: entry.littleEndian, toByteOffset: offset, as: UInt64.self)
    }

    /// Present, writable, user, accessed, dirty, page size.
    private static let largePageFlags: UInt64 = 0xE7

    /// Maps whole gibibytes from `address` on to the 2 MiB at offset `page` of guest memory, again and again. A table
    /// and one more for each gibibyte go to offset `first`.
    func link(
        gibibytes: Int, from address: UInt64, toPageAt page: Int, tablesAt first: Int,
        in memory: UnsafeMutableRawBufferPointer
    ) {
        let table = first / Self.pageByteCount
        unsafe set(0, Int(address >> 39) % Self.tableEntryCount, to: table, in: memory)
        let entry = (Self.base + UInt64(page)) | Self.largePageFlags
        for gibibyte in 0..<gibibytes {
            let index = Int(address >> 30) % Self.tableEntryCount + gibibyte
            unsafe set(table, index, to: table + 1 + gibibyte, in: memory)
            for slot in 0..<Self.tableEntryCount {
                let offset = (table + 1 + gibibyte) * Self.pageByteCount + slot * 8
                unsafe memory.storeBytes(of: entry.littleEndian, toByteOffset: offset, as: UInt64.self)
            }
        }
    }
}
