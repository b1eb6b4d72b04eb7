import PCIe

/// The IOTLB: final translations, each as a walk found it, until they are invalidated or displaced.
///
/// An entry is of one kind of access, read or write, user or supervisor, and only of an access that succeeded: a cached
/// write means that the dirty flag was set. Its page comes with the pages after it that the same walk went on to, as
/// long as they follow each other in host memory, so that a long buffer takes few entries.
///
/// Its size is fixed, and nothing on the way to a translation allocates.
@safe
struct TranslationCache: ~Copyable {
    /// How many translations it holds.
    static let capacity = 4096

    private static let setCount = capacity / 2

    /// 32 bytes: the two of a set share a line of the processor's cache.
    struct Entry: BitwiseCopyable {
        /// The 4 KiB page of the address in bits 63:12, and the kind of access; 0 is an empty entry.
        var key: UInt64
        var tag: TranslationTag
        /// Where ``key``'s page begins in host memory.
        var host: UInt64
        /// Bytes from the beginning of ``key``'s page, in bits 31:0, the page size as a power of two in bits 39:32,
        /// ``isFinal`` in bit 40.
        var extent: UInt64

        /// Bytes in a row from the beginning of ``key``'s page: at most a page of 1 GiB.
        @inline(__always) var byteCount: UInt64 { extent & 0xFFFF_FFFF }

        @inline(__always) var pageShift: UInt64 { extent >> 32 & 0xFF }

        /// A longer walk from here finds no more.
        @inline(__always) var isFinal: Bool { extent & 1 << 40 != 0 }
    }

    private let entries: UnsafeMutablePointer<Entry>
    /// How many entries have a domain whose low byte is the index: most invalidations concern none.
    private var counts = InlineArray<256, UInt16>(repeating: 0)

    init() {
        let storage = UnsafeMutableRawPointer.allocate(
            byteCount: Self.capacity * MemoryLayout<Entry>.stride, alignment: 64)
        unsafe entries = storage.initializeMemory(
            as: Entry.self, repeating: Entry(key: 0, tag: TranslationTag(rawValue: 0), host: 0, extent: 0),
            count: Self.capacity)
    }

    deinit {
        unsafe entries.deallocate()
    }

    /// What an access of this kind to `address` is found by.
    @inline(__always)
    static func key(_ address: UInt64, isWrite: Bool, isPrivileged: Bool) -> UInt64 {
        address & ~0xFFF | (isWrite ? 2 : 0) | (isPrivileged ? 4 : 0) | 1
    }

    /// The translation of the page that `key` names, or `nil`.
    @inline(__always)
    func find(_ key: UInt64, _ tag: TranslationTag) -> Entry? {
        let set = unsafe set(of: key, tag)
        let first = unsafe set[0]
        if first.key == key, first.tag == tag { return first }
        let second = unsafe set[1]
        if second.key == key, second.tag == tag { return second }
        return nil
    }

    /// Caches `run`, found for an access that `key` names. The older one of its set goes.
    mutating func insert(_ key: UInt64, _ tag: TranslationTag, _ run: PageRun, isFinal: Bool) {
        let byteCount = run.byteCount + run.host & 0xFFF
        let set = unsafe set(of: key, tag)
        // A longer run takes the place of the shorter one.
        let displaced = unsafe set[0].key == key && set[0].tag == tag ? set : set + 1
        unsafe remove(displaced)
        if unsafe displaced != set { unsafe set[1] = unsafe set[0] }
        unsafe set[0] = Entry(
            key: key, tag: tag, host: run.host & ~0xFFF,
            extent: byteCount | UInt64(run.pageShift) << 32 | (isFinal ? 1 << 40 : 0))
        counts[Self.countIndex(tag.domain)] += 1
    }

    @inline(__always)
    private func set(of key: UInt64, _ tag: TranslationTag) -> UnsafeMutablePointer<Entry> {
        // Two odd constants, 2^64 divided by the golden ratio and by e; the high bits of a product depend on all bits.
        let hash = (key ^ tag.rawValue &* 0x5E2D_58D8_B3BC_DF1B) &* 0x9E37_79B9_7F4A_7C15
        let index = Int(truncatingIfNeeded: hash >> UInt64(64 - Self.setCount.trailingZeroBitCount))
        return unsafe entries + index * 2
    }
}

// MARK: Invalidation

extension TranslationCache {
    /// Forgets the first-stage and nested translations of one PASID.
    mutating func invalidate(_ domain: DomainID, _ pasid: HostPASID) {
        removeAll(of: domain) { entry in Self.isBelowFirstStage(entry, of: pasid) }
    }

    /// Forgets those that the `byteCount` bytes from `address` touch. A large page goes as a whole.
    mutating func invalidate(_ domain: DomainID, _ pasid: HostPASID, _ address: LinearAddress, byteCount: UInt64) {
        guard let range = Self.range(from: address.rawValue, byteCount: byteCount) else { return }
        removeAll(of: domain) { entry in
            Self.isBelowFirstStage(entry, of: pasid) && Self.touches(entry, range)
        }
    }

    /// Forgets the second-stage and nested translations of a domain.
    mutating func invalidate(_ domain: DomainID) {
        removeAll(of: domain) { entry in entry.tag.stage != .first }
    }

    /// Forgets the second-stage translations that the `byteCount` bytes from `address` touch, and all nested ones of
    /// the domain: these do not say which guest physical pages they went through.
    mutating func invalidate(_ domain: DomainID, _ address: GuestPhysicalAddress, byteCount: UInt64) {
        guard let range = Self.range(from: address.rawValue, byteCount: byteCount) else { return }
        removeAll(of: domain) { entry in
            entry.tag.stage == .nested || entry.tag.stage == .second && Self.touches(entry, range)
        }
    }

    /// Forgets everything.
    mutating func invalidateAll() {
        for index in 0..<Self.capacity { unsafe remove(entries + index) }
    }

    private static func isBelowFirstStage(_ entry: Entry, of pasid: HostPASID) -> Bool {
        entry.tag.stage != .second && entry.tag.pasid == pasid
    }

    private static func range(from address: UInt64, byteCount: UInt64) -> ClosedRange<UInt64>? {
        guard byteCount > 0 else { return nil }
        let (last, isBeyond) = address.addingReportingOverflow(byteCount - 1)
        return address...(isBeyond ? .max : last)
    }

    private static func touches(_ entry: Entry, _ range: ClosedRange<UInt64>) -> Bool {
        let pageMask: UInt64 = 1 << entry.pageShift - 1
        let start = entry.key & ~0xFFF
        let last = max(start &+ (entry.byteCount &- 1), start | pageMask)
        return range.lowerBound <= last && range.upperBound >= start & ~pageMask
    }

    private mutating func removeAll(of domain: DomainID, where isConcerned: (Entry) -> Bool) {
        var left = counts[Self.countIndex(domain)]
        var index = 0
        while left > 0, index < Self.capacity {
            let entry = unsafe entries[index]
            if entry.key != 0 {
                if Self.countIndex(entry.tag.domain) == Self.countIndex(domain) { left -= 1 }
                if entry.tag.domain == domain, isConcerned(entry) { unsafe remove(entries + index) }
            }
            index += 1
        }
    }

    private mutating func remove(_ entry: UnsafeMutablePointer<Entry>) {
        guard unsafe entry.pointee.key != 0 else { return }
        unsafe counts[Self.countIndex(entry.pointee.tag.domain)] -= 1
        unsafe entry.pointee.key = 0
    }

    private static func countIndex(_ domain: DomainID) -> Int { Int(domain.rawValue & 0xFF) }
}
