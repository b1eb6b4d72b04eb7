/// Why a socket does not listen.
public enum ListenError: Error, Hashable, Sendable {
    /// The address itself is unusable.
    case address(SocketAddressError)
    /// A live daemon holds the path; its process when it is known.
    case alreadyServed(path: String, holder: ProcessID?)
    /// Something other than a socket stands at the path, and it is not ours to remove.
    case notASocket(path: String)
    /// A socket that systemd (or whoever started this process) handed over cannot be served.
    case inherited(descriptor: Int32, reason: InheritedSocketFault)
    /// A system call failed.
    case system(SystemError)
}

/// What is wrong with a socket that was handed over.
public enum InheritedSocketFault: Error, Hashable, Sendable {
    /// LISTEN_PID is not a number, or LISTEN_FDS is none or too large; the assignment as it stands.
    case malformedVariable(String)
    /// Not a stream socket (`ListenStream=`).
    case notAStream
    /// Not a listening socket (`Accept=yes` passes connections).
    case notListening
    /// Neither Unix nor IP.
    case unknownFamily
    /// An IP address other than 127.0.0.1 and ::1.
    case notLoopback
    /// Not a socket, or not open at all.
    case unusable(SystemError)
}

extension ListenError: CustomStringConvertible {
    /// The reason in one sentence, for the administrator.
    public var description: String {
        switch self {
        case .address(let error):
            error.description
        case .alreadyServed(let path, let holder?):
            "\(path) is served by process \(holder)"
        case .alreadyServed(let path, nil):
            "\(path) is served by another process"
        case .notASocket(let path):
            "\(path) exists and is not a socket; remove it or choose another path"
        case .inherited(let descriptor, let reason):
            "the inherited descriptor \(descriptor) \(reason)"
        case .system(let error):
            error.description
        }
    }
}

extension InheritedSocketFault: CustomStringConvertible {
    /// What is wrong, to follow "the inherited descriptor N" in a sentence.
    public var description: String {
        switch self {
        case .malformedVariable(let assignment): "is announced by a malformed variable: \(assignment)"
        case .notAStream: "is not a stream socket (ListenStream=)"
        case .notListening: "does not listen (Accept=yes is not supported)"
        case .unknownFamily: "is neither a Unix nor an IP socket"
        case .notLoopback: "listens on an address other than 127.0.0.1 and [::1]"
        case .unusable(let error): "is unusable: \(error)"
        }
    }
}
