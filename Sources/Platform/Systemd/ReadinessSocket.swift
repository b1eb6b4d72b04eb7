internal import CPlatform
internal import Glibc

/// Where a service says that it is ready, as it would tell systemd (sd_notify): for programs that start one.
public struct ReadinessSocket: ~Copyable, Sendable {
    /// What the service finds in NOTIFY_SOCKET.
    public let path: String
    private let descriptor: OwnedFD

    /// Makes the socket at `path`, where nothing is.
    public init(path: String) throws(SystemError) {
        let number = platform_unix_socket(true, false)
        guard number >= 0 else { throw .last("socket") }
        let descriptor = OwnedFD(adopting: number)
        guard unsafe platform_unix_bind(number, path, path.utf8.count, 0o600) == 0 else { throw .last("bind", path) }
        self.path = path
        self.descriptor = descriptor
    }

    /// Waits until the service is ready.
    ///
    /// - Returns: `false` when the process ended instead, or nothing came for that long.
    public func waitUntilReady(
        orEnd process: borrowing ProcessHandle, timeoutMilliseconds: UInt32 = 60_000
    ) throws(SystemError) -> Bool {
        let poller = try Poller()
        try poller.add(descriptor, events: .readable, token: 0)
        try poller.add(process.descriptor, events: .readable, token: 1)
        var events = PollEventBuffer(capacity: 2)
        while true {
            try poller.wait(into: &events, timeout: .milliseconds(timeoutMilliseconds))
            guard events.count > 0, (0..<events.count).contains(where: { events[$0].token == 0 }) else { return false }
            var bytes = [UInt8](repeating: 0, count: 4096)
            let count = unsafe recv(descriptor.rawValue, &bytes, bytes.count, 0)
            guard count >= 0 else { throw .last("recv") }
            let lines = bytes[..<count].split(separator: UInt8(ascii: "\n"))
            if lines.contains(where: { $0.elementsEqual("READY=1".utf8) }) { return true }
        }
    }
}
