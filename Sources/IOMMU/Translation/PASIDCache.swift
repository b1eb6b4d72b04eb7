import PCIe

/// The PASID cache: what requests with a (requester, PASID) begin with, without reading four tables each time.
///
/// It holds what the tables said when they were read, until it is invalidated. What is not present or not valid is
/// never cached, so that a new entry needs no invalidation.
@safe
struct PASIDCache: ~Copyable {
    private static let setCount = 256
    private static let wayCount = 4

    /// Sets of ``wayCount`` entries, indexed by the PASID alone: all that a PASID-selective invalidation concerns is in
    /// one set. An entry with key 0 is empty.
    private let entries: UnsafeMutablePointer<CachedAddressSpace>
    /// The entry that was found last, which mostly is the next.
    private var recent: UnsafeMutablePointer<CachedAddressSpace>
    /// Entries of requests without PASID, whose set does not show their PASID.
    private var withoutPASIDCount = 0

    private static let empty = CachedAddressSpace(
        key: 0, domain: DomainID(rawValue: 0), pasid: HostPASID(truncating: 0), tag: TranslationTag(rawValue: 0),
        translation: .passThrough, takesSupervisorRequests: false, takesTranslationRequests: false,
        isRequesterPrivileged: false, writeProtect: false, setsSecondStageFlags: false, isRecordSuppressed: false)

    init() {
        unsafe entries = .allocate(capacity: Self.setCount * Self.wayCount)
        unsafe entries.initialize(repeating: Self.empty, count: Self.setCount * Self.wayCount)
        unsafe recent = unsafe entries
    }

    deinit {
        unsafe entries.deallocate()
    }

    /// The entry for a request, or `nil`.
    @inline(__always)
    mutating func find(_ key: UInt64) -> CachedAddressSpace? {
        if unsafe recent.pointee.key == key { return unsafe recent.pointee }
        return findInSet(key)
    }

    private mutating func findInSet(_ key: UInt64) -> CachedAddressSpace? {
        let first = unsafe firstEntry(ofSetFor: key)
        for way in 0..<Self.wayCount where unsafe first[way].key == key {
            unsafe recent = unsafe first + way
            return unsafe first[way]
        }
        return nil
    }

    /// Caches `space`, for which ``find(_:)`` found nothing; the oldest of its set goes.
    mutating func insert(_ space: CachedAddressSpace) {
        let first = unsafe firstEntry(ofSetFor: space.key)
        unsafe remove(first + Self.wayCount - 1)
        for way in (1..<Self.wayCount).reversed() { unsafe first[way] = unsafe first[way - 1] }
        unsafe first.pointee = space
        unsafe recent = unsafe first
        if CachedAddressSpace.isWithoutPASID(space.key) { withoutPASIDCount += 1 }
    }

    /// Forgets one PASID of a domain, under every requester.
    mutating func invalidate(_ domain: DomainID, _ pasid: HostPASID) {
        let isConcerned = { (space: CachedAddressSpace) in space.domain == domain && space.pasid == pasid }
        if withoutPASIDCount > 0 {
            removeAll(where: isConcerned)
        } else {
            let first = unsafe firstEntry(ofSetFor: UInt64(pasid.rawValue))
            for way in 0..<Self.wayCount where unsafe isConcerned(first[way]) { unsafe remove(first + way) }
        }
    }

    /// Forgets what depends on one requester's context entry.
    mutating func invalidate(_ requester: RequesterID) {
        removeAll { space in space.key >> 32 == UInt64(requester.rawValue) }
    }

    /// Forgets everything.
    mutating func invalidateAll() {
        removeAll { _ in true }
    }

    private mutating func removeAll(where isConcerned: (CachedAddressSpace) -> Bool) {
        for index in 0..<Self.setCount * Self.wayCount where unsafe isConcerned(entries[index]) {
            unsafe remove(entries + index)
        }
    }

    private mutating func remove(_ entry: UnsafeMutablePointer<CachedAddressSpace>) {
        guard unsafe entry.pointee.key != 0 else { return }
        if unsafe CachedAddressSpace.isWithoutPASID(entry.pointee.key) { withoutPASIDCount -= 1 }
        unsafe entry.pointee = Self.empty
    }

    @inline(__always)
    private func firstEntry(ofSetFor key: UInt64) -> UnsafeMutablePointer<CachedAddressSpace> {
        unsafe entries + Int(truncatingIfNeeded: key & UInt64(Self.setCount - 1)) * Self.wayCount
    }
}
