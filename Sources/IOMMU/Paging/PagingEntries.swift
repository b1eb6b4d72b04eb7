/// What first-stage and second-stage entries have in common.
///
/// A table is 512 entries of 8 bytes in one 4 KiB page. `shift` is the bit of the address where a table's index
/// begins, and the size of what one of its entries covers: 12, 21, 30, 39 and, with five levels, 48.
enum PagingEntry {
    static let entryCount: UInt64 = 512
    static let pageShift: UInt64 = 12
    static let bitsPerLevel: UInt64 = 9

    /// The highest table whose entry may be a page: 1 GiB.
    static let largestPageShift: UInt64 = 30

    /// PS, bit 7: the entry of a table above the lowest is a page, not a pointer.
    static let largePage: UInt64 = 1 << 7

    /// Bits 51:12.
    static let address: UInt64 = 0x000F_FFFF_FFFF_F000

    /// Where the entry for `address` lies in `table`.
    @inline(__always)
    static func location(in table: UInt64, of address: UInt64, shift: UInt64) -> UInt64 {
        table &+ (address &>> shift & (entryCount - 1)) &* 8
    }

    /// Whether the entry of a table at `shift` is a page.
    @inline(__always)
    static func isPage(_ entry: UInt64, shift: UInt64) -> Bool {
        shift == pageShift || entry & largePage != 0
    }

    /// Whether the page size flag is set where no page that large exists, or a large page is misaligned.
    ///
    /// - Parameter flags: The low bits of a large page's entry that are not part of its address.
    @inline(__always)
    static func hasReservedAddressBits(_ entry: UInt64, shift: UInt64, flags: UInt64) -> Bool {
        guard shift > pageShift, entry & largePage != 0 else { return false }
        guard shift <= largestPageShift else { return true }
        return entry & (1 &<< shift &- 1) & ~flags != 0
    }

    /// The first address of the page that `entry` of a table at `shift` maps.
    @inline(__always)
    static func page(_ entry: UInt64, shift: UInt64) -> UInt64 {
        entry & address & ~(1 &<< shift &- 1)
    }
}

/// An entry of a first-stage table at any level: the format of the processor's own page tables.
public struct FirstStageEntry: RawRepresentable, Equatable, Sendable, BitwiseCopyable {
    /// P, bit 0.
    public static let present: UInt64 = 1 << 0
    /// R/W, bit 1.
    public static let writable: UInt64 = 1 << 1
    /// U/S, bit 2.
    public static let user: UInt64 = 1 << 2
    /// A, bit 5: set by whoever walks through the entry.
    public static let accessed: UInt64 = 1 << 5
    /// D, bit 6 of a page's entry: set by whoever writes to the page.
    public static let dirty: UInt64 = 1 << 6

    /// The 64 bits of the entry.
    public let rawValue: UInt64

    /// The entry of these 64 bits, valid or not.
    @inline(__always)
    public init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// Whether P is set; all else in the entry has meaning only then.
    public var isPresent: Bool { rawValue & Self.present != 0 }

    /// What a table at `shift` may not hold in a present entry. Bit 12 of a large page is its memory type (PAT).
    @inline(__always)
    func hasReservedBits(shift: UInt64) -> Bool {
        PagingEntry.hasReservedAddressBits(rawValue, shift: shift, flags: 0x1FFF)
    }
}

/// An entry of a second-stage table at any level.
public struct SecondStageEntry: RawRepresentable, Equatable, Sendable, BitwiseCopyable {
    /// R, bit 0.
    public static let readable: UInt64 = 1 << 0
    /// W, bit 1.
    public static let writable: UInt64 = 1 << 1
    /// A, bit 8: set by whoever walks through the entry, where that is enabled.
    public static let accessed: UInt64 = 1 << 8
    /// D, bit 9 of a page's entry: set by whoever writes to the page, where that is enabled.
    public static let dirty: UInt64 = 1 << 9
    /// ``accessed`` and ``dirty`` in the entry's second byte.
    static let accessedInSecondByte: UInt8 = 1 << 0
    static let dirtyInSecondByte: UInt8 = 1 << 1
    /// Bit 62.
    static let reserved: UInt64 = 1 << 62

    /// The 64 bits of the entry.
    public let rawValue: UInt64

    /// The entry of these 64 bits, valid or not.
    @inline(__always)
    public init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// An entry with neither R nor W maps nothing.
    public var isPresent: Bool { rawValue & (Self.readable | Self.writable) != 0 }

    /// What a table at `shift` may not hold in a present entry.
    @inline(__always)
    func hasReservedBits(shift: UInt64) -> Bool {
        rawValue & Self.reserved != 0 || PagingEntry.hasReservedAddressBits(rawValue, shift: shift, flags: 0xFFF)
    }
}
