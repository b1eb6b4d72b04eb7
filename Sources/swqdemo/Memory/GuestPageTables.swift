/// Page tables that a guest keeps for its program, in guest memory: four levels, 4 KiB pages (virtualization §6.2).
@safe
struct GuestPageTables: ~Copyable {
    private static let pageByteCount = 4096
    /// Present, writable, user.
    private static let flags: UInt64 = 0b111
    private static let addressMask: UInt64 = 0x000F_FFFF_FFFF_F000

    /// All of guest memory, as it is mapped here.
    private let memory: UnsafeMutableRawBufferPointer
    /// The guest physical address of its first byte.
    private let base: UInt64
    /// Bytes at the start of guest memory that tables take.
    private var usedByteCount = pageByteCount
    private let byteCountMax: Int

    /// Tables that map nothing, in the first `byteCountMax` bytes of zeroed guest memory, which the caller keeps.
    init(memory: UnsafeMutableRawBufferPointer, base: UInt64, byteCountMax: Int) {
        unsafe self.memory = memory
        self.base = base
        self.byteCountMax = byteCountMax
    }

    /// The guest physical address of the top-level table.
    var root: UInt64 { base }

    /// Maps the page at a linear address to one at a guest physical address.
    mutating func map(_ linear: UInt64, to physical: UInt64) throws(DemoError) {
        var table = root
        for shift in [39, 30, 21] as [UInt64] {
            let entry = entryOffset(of: linear, shift: shift, in: table)
            if load(entry) == 0 { store(try newTable() | Self.flags, entry) }
            table = load(entry) & Self.addressMask
        }
        store(physical | Self.flags, entryOffset(of: linear, shift: 12, in: table))
    }

    private mutating func newTable() throws(DemoError) -> UInt64 {
        try DemoError.require(usedByteCount + Self.pageByteCount <= byteCountMax, "no room for a guest page table")
        defer { usedByteCount += Self.pageByteCount }
        return base + UInt64(usedByteCount)
    }

    private func entryOffset(of linear: UInt64, shift: UInt64, in table: UInt64) -> Int {
        Int(table - base) + Int(linear >> shift & 0x1FF) * 8
    }

    private func load(_ offset: Int) -> UInt64 {
        unsafe UInt64(littleEndian: memory.load(fromByteOffset: offset, as: UInt64.self))
    }

    private func store(_ entry: UInt64, _ offset: Int) {
        unsafe memory.storeBytes(of: entry.littleEndian, toByteOffset: offset, as: UInt64.self)
    }
}
