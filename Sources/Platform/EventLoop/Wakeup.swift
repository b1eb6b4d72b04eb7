internal import CPlatform
internal import Glibc
internal import Synchronization

/// Wakes a thread that waits in a ``Poller``, from any thread (eventfd).
///
/// Signals between two calls of ``drain()`` cost one system call together. What a thread wrote before ``signal()`` is
/// visible to the thread whose ``drain()`` follows it.
public final class Wakeup: Sendable {
    /// Readable while a signal waits to be drained.
    public let descriptor: OwnedFD

    private let isPending = Atomic<Bool>(false)

    /// A wake-up that is not signalled.
    public init() throws(SystemError) {
        let number = platform_eventfd()
        guard number >= 0 else { throw .last("eventfd") }
        descriptor = OwnedFD(adopting: number)
    }

    /// Makes ``descriptor`` readable. Does not block.
    public func signal() {
        guard !isPending.exchange(true, ordering: .acquiringAndReleasing) else { return }
        var one: UInt64 = 1
        let written = unsafe write(descriptor.rawValue, &one, MemoryLayout<UInt64>.size)
        precondition(written == MemoryLayout<UInt64>.size, "an eventfd takes a write of 1 while it is not saturated")
    }

    /// Takes all signals so far. Call it before looking at what they announce.
    public func drain() {
        var count: UInt64 = 0
        _ = unsafe read(descriptor.rawValue, &count, MemoryLayout<UInt64>.size)
        // After the read: a signal in between finds the flag set and does not write, and the caller looks afterwards.
        _ = isPending.exchange(false, ordering: .acquiringAndReleasing)
    }
}
