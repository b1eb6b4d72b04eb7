internal import CPlatform

/// A path that fits into the address of a Unix socket: 1 to 107 bytes, none of them NUL.
public struct UnixSocketPath: Hashable, Sendable, CustomStringConvertible {
    /// The longest path in bytes of UTF-8.
    public static var byteCountMax: Int { Int(PLATFORM_UNIX_PATH_MAX) }

    /// The path as given.
    public let string: String

    /// Checks a path.
    public init(_ string: String) throws(SocketAddressError) {
        guard !string.isEmpty else { throw .emptyPath }
        guard !string.utf8.contains(0) else { throw .pathContainsNUL(string) }
        guard string.utf8.count <= Self.byteCountMax else {
            throw .pathTooLong(path: string, byteCount: string.utf8.count, byteCountMax: Self.byteCountMax)
        }
        self.string = string
    }

    /// The path as given.
    public var description: String { string }

    /// connect(2) on a socket of any type.
    func connect(_ socket: borrowing OwnedFD) throws(SystemError) {
        guard unsafe platform_unix_connect(socket.rawValue, string, string.utf8.count) == 0 else {
            throw .last("connect", string)
        }
    }
}
