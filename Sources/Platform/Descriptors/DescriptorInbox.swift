internal import CPlatform

/// The descriptors that came with the bytes of one connection (SCM_RIGHTS) and that nobody has claimed yet.
///
/// It holds at most ``limit``; the kernel closes those that do not fit before this process ever owns them, and
/// ``tookExcess`` remembers it. Whatever is left when the inbox ends is closed. Descriptors arrive with the first byte
/// of the message that carries them, and one read never goes beyond the end of such a message.
public struct DescriptorInbox: ~Copyable, Sendable {
    /// The most that any inbox holds.
    public static let limitMax = 8

    private var numbers = InlineArray<8, CInt>(repeating: -1)

    /// How many are waiting.
    public private(set) var count = 0

    /// How many this inbox holds, 0 ... ``limitMax``. With 0 every descriptor that arrives is closed.
    public let limit: Int

    /// Whether descriptors arrived that did not fit (MSG_CTRUNC) since the last ``removeAll()``.
    public private(set) var tookExcess = false

    /// An empty inbox.
    public init(limit: Int) {
        precondition((0...Self.limitMax).contains(limit), "an inbox holds 0 to 8 descriptors")
        self.limit = limit
    }

    deinit {
        for index in 0..<count { _ = OwnedFD(adopting: numbers[index]) }
    }

    /// The descriptor that has waited longest, or `nil` when none waits.
    public mutating func takeFirst() -> OwnedFD? {
        guard count > 0 else { return nil }
        let first = OwnedFD(adopting: numbers[0])
        count -= 1
        for index in 0..<count { numbers[index] = numbers[index + 1] }
        return first
    }

    /// Closes whatever nobody claimed, and forgets ``tookExcess``.
    public mutating func removeAll() {
        for index in 0..<count { _ = OwnedFD(adopting: numbers[index]) }
        count = 0
        tookExcess = false
    }

    /// recvmsg into `buffer`, with the free places for the descriptors.
    mutating func receive(from descriptor: CInt, into buffer: UnsafeMutableRawBufferPointer) -> Int {
        let taken = count
        let room = limit - count
        var installed = 0
        var truncated = false
        var span = numbers.mutableSpan
        let received = unsafe span.withUnsafeMutableBufferPointer { places in
            unsafe platform_receive(
                descriptor, buffer.baseAddress, buffer.count, places.baseAddress.map { unsafe $0 + taken }, room,
                &installed, &truncated)
        }
        count += installed
        tookExcess = tookExcess || truncated
        return received
    }
}
