internal import CPlatform
internal import Glibc

/// A listening stream socket: bound by this process or inherited from the one that started it.
public final class Listener: Sendable {
    /// Where a listener listens.
    public enum Address: Hashable, Sendable, CustomStringConvertible {
        /// A Unix socket's path; a leading `@` stands for the NUL of an abstract name, which only an inherited one has.
        case unix(path: String)
        /// The endpoint with the port it really has.
        case loopback(LoopbackEndpoint)

        /// The path, or the endpoint as `127.0.0.1:PORT` or `[::1]:PORT`.
        public var description: String {
            switch self {
            case .unix(let path): path
            case .loopback(let endpoint): endpoint.description
            }
        }
    }

    /// Connections that may wait to be accepted; the kernel lowers it to `net.core.somaxconn`.
    public static let backlog: Int32 = 4096

    /// Readable while connections wait.
    public let descriptor: OwnedFD
    /// Where clients connect.
    public let address: Address
    /// The `FileDescriptorName=` of an inherited socket; `nil` for one that this process bound.
    public let inheritedName: String?

    private let socketFile: SocketFile?
    private let isTCP: Bool

    init(
        descriptor: consuming OwnedFD, address: Address, inheritedName: String? = nil,
        socketFile: consuming SocketFile? = nil
    ) {
        self.descriptor = descriptor
        self.address = address
        self.inheritedName = inheritedName
        self.socketFile = socketFile
        switch address {
        case .unix: isTCP = false
        case .loopback: isTCP = true
        }
    }

    deinit {
        // Before the descriptor closes: until then the kernel cannot give the file's inode number to another file.
        socketFile?.remove()
    }

    /// Accepts one connection, without waiting.
    public func accept() -> AcceptOutcome {
        let number = platform_accept(descriptor.rawValue, isTCP)
        guard number < 0 else {
            return .accepted(StreamSocket(adopting: OwnedFD(adopting: number)))
        }
        let error = SystemError.last("accept4")
        switch error.code {
        case EAGAIN: return .wouldBlock
        case EMFILE, ENFILE, ENOBUFS, ENOMEM: return .exhausted(error)
        // accept(2): Linux passes on errors that the connection met while it waited, and a firewall's verdict.
        case ECONNABORTED, EPERM, EPROTO, ENOPROTOOPT, ENETDOWN, ENETUNREACH, EHOSTDOWN, EHOSTUNREACH, ENONET,
            EOPNOTSUPP:
            return .transient(error)
        default: return .failed(error)
        }
    }

    static func listen(_ socket: borrowing OwnedFD, _ context: @autoclosure () -> String) throws(ListenError) {
        guard Glibc.listen(socket.rawValue, backlog) == 0 else { throw .system(.last("listen", context())) }
    }
}
