internal import CPlatform
internal import Glibc

/// A file descriptor this value owns. Closed exactly once, when the value ends.
public struct OwnedFD: ~Copyable, Sendable {
    /// The number, for calls that borrow the descriptor. Whoever keeps it longer than this value must not use it.
    public let rawValue: CInt

    /// Takes over a descriptor that nobody else closes.
    public init(adopting rawValue: CInt) {
        precondition(rawValue >= 0, "a descriptor number is not negative")
        self.rawValue = rawValue
    }

    // After EINTR Linux has closed the descriptor all the same; repeating the call could close somebody else's.
    deinit { _ = close(rawValue) }

    /// Gives the descriptor away unclosed.
    public consuming func release() -> CInt {
        let number = rawValue
        discard self
        return number
    }

    /// A second descriptor for the same open file, closed on exec.
    public func duplicate() throws(SystemError) -> OwnedFD {
        let number = platform_duplicate(rawValue)
        guard number >= 0 else { throw .last("fcntl F_DUPFD_CLOEXEC") }
        return OwnedFD(adopting: number)
    }
}
