internal import Glibc
internal import Platform

/// The service manager's end of NOTIFY_SOCKET.
final class NotifySocket {
    let path: String
    private let socket: OwnedFD
    /// Lines that have come and that nobody has waited for.
    private var lines: [String] = []

    init(path: String) throws {
        self.path = path
        _ = unsafe unlink(path)
        let number = Glibc.socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard number >= 0 else { throw SystemError.last("socket") }
        socket = OwnedFD(adopting: number)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: path.utf8) }
        let length = socklen_t(MemoryLayout<sockaddr_un>.size)
        let result = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe bind(number, $0, length) }
        }
        guard result == 0 else { throw SystemError.last("bind", path) }
    }

    /// Waits until the daemon has sent the assignment `line`, and drops what came before it.
    func wait(for line: String, from child: ChildProcess) throws {
        while true {
            if let index = lines.firstIndex(of: line) {
                lines.removeSubrange(...index)
                return
            }
            let readable = try ChildProcess.waitUntilReadable([socket.rawValue, child.endDescriptor])
            guard readable.contains(socket.rawValue) else {
                throw TestFailure(readable.isEmpty ? "no \(line) in time" : "the daemon ended before \(line)")
            }
            var buffer = [UInt8](repeating: 0, count: 4096)
            let count = unsafe recv(socket.rawValue, &buffer, buffer.count, 0)
            guard count >= 0 else { throw SystemError.last("recv") }
            lines += String(decoding: buffer.prefix(count), as: UTF8.self).split(separator: "\n").map(String.init)
        }
    }
}
