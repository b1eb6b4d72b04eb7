/// A text that does not name a socket this program would use.
public enum SocketAddressError: Error, Hashable, Sendable {
    /// A Unix path of no bytes.
    case emptyPath
    /// A Unix path with a NUL in it.
    case pathContainsNUL(String)
    /// A Unix path that does not fit into a socket address.
    case pathTooLong(path: String, byteCount: Int, byteCountMax: Int)
    /// Not of the form `127.0.0.1:PORT` or `[::1]:PORT`.
    case malformedEndpoint(String)
    /// An address other than the loopback ones, or a name.
    case notLoopback(String)
    /// A port above 65535.
    case portOutOfRange(String)
}

extension SocketAddressError: CustomStringConvertible {
    /// The reason in one sentence, for the person who wrote the address.
    public var description: String {
        switch self {
        case .emptyPath:
            "the socket path is empty"
        case .pathContainsNUL(let path):
            "the socket path \"\(path.replacing("\0", with: "\\0"))\" contains a NUL byte"
        case .pathTooLong(let path, let byteCount, let byteCountMax):
            "the socket path \(path) has \(byteCount) bytes; a Unix socket address holds \(byteCountMax)"
        case .malformedEndpoint(let text):
            "\"\(text)\" is not of the form 127.0.0.1:PORT or [::1]:PORT"
        case .notLoopback(let text):
            "\"\(text)\" is not a loopback address; only 127.0.0.1 and [::1] are served, use a tunnel for the rest"
        case .portOutOfRange(let text):
            "the port in \"\(text)\" is above 65535"
        }
    }
}
