internal import Glibc

/// The number of a process, in this process's PID namespace. Positive. Numbers are used again: to hold on to a process,
/// use a ``ProcessHandle``.
package struct ProcessID: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    package let rawValue: Int32

    /// `nil` when `rawValue` is not positive: 0 stands for "the kernel" or "in a namespace you cannot see".
    package init?(rawValue: Int32) {
        guard rawValue > 0 else { return nil }
        self.rawValue = rawValue
    }

    /// This process.
    package static var current: ProcessID {
        guard let own = ProcessID(rawValue: getpid()) else { preconditionFailure("getpid is positive") }
        return own
    }

    package var description: String { String(rawValue) }
}

/// A user, in this process's user namespace.
package struct UserID: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    package let rawValue: UInt32

    package init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// The user whose rights this process has.
    package static var current: UserID { UserID(rawValue: geteuid()) }

    package var description: String { String(rawValue) }
}

/// A group, in this process's user namespace.
package struct GroupID: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    package let rawValue: UInt32

    package init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    package var description: String { String(rawValue) }
}
