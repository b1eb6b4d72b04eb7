public import PCIe

/// The page request queue: a ring in memory that the unit fills and software empties (virtualization §6.5).
public struct PageRequestQueue: Sendable {
    /// Requests in the ring, one of which stays empty.
    public static let capacity = 128
    private static let entryByteCount: UInt64 = 32

    /// PQA: the ring, one page.
    public let base: HostPhysicalAddress
    /// PQH: the index of the request that software takes next.
    public internal(set) var head = 0
    /// PQT: the index where the unit puts the next one.
    public internal(set) var tail = 0
    /// PRO: a request came when the queue was full. Until software clears it every request is answered by the unit.
    public internal(set) var hasOverflowed = false

    init(base: HostPhysicalAddress) {
        self.base = base
    }

    var isFull: Bool { (tail + 1) % Self.capacity == head }

    /// Where entry `index` lies.
    public func location(of index: Int) -> HostPhysicalAddress {
        base.advanced(by: UInt64(index) * Self.entryByteCount)
    }
}

/// What became of a page request that reached the unit.
public enum PageRequestReceipt: Equatable, Sendable {
    /// It is in the queue.
    case queued
    /// The unit has answered it itself: there is no room, or the requester may not ask.
    case answered(PageResponseCode)
    /// The same, of a request that is not the last of its group: a group has one answer.
    case dropped
}

extension IOMMU {
    /// Takes a page request of a device into the queue, or answers it.
    public mutating func receive(_ request: PageRequest) -> PageRequestReceipt {
        guard contextEntry(of: request.requester)?.takesPageRequests == true else {
            record(
                TranslationRequest(
                    requester: request.requester, pasid: request.pasid, address: request.address,
                    isWrite: request.isWrite, isPrivileged: request.isPrivileged),
                reason: .pageRequestsNotEnabled)
            return request.isLastInGroup ? .answered(.invalidRequest) : .dropped
        }
        if pageRequestQueue.isFull { pageRequestQueue.hasOverflowed = true }
        guard !pageRequestQueue.hasOverflowed else {
            return request.isLastInGroup ? .answered(.invalidRequest) : .dropped
        }
        let location = pageRequestQueue.location(of: pageRequestQueue.tail)
        let words = request.words
        for index in words.indices {
            memory.store64(words[index], at: location.advanced(by: UInt64(index) * 8))
        }
        pageRequestQueue.tail = (pageRequestQueue.tail + 1) % PageRequestQueue.capacity
        return .queued
    }

    /// Takes the oldest request out of the queue.
    public mutating func takePageRequest() -> PageRequest? {
        guard pageRequestQueue.head != pageRequestQueue.tail else { return nil }
        let location = pageRequestQueue.location(of: pageRequestQueue.head)
        pageRequestQueue.head = (pageRequestQueue.head + 1) % PageRequestQueue.capacity
        return PageRequest(
            words: InlineArray<4, UInt64> { index in
                Self.word(at: location.advanced(by: UInt64(index) * 8), in: memory)
            })
    }

    /// Clears the overflow flag: requests are queued again.
    public mutating func clearPageRequestOverflow() {
        pageRequestQueue.hasOverflowed = false
    }
}

extension PageRequest {
    /// The entry in the queue: type 1 in bits 7:0, PASID present in bit 8, requester in bits 31:16, PASID in bits
    /// 51:32, privileged in bit 53; in the second word R, W, last in group, the group's index in bits 11:3, the page.
    var words: InlineArray<4, UInt64> {
        let space = pasid.map { UInt64($0.rawValue) << 32 | 1 << 8 } ?? 0
        let first = 1 | UInt64(requester.rawValue) << 16 | space | (isPrivileged ? 1 << 53 : 0)
        let second =
            address.rawValue | UInt64(group.rawValue) << 3 | (isLastInGroup ? 1 << 2 : 0)
            | (isWrite ? 1 << 1 : 1)
        return [first, second, 0, 0]
    }

    init(words: InlineArray<4, UInt64>) {
        self.init(
            requester: RequesterID(rawValue: UInt16(truncatingIfNeeded: words[0] >> 16)),
            pasid: words[0] & 1 << 8 == 0
                ? nil : HostPASID(truncating: UInt32(truncatingIfNeeded: words[0] >> 32)),
            address: LinearAddress(rawValue: words[1] & ~0xFFF), isWrite: words[1] & 1 << 1 != 0,
            isPrivileged: words[0] & 1 << 53 != 0,
            group: PageRequestGroup(truncating: Int(truncatingIfNeeded: words[1] >> 3 & 0x1FF)))
        isLastInGroup = words[1] & 1 << 2 != 0
    }
}
