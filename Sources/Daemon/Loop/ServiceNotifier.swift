internal import Logging
internal import Platform

/// What the service manager is told. Without one, nothing.
final class ServiceNotifier {
    private let notifier: NotifierBox?
    private let watchdog: Watchdog?
    /// When the next sign of life is due, monotonic nanoseconds; `nil` when none is asked for.
    private(set) var nextWatchdog: UInt64?

    private final class NotifierBox {
        let notifier: SystemdNotifier

        init(_ notifier: consuming SystemdNotifier) {
            self.notifier = notifier
        }
    }

    /// Reads NOTIFY_SOCKET and WATCHDOG_USEC.
    init(environment: [String: String]) throws(SystemError) {
        if let notifier = try SystemdNotifier(environment: environment) {
            self.notifier = NotifierBox(notifier)
        } else {
            notifier = nil
        }
        watchdog = try Watchdog(environment: environment)
        if let watchdog { nextWatchdog = MonotonicClock.nanoseconds() + watchdog.intervalNanoseconds }
    }

    func ready(_ log: Logger) {
        send(log) { notifier throws(SystemError) in try notifier.notify(.ready, .status("serving")) }
    }

    func reloading(_ log: Logger) {
        let now = MonotonicClock.nanoseconds()
        send(log) { notifier throws(SystemError) in try notifier.notify(.reloading(monotonicNanoseconds: now)) }
    }

    func stopping(_ log: Logger) {
        send(log) { notifier throws(SystemError) in try notifier.notify(.stopping, .status("draining")) }
    }

    /// Sends the sign of life when it is due. A failure is left to the watchdog to notice.
    func keepAlive(_ now: UInt64) {
        guard let watchdog, let due = nextWatchdog, now >= due else { return }
        nextWatchdog = now + watchdog.intervalNanoseconds
        try? notifier?.notifier.notify(.watchdog)
    }

    private func send(_ log: Logger, _ message: (borrowing SystemdNotifier) throws(SystemError) -> Void) {
        guard let notifier else { return }
        do { try message(notifier.notifier) } catch {
            log.warning("the service manager was not told", metadata: ["error": "\(error)"])
        }
    }
}
