internal import Glibc

/// The service manager's demand for signs of life (sd_watchdog_enabled(3)).
public struct Watchdog: Hashable, Sendable {
    /// Without a ``SystemdNotifier/Message/watchdog`` for so long the manager kills the service. Positive.
    public let timeoutMicroseconds: UInt64

    /// How often to send one: half of the timeout, as the manual advises. In nanoseconds, positive.
    public var intervalNanoseconds: UInt64 {
        timeoutMicroseconds * 500
    }

    /// The demand in WATCHDOG_USEC; `nil` when there is none, or WATCHDOG_PID means another process. EINVAL when one of
    /// the two is not a number, or the time is zero.
    public init?(environment: [String: String], process: ProcessID = .current) throws(SystemError) {
        guard let text = environment["WATCHDOG_USEC"] else { return nil }
        if let owner = environment["WATCHDOG_PID"] {
            guard let number = Int32(owner) else { throw Self.invalid("WATCHDOG_PID=\(owner)") }
            guard number == process.rawValue else { return nil }
        }
        guard let timeout = UInt64(text), (1...Self.timeoutMicrosecondsMax).contains(timeout) else {
            throw Self.invalid("WATCHDOG_USEC=\(text)")
        }
        timeoutMicroseconds = timeout
    }

    /// A century: more would not fit into a signed number of nanoseconds.
    private static let timeoutMicrosecondsMax: UInt64 = 100 * 366 * 86_400 * 1_000_000

    private static func invalid(_ assignment: String) -> SystemError {
        SystemError(operation: "watchdog", code: EINVAL, context: assignment)
    }
}
