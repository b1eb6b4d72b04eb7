internal import CPlatform
internal import Glibc

/// A signal that the daemon acts on.
public enum Signal: CInt, Hashable, Sendable, CaseIterable {
    /// SIGHUP: read the configuration again.
    case hangUp = 1
    /// SIGINT: stop, asked at the terminal.
    case interrupt = 2
    /// SIGTERM: stop.
    case terminate = 15
}

/// A signal and who sent it.
public struct ReceivedSignal: Hashable, Sendable {
    /// Which signal came.
    public let signal: Signal
    /// The sender; `nil` when the kernel sent it.
    public let sender: ProcessID?
    /// The sender's real user.
    public let user: UserID
}

/// Signals as something to read (signalfd), instead of handlers that interrupt.
///
/// Creating it blocks the signals in the calling thread, so it comes before any other thread: those inherit the mask,
/// and a thread that did not would still be killed. They stay blocked when this value ends. SIGPIPE is ignored for
/// good: a write to a connection that went away is an error to return, not a reason to die.
public struct Signals: ~Copyable, Sendable {
    /// Readable while a signal waits.
    public let descriptor: OwnedFD

    /// Takes over the signals.
    public init(_ signals: [Signal] = Signal.allCases) throws(SystemError) {
        try Self.ignoreBrokenPipe()
        let numbers = signals.map(\.rawValue)
        let number = unsafe numbers.withUnsafeBufferPointer { unsafe platform_signalfd($0.baseAddress, $0.count) }
        guard number >= 0 else { throw .last("signalfd") }
        descriptor = OwnedFD(adopting: number)
    }

    /// The next signal, or `nil` when none waits.
    public func next() throws(SystemError) -> ReceivedSignal? {
        var raw = platform_signal()
        let result = unsafe platform_signalfd_read(descriptor.rawValue, &raw)
        guard result >= 0 else { throw .last("read", "signalfd") }
        guard result > 0, let signal = Signal(rawValue: raw.number) else { return nil }
        return ReceivedSignal(
            signal: signal, sender: ProcessID(rawValue: raw.pid), user: UserID(rawValue: raw.uid))
    }

    /// Ignores SIGPIPE for the whole process; for programs that take no other signal over.
    public static func ignoreBrokenPipe() throws(SystemError) {
        guard platform_ignore_broken_pipe() == 0 else { throw .last("sigaction SIGPIPE") }
    }
}
