internal import Glibc

/// The number of a process, in this process's PID namespace. Positive. Numbers are used again: to hold on to a process,
/// use a ``ProcessHandle``.
public struct ProcessID: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    /// The number, at least 1.
    public let rawValue: Int32

    /// `nil` when `rawValue` is not positive: 0 stands for "the kernel" or "in a namespace you cannot see".
    public init?(rawValue: Int32) {
        guard rawValue > 0 else { return nil }
        self.rawValue = rawValue
    }

    /// This process.
    public static var current: ProcessID {
        guard let own = ProcessID(rawValue: getpid()) else { preconditionFailure("getpid is positive") }
        return own
    }

    /// The number in decimal.
    public var description: String { String(rawValue) }
}

/// A user, in this process's user namespace.
public struct UserID: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    /// The number; 0 is the superuser.
    public let rawValue: UInt32

    /// The user of this number, whether or not it has an account.
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// The user whose rights this process has.
    public static var current: UserID { UserID(rawValue: geteuid()) }

    /// The number in decimal.
    public var description: String { String(rawValue) }
}

/// A group, in this process's user namespace.
public struct GroupID: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    /// The number; 0 is the superuser's group.
    public let rawValue: UInt32

    /// The group of this number, whether or not it has an entry.
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// The number in decimal.
    public var description: String { String(rawValue) }
}
