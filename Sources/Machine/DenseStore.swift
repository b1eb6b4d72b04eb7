/// Elements by a small index that stays theirs while they live. Changed in place: no copy out and write back, also for
/// elements that cannot be copied.
///
/// An index is reused after ``remove(_:)``.
@safe
public struct DenseStore<Element: ~Copyable>: ~Copyable {
    /// Initialised where ``occupied`` says so.
    @usableFromInline var storage: UnsafeMutablePointer<Element>
    @usableFromInline var occupied: UnsafeMutablePointer<Bool>
    @usableFromInline var capacity: Int
    private var freeIndices: [Int] = []
    private var nextIndex = 0
    /// How many elements there are.
    public private(set) var count = 0

    /// An empty store.
    public init() {
        capacity = 8
        unsafe storage = .allocate(capacity: 8)
        unsafe occupied = .allocate(capacity: 8)
        unsafe occupied.initialize(repeating: false, count: 8)
    }

    deinit {
        for index in 0..<capacity where unsafe occupied[index] { unsafe (storage + index).deinitialize(count: 1) }
        unsafe storage.deallocate()
        unsafe occupied.deallocate()
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
        unsafe (storage + index).initialize(to: element)
        unsafe occupied[index] = true
        count += 1
        return index
    }

    private mutating func grow() {
        let largerStorage = UnsafeMutablePointer<Element>.allocate(capacity: capacity * 2)
        let largerOccupied = UnsafeMutablePointer<Bool>.allocate(capacity: capacity * 2)
        unsafe largerOccupied.initialize(repeating: false, count: capacity * 2)
        for index in 0..<capacity where unsafe occupied[index] {
            unsafe (largerStorage + index).moveInitialize(from: storage + index, count: 1)
            unsafe largerOccupied[index] = true
        }
        unsafe storage.deallocate()
        unsafe occupied.deallocate()
        unsafe storage = largerStorage
        unsafe occupied = largerOccupied
        capacity *= 2
    }

    /// Takes the element at `index` out.
    ///
    /// - Precondition: There is one.
    public mutating func remove(_ index: Int) -> Element {
        precondition(contains(index), "no element at this index")
        unsafe occupied[index] = false
        freeIndices.append(index)
        count -= 1
        return unsafe (storage + index).move()
    }

    /// Whether there is an element at `index`.
    @inlinable
    public func contains(_ index: Int) -> Bool {
        guard index >= 0, index < capacity else { return false }
        return unsafe occupied[index]
    }

    /// Every index that may hold an element; test with ``contains(_:)``.
    public var indices: Range<Int> { 0..<nextIndex }

    /// The element at `index`.
    ///
    /// - Precondition: There is one.
    @inlinable
    public subscript(index: Int) -> Element {
        @inlinable _read {
            precondition(contains(index), "no element at this index")
            yield unsafe storage[index]
        }
        @inlinable _modify {
            precondition(contains(index), "no element at this index")
            yield unsafe &storage[index]
        }
    }
}
