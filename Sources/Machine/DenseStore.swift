/// Elements by a small index that stays theirs while they live. Changed in place: no copy out and write back, also for
/// elements that cannot be copied.
///
/// An index is reused after ``remove(_:)``.
@safe
public struct DenseStore<Element: ~Copyable>: ~Copyable {
    @usableFromInline var storage: UnsafeMutablePointer<Element?>
    @usableFromInline var capacity: Int
    private var freeIndices: [Int] = []
    private var nextIndex = 0
    public private(set) var count = 0

    public init() {
        capacity = 8
        unsafe storage = .allocate(capacity: 8)
        for index in 0..<8 { unsafe (storage + index).initialize(to: nil) }
    }

    deinit {
        unsafe storage.deinitialize(count: capacity)
        unsafe storage.deallocate()
    }

    /// Stores `element` and returns its index.
    public mutating func insert(_ element: consuming Element) -> Int {
        let index: Int
        if let reused = freeIndices.popLast() {
            index = reused
        } else {
            if nextIndex == capacity { grow() }
            index = nextIndex
            nextIndex += 1
        }
        unsafe storage[index] = consume element
        count += 1
        return index
    }

    private mutating func grow() {
        let larger = UnsafeMutablePointer<Element?>.allocate(capacity: capacity * 2)
        unsafe larger.moveInitialize(from: storage, count: capacity)
        for index in capacity..<capacity * 2 { unsafe (larger + index).initialize(to: nil) }
        unsafe storage.deallocate()
        unsafe storage = larger
        capacity *= 2
    }

    /// Takes the element at `index` out.
    ///
    /// - Precondition: There is one.
    public mutating func remove(_ index: Int) -> Element {
        precondition(contains(index), "no element at this index")
        let element = unsafe storage[index].take()!
        freeIndices.append(index)
        count -= 1
        return element
    }

    /// Whether there is an element at `index`.
    public func contains(_ index: Int) -> Bool {
        guard index >= 0, index < nextIndex else { return false }
        return unsafe storage[index] != nil
    }

    /// Every index that may hold an element; test with ``contains(_:)``.
    public var indices: Range<Int> { 0..<nextIndex }

    /// The element at `index`.
    ///
    /// - Precondition: There is one.
    @inlinable
    public subscript(index: Int) -> Element {
        @inlinable _read {
            precondition(index >= 0 && index < capacity)
            yield unsafe storage[index]!
        }
        @inlinable _modify {
            precondition(index >= 0 && index < capacity)
            yield unsafe &storage[index]!
        }
    }
}
