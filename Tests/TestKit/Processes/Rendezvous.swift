internal import Glibc
internal import Platform

/// Lets a test and its client processes wait for each other.
package final class Rendezvous: Sendable {
    private let listener: Listener
    private let count: Int
    private let arrived = Guarded<[StreamSocket.Boxed]>([])

    package let path: String

    /// A meeting of `count` processes at `path`.
    package init(path: String, count: Int) throws {
        self.path = path
        self.count = count
        listener = try Listener.unix(path: path, mode: 0o666)
    }

    /// Waits until all have come.
    package func waitForAll() throws {
        for _ in 0..<count {
            guard try ChildProcess.waitUntilReadable([listener.descriptor.rawValue]) != [] else {
                throw TestFailure("not every process came in time")
            }
            guard case .accepted(let socket) = listener.accept() else { throw TestFailure("a process came and went") }
            let box = StreamSocket.Boxed(socket)
            arrived.withLock { $0.append(box) }
        }
    }

    /// Lets those that have come go on.
    package func letGo() {
        arrived.withLock { $0.removeAll() }
    }

    /// Comes to the meeting at `path` and waits until it is over. In the client's process.
    package static func meet(at path: String) throws {
        var connection = try ClientConnection.unix(path: path)
        try connection.setReceiveTimeout(milliseconds: UInt32(Deadline.milliseconds))
        guard try connection.readLine() == nil else { throw TestFailure("the meeting spoke") }
    }
}

extension StreamSocket {
    /// A socket that can be kept in an array.
    fileprivate final class Boxed: Sendable {
        private let socket: StreamSocket

        init(_ socket: consuming StreamSocket) {
            self.socket = socket
        }
    }
}
