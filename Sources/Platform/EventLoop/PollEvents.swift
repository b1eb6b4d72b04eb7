internal import CPlatform

/// What a descriptor is watched for, and what happened to it. The bits are epoll's.
public struct PollEvents: OptionSet, Hashable, Sendable {
    /// The bits as `epoll_event.events` has them.
    public let rawValue: UInt32

    /// The events whose bits are 1.
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// Bytes to read, a connection to accept, a timer that expired (EPOLLIN).
    public static var readable: Self { Self(rawValue: EPOLLIN.rawValue) }

    /// Room to write (EPOLLOUT).
    public static var writable: Self { Self(rawValue: EPOLLOUT.rawValue) }

    /// The peer will send no more (EPOLLRDHUP). Bytes may still wait to be read.
    public static var peerFinished: Self { Self(rawValue: EPOLLRDHUP.rawValue) }

    /// Both directions are closed (EPOLLHUP). Reported unasked.
    public static var hangUp: Self { Self(rawValue: EPOLLHUP.rawValue) }

    /// The descriptor is in error (EPOLLERR). Reported unasked.
    public static var error: Self { Self(rawValue: EPOLLERR.rawValue) }

    /// Report a change once instead of a condition again and again (EPOLLET).
    public static var edgeTriggered: Self { Self(rawValue: EPOLLET.rawValue) }

    /// Report once, then stay silent until ``Poller/modify(_:events:token:)`` (EPOLLONESHOT).
    public static var oneShot: Self { Self(rawValue: EPOLLONESHOT.rawValue) }
}

/// One descriptor that something happened to.
public struct PollEvent: Hashable, Sendable {
    /// The number given when the descriptor was added.
    public let token: UInt64
    /// What happened.
    public let events: PollEvents

    /// An event, as if ``Poller`` had returned it.
    public init(token: UInt64, events: PollEvents) {
        self.token = token
        self.events = events
    }
}
