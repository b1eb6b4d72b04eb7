/// Bytes of a connection that are no complete request yet. Empty, and without memory, between requests.
@safe
struct InputBuffer: ~Copyable {
    private var base: UnsafeMutablePointer<UInt8>?
    private var capacity = 0
    private(set) var count = 0

    init() {}

    deinit {
        unsafe base?.deallocate()
    }

    var isEmpty: Bool { count == 0 }

    /// The bytes. Valid until the buffer changes.
    @unsafe var bytes: UnsafeBufferPointer<UInt8> {
        unsafe UnsafeBufferPointer(start: base, count: count)
    }

    /// Adds bytes at the end.
    mutating func append(_ bytes: UnsafeBufferPointer<UInt8>) {
        guard let source = bytes.baseAddress, bytes.count > 0 else { return }
        let needed = count + bytes.count
        if needed > capacity {
            let larger = max(needed, capacity * 2, 512)
            let moved = UnsafeMutablePointer<UInt8>.allocate(capacity: larger)
            if let base = unsafe base {
                unsafe moved.update(from: base, count: count)
                unsafe base.deallocate()
            }
            unsafe base = moved
            capacity = larger
        }
        unsafe base?.advanced(by: count).update(from: source, count: bytes.count)
        count = needed
    }

    /// Forgets the first `drop` bytes; gives the memory back when none is left.
    mutating func removeFirst(_ drop: Int) {
        guard drop > 0 else { return }
        count -= drop
        if count == 0 {
            unsafe base?.deallocate()
            unsafe base = nil
            capacity = 0
        } else if let base = unsafe base {
            unsafe base.update(from: base + drop, count: count)
        }
    }
}
