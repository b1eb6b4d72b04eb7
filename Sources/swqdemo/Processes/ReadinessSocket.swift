internal import Glibc
internal import Platform

/// Where a service says that it is ready, as it would tell systemd (sd_notify).
struct ReadinessSocket: ~Copyable {
    let path: String
    private let descriptor: OwnedFD

    init(path: String) throws {
        let number = socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard number >= 0 else { throw SystemError.last("socket") }
        let descriptor = OwnedFD(adopting: number)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        try DemoError.require(
            bytes.count < MemoryLayout.size(ofValue: address.sun_path), "\(path): too long for a socket")
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
        let result = unsafe withUnsafePointer(to: &address) { address in
            unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(number, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else { throw SystemError.last("bind", path) }
        self.path = path
        self.descriptor = descriptor
    }

    /// Waits until a program is ready.
    ///
    /// - Returns: `false` when it ended instead, or took too long.
    func waitUntilReady(_ program: ChildProgram) throws -> Bool {
        let poller = try Poller()
        try poller.add(descriptor, events: .readable, token: 0)
        try program.watchExit(with: poller, token: 1)
        var events = PollEventBuffer(capacity: 2)
        while true {
            try poller.wait(into: &events, timeout: .milliseconds(Setting.patienceMilliseconds))
            guard events.count > 0, (0..<events.count).contains(where: { events[$0].token == 0 }) else { return false }
            var bytes = [UInt8](repeating: 0, count: 4096)
            let count = unsafe recv(descriptor.rawValue, &bytes, bytes.count, 0)
            guard count >= 0 else { throw SystemError.last("recv") }
            let lines = String(decoding: bytes[..<count], as: UTF8.self).split(separator: "\n")
            if lines.contains("READY=1") { return true }
        }
    }
}
