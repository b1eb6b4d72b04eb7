/// Bytes on their way to a client: replies and events are written at the back, the socket takes them from the front.
///
/// It keeps its memory, so that a connection that has answered once answers again without allocating. The memory is
/// this value's own and every access is bounded by `start`, `finish` and `capacity`.
@safe
public struct OutputBuffer: ~Copyable {
    /// Offset of the first byte that has not been taken.
    private var start = 0

    /// Offset behind the last byte.
    private var finish = 0

    private var capacity: Int
    private var base: UnsafeMutableRawPointer

    /// A buffer with room for `capacity` bytes before it first grows. At least 64.
    public init(capacity: Int = 1024) {
        self.capacity = max(capacity, 64)
        unsafe base = .allocate(byteCount: self.capacity, alignment: 16)
    }

    deinit {
        unsafe base.deallocate()
    }

    /// Bytes that wait.
    public var count: Int { finish - start }

    /// Nothing waits.
    public var isEmpty: Bool { finish == start }

    /// Calls `body` with the bytes that wait, for one write of a whole burst.
    public borrowing func withBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try unsafe body(UnsafeRawBufferPointer(start: base + start, count: count))
    }

    /// Forgets the first `count` bytes: the socket took them.
    public mutating func removeFirst(_ count: Int) {
        precondition(count >= 0 && count <= self.count, "more bytes taken than waited")
        start += count
        if start == finish {
            start = 0
            finish = 0
        }
    }

    /// Gives back the memory of a burst: afterwards the buffer has room for `capacity` bytes or what waits.
    public mutating func shrink(to capacity: Int = 1024) {
        let wanted = max(capacity, count, 64)
        if wanted < self.capacity { move(toCapacity: wanted) }
    }

    /// Adds a text of ours.
    public mutating func append(_ text: StaticString) {
        var room = unsafe reserve(text.utf8CodeUnitCount)
        unsafe Self.copy(text, to: &room)
        finish = unsafe room - base
    }

    /// Adds two texts of ours.
    @inline(__always)
    public mutating func append(_ first: StaticString, _ second: StaticString) {
        var room = unsafe reserve(first.utf8CodeUnitCount + second.utf8CodeUnitCount)
        unsafe Self.copy(first, to: &room)
        unsafe Self.copy(second, to: &room)
        finish = unsafe room - base
    }

    /// Adds texts of ours around and before bytes, with one check of the room.
    @inline(__always)
    public mutating func append(
        _ first: StaticString, _ second: StaticString, _ bytes: Span<UInt8>, _ last: StaticString
    ) {
        let texts = first.utf8CodeUnitCount + second.utf8CodeUnitCount + last.utf8CodeUnitCount
        var room = unsafe reserve(texts + bytes.count)
        unsafe Self.copy(first, to: &room)
        unsafe Self.copy(second, to: &room)
        // Ids are a few bytes long: a loop is faster than the call of memcpy.
        for index in bytes.indices {
            unsafe room.storeBytes(of: bytes[index], as: UInt8.self)
            unsafe room += 1
        }
        unsafe Self.copy(last, to: &room)
        finish = unsafe room - base
    }

    /// Adds bytes.
    public mutating func append(_ bytes: Span<UInt8>) {
        let room = unsafe reserve(bytes.count)
        unsafe bytes.withUnsafeBytes { source in
            if let first = source.baseAddress { unsafe room.copyMemory(from: first, byteCount: source.count) }
        }
        finish += bytes.count
    }

    /// Adds a text.
    public mutating func append(text: String) {
        append(Array(text.utf8).span)
    }

    @inline(__always)
    private static func copy(_ text: StaticString, to room: inout UnsafeMutableRawPointer) {
        unsafe room.copyMemory(from: text.utf8Start, byteCount: text.utf8CodeUnitCount)
        unsafe room += text.utf8CodeUnitCount
    }

    /// The place behind the last byte, with room for `count` bytes.
    @inline(__always)
    private mutating func reserve(_ count: Int) -> UnsafeMutableRawPointer {
        if capacity - finish < count { grow(by: count) }
        return unsafe base + finish
    }

    /// Kept out of line: it runs a few times in the life of a connection.
    @inline(never)
    private mutating func grow(by count: Int) {
        let needed = self.count + count
        move(toCapacity: needed <= capacity / 2 ? capacity : max(needed, capacity * 2))
    }

    private mutating func move(toCapacity newCapacity: Int) {
        let count = self.count
        let moved = UnsafeMutableRawPointer.allocate(byteCount: newCapacity, alignment: 16)
        unsafe moved.copyMemory(from: base + start, byteCount: count)
        unsafe base.deallocate()
        unsafe base = moved
        capacity = newCapacity
        start = 0
        finish = count
    }
}
