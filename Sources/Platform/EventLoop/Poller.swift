internal import CPlatform
internal import Glibc

/// How long ``Poller/wait(into:timeout:)`` waits when nothing happens.
public enum PollTimeout: Hashable, Sendable {
    /// Not at all.
    case immediate
    /// For ever.
    case never
    /// At most so long.
    case milliseconds(UInt32)
}

/// An epoll instance: which of many descriptors needs attention.
///
/// A descriptor must be removed before it is closed while a duplicate of it lives; otherwise closing removes it.
public struct Poller: ~Copyable, Sendable {
    private let descriptor: OwnedFD

    /// An instance that watches nothing.
    public init() throws(SystemError) {
        let number = platform_epoll()
        guard number >= 0 else { throw .last("epoll_create1") }
        descriptor = OwnedFD(adopting: number)
    }

    /// Watches a descriptor. EEXIST when it is watched already, EPERM when its kind cannot be.
    public func add(_ watched: borrowing OwnedFD, events: PollEvents, token: UInt64) throws(SystemError) {
        try control(EPOLL_CTL_ADD, watched.rawValue, events, token)
    }

    /// Replaces what a descriptor is watched for. ENOENT when it is not watched.
    public func modify(_ watched: borrowing OwnedFD, events: PollEvents, token: UInt64) throws(SystemError) {
        try control(EPOLL_CTL_MOD, watched.rawValue, events, token)
    }

    /// Stops watching a descriptor. Events that a buffer already holds stay there.
    public func remove(_ watched: borrowing OwnedFD) throws(SystemError) {
        try control(EPOLL_CTL_DEL, watched.rawValue, [], 0)
    }

    /// Waits until something happens or the time is up, and fills `buffer`. A signal ends the wait with no events.
    public func wait(into buffer: inout PollEventBuffer, timeout: PollTimeout) throws(SystemError) {
        let count = unsafe epoll_wait(
            descriptor.rawValue, buffer.storage.baseAddress, CInt(buffer.storage.count), timeout.epollMilliseconds)
        guard count >= 0 else {
            buffer.count = 0
            guard errno == EINTR else { throw .last("epoll_wait") }
            return
        }
        buffer.count = Int(count)
    }

    private func control(_ operation: CInt, _ number: CInt, _ events: PollEvents, _ token: UInt64) throws(SystemError) {
        guard platform_epoll_control(descriptor.rawValue, operation, number, events.rawValue, token) == 0 else {
            throw .last("epoll_ctl")
        }
    }
}

extension PollTimeout {
    /// The argument of epoll_wait, which ends at 24 days.
    fileprivate var epollMilliseconds: CInt {
        switch self {
        case .immediate: 0
        case .never: -1
        case .milliseconds(let count): CInt(clamping: count)
        }
    }
}
