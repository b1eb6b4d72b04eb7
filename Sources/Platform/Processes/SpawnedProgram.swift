internal import CPlatform
internal import Glibc

/// A program that this process has started and waits for.
public final class SpawnedProgram: Sendable {
    /// How a program is started.
    public struct Options: Sendable {
        /// What the program's thread blocks; a program that takes over signals restores here what it was started with.
        public var signalMask: SignalMask
        /// A descriptor of this process that the program has as 3.
        public var keptDescriptor: CInt?
        /// The signal that the program gets when the thread that started it ends.
        public var parentDeathSignal: CInt?
        /// The program leads a session of its own: the terminal's signals do not reach it.
        public var hasOwnSession = false
        /// Nothing as standard input and output.
        public var isSilent = false

        /// The program gets standard input, output and error of this one.
        public init(signalMask: SignalMask) {
            self.signalMask = signalMask
        }
    }

    /// How a program ended.
    public enum End: Hashable, Sendable {
        /// With this status.
        case exited(CInt)
        /// By this signal.
        case killed(signal: CInt)

        /// The status that a shell reports: 128 and the signal's number for a program that was killed.
        public var shellStatus: CInt {
            switch self {
            case .exited(let status): status
            case .killed(let signal): 128 + signal
            }
        }
    }

    /// Its number, which is nobody else's until ``waitForEnd()``.
    public let process: ProcessID
    /// Readable once it has ended.
    public let handle: ProcessHandle

    /// Starts the program at `path`.
    ///
    /// - Parameters:
    ///   - arguments: All of them, its name first.
    ///   - environment: Its whole environment, as `NAME=VALUE`.
    /// - Throws: what the kernel answers, for execve too.
    public init(
        _ path: String, arguments: [String], environment: [String], _ options: Options
    ) throws(SystemError) {
        var how = platform_spawn()
        how.signal_mask = options.signalMask.rawValue
        how.kept = options.keptDescriptor ?? -1
        how.parent_death_signal = options.parentDeathSignal ?? 0
        how.new_session = options.hasOwnSession
        how.silent = options.isSilent
        var number: Int32 = 0
        let code = unsafe Self.withCStrings(arguments) { arguments in
            unsafe Self.withCStrings(environment) { environment in
                unsafe platform_spawn(path, arguments, environment, &how, &number)
            }
        }
        guard code == 0, let process = ProcessID(rawValue: number) else {
            throw SystemError(operation: "execve", code: code, context: path)
        }
        self.process = process
        handle = try ProcessHandle(process)
    }

    /// Sends a signal.
    public func send(signal: CInt) { _ = kill(process.rawValue, signal) }

    /// Waits until it has ended. Once.
    public func waitForEnd() throws(SystemError) -> End {
        var status: CInt = 0
        guard unsafe platform_wait(process.rawValue, &status) == 0 else { throw .last("waitpid") }
        let signal = status & 0x7F
        return signal == 0 ? .exited(status >> 8 & 0xFF) : .killed(signal: signal)
    }

    private static func withCStrings(
        _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>?) -> CInt
    ) -> CInt {
        var copies = unsafe strings.map { unsafe strdup($0) } + [nil]
        defer { for index in unsafe copies.indices { unsafe free(copies[index]) } }
        return unsafe copies.withUnsafeMutableBufferPointer { unsafe body(UnsafePointer($0.baseAddress)) }
    }
}

/// A set of signals, bit n - 1 for signal n.
public struct SignalMask: RawRepresentable, Hashable, Sendable {
    /// The bits.
    public let rawValue: UInt64

    /// The set of these bits.
    public init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// What the calling thread blocks now.
    public static func current() throws(SystemError) -> SignalMask {
        var bits: UInt64 = 0
        guard unsafe platform_signal_mask(&bits) == 0 else { throw .last("rt_sigprocmask") }
        return SignalMask(rawValue: bits)
    }
}

/// Signals that one program passes on to another (signalfd): those that a process has sent. The terminal's reach the
/// other program by themselves.
public struct ForwardedSignals: ~Copyable, Sendable {
    /// Readable while a signal waits.
    public let descriptor: OwnedFD

    /// Takes these signals over from the calling thread, which has to be the only one.
    public init(_ signals: [CInt]) throws(SystemError) {
        let number = unsafe signals.withUnsafeBufferPointer { unsafe platform_signalfd($0.baseAddress, $0.count) }
        guard number >= 0 else { throw .last("signalfd") }
        descriptor = OwnedFD(adopting: number)
    }

    /// The next signal that a process has sent, or `nil` when none waits.
    public func next() throws(SystemError) -> CInt? {
        while true {
            var raw = platform_signal()
            let result = unsafe platform_signalfd_read(descriptor.rawValue, &raw)
            guard result >= 0 else { throw .last("read", "signalfd") }
            guard result > 0 else { return nil }
            if raw.by_process { return raw.number }
        }
    }
}
