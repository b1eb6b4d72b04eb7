/// A fixed number of elements at a fixed place, changed there: no uniqueness check and no copy on the submission path.
///
/// A view without ownership: the ``Device`` that made it gives the memory back and lets no copy outlive it.
@safe
public struct FixedStore<Element: Sendable>: RandomAccessCollection, @unchecked Sendable {
    // @unchecked: the device that owns the memory has one owner, which hands no element to another thread.

    @usableFromInline let base: UnsafeMutablePointer<Element>
    /// How many elements there are.
    public let count: Int

    init(repeating element: Element, count: Int) {
        unsafe base = .allocate(capacity: count)
        unsafe base.initialize(repeating: element, count: count)
        self.count = count
    }

    func deallocate() {
        unsafe base.deinitialize(count: count)
        unsafe base.deallocate()
    }

    /// 0.
    public var startIndex: Int { 0 }

    /// ``count``.
    public var endIndex: Int { count }

    /// The element at `index`, 0 to ``count`` - 1.
    public internal(set) subscript(index: Int) -> Element {
        @inline(__always) _read {
            precondition(index >= 0 && index < count, "no element at this index")
            yield unsafe base[index]
        }
        @inline(__always) _modify {
            precondition(index >= 0 && index < count, "no element at this index")
            yield unsafe &base[index]
        }
    }
}
