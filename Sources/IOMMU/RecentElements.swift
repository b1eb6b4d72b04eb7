/// The last elements of a sequence that only grows, and how many there were.
///
/// Bounded: the newest element replaces the oldest. Takes no memory before the first.
public struct RecentElements<Element: Sendable>: Sendable {
    /// How many elements are kept.
    public let capacity: Int

    private var ring: [Element] = []

    /// Elements appended since the start, those no longer kept included.
    public private(set) var totalCount: UInt64 = 0

    /// Keeps `capacity` elements, at least 1.
    public init(capacity: Int) {
        self.capacity = capacity
    }

    /// Adds the newest element.
    public mutating func append(_ element: Element) {
        if ring.count < capacity {
            ring.append(element)
        } else {
            ring[Int(totalCount % UInt64(capacity))] = element
        }
        totalCount += 1
    }

    /// The kept elements, oldest first.
    public var elements: [Element] { last(UInt64(capacity)) }

    /// The kept ones of the newest `count` elements, oldest first.
    public func last(_ count: UInt64) -> [Element] {
        let oldest = ring.count < capacity ? 0 : Int(totalCount % UInt64(capacity))
        let wanted = Int(min(count, UInt64(ring.count)))
        return (ring.count - wanted..<ring.count).map { ring[(oldest + $0) % ring.count] }
    }
}
