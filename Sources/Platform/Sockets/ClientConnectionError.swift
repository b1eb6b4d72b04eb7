/// Why a client's connection failed.
public enum ClientConnectionError: Error, Hashable, Sendable {
    /// The address itself is unusable.
    case address(SocketAddressError)
    /// The server sent a line longer than the client takes.
    case lineTooLong(byteCountMax: Int)
    /// The server went away in the middle of a line; what had come of it.
    case endedInsideLine([UInt8])
    /// The server went away while the client was sending.
    case peerGone
    /// Nothing came within the time set.
    case timedOut
    /// A system call failed.
    case system(SystemError)
}

extension ClientConnectionError: CustomStringConvertible {
    /// The reason in one sentence, for the person at the client.
    public var description: String {
        switch self {
        case .address(let error): error.description
        case .lineTooLong(let byteCountMax): "the server sent a line of more than \(byteCountMax) bytes"
        case .endedInsideLine(let bytes): "the server closed the connection \(bytes.count) bytes into a line"
        case .peerGone: "the server closed the connection"
        case .timedOut: "the server did not answer in time"
        case .system(let error): error.description
        }
    }
}
