internal import CPlatform
internal import Glibc

/// Tells the service manager how the daemon is (sd_notify(3), without libsystemd).
public struct SystemdNotifier: ~Copyable, Sendable {
    /// One assignment of a notification.
    public enum Message: Hashable, Sendable {
        /// `READY=1`: start-up, or a reload, is complete.
        case ready
        /// `RELOADING=1` with `MONOTONIC_USEC=`, which `Type=notify-reload` asks for. ``ready`` follows.
        case reloading(monotonicNanoseconds: UInt64)
        /// `STOPPING=1`
        case stopping
        /// `STATUS=`: one line for people; line feeds become spaces.
        case status(String)
        /// `WATCHDOG=1`: still alive.
        case watchdog
        /// `MAINPID=`
        case mainProcess(ProcessID)
    }

    /// The variables of this protocol, to be removed once they have been read.
    public static let variableNames = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"]

    private let socket: OwnedFD

    /// The notifier for NOTIFY_SOCKET, a path or an abstract name with a leading `@`; `nil` when the variable is not
    /// set. EAFNOSUPPORT for any other kind of address.
    public init?(environment: [String: String]) throws(SystemError) {
        guard let address = environment["NOTIFY_SOCKET"], !address.isEmpty else { return nil }
        try self.init(address: address)
    }

    private init(address: String) throws(SystemError) {
        guard address.hasPrefix("/") || address.hasPrefix("@") else {
            throw SystemError(operation: "NOTIFY_SOCKET", code: EAFNOSUPPORT, context: address)
        }
        let number = platform_unix_socket(true, false)
        guard number >= 0 else { throw .last("socket", address) }
        let connected = OwnedFD(adopting: number)
        var name = Array(address.utf8)
        if name[0] == UInt8(ascii: "@") { name[0] = 0 }
        let result = unsafe name.withUnsafeBytes { bytes in
            unsafe platform_unix_connect(number, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count)
        }
        guard result == 0 else { throw .last("connect", address) }
        socket = connected
    }

    /// Sends the messages together. The manager reads them in its own time.
    public func notify(_ messages: Message...) throws(SystemError) {
        let text = messages.map(\.assignment).joined(separator: "\n")
        let sent = unsafe platform_send(socket.rawValue, text, text.utf8.count, nil, 0)
        guard sent == text.utf8.count else { throw .last("send", "NOTIFY_SOCKET") }
    }
}

extension SystemdNotifier.Message {
    fileprivate var assignment: String {
        switch self {
        case .ready: "READY=1"
        case .reloading(let nanoseconds): "RELOADING=1\nMONOTONIC_USEC=\(nanoseconds / 1000)"
        case .stopping: "STOPPING=1"
        case .status(let text): "STATUS=" + text.replacing("\n", with: " ")
        case .watchdog: "WATCHDOG=1"
        case .mainProcess(let process): "MAINPID=\(process)"
        }
    }
}
