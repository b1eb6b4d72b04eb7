internal import CPlatform
internal import Glibc

/// Who connected to a Unix socket, as the kernel recorded it at that moment (SO_PEERCRED).
public struct PeerCredentials: Hashable, Sendable {
    /// The effective user at the time of connect(2).
    public let user: UserID
    /// The effective group at the time of connect(2).
    public let group: GroupID
    /// `nil` when the peer lives in a PID namespace that this process cannot see.
    public let process: ProcessID?

    /// The credentials of a peer that is known from elsewhere than a socket.
    public init(user: UserID, group: GroupID, process: ProcessID?) {
        self.user = user
        self.group = group
        self.process = process
    }
}

extension StreamSocket {
    /// The peer of a Unix socket. On a TCP socket it says nothing about the peer: do not ask.
    public func peerCredentials() throws(SystemError) -> PeerCredentials {
        var process: Int32 = 0
        var user: UInt32 = 0
        var group: UInt32 = 0
        guard unsafe platform_peer_credentials(descriptor.rawValue, &process, &user, &group) == 0 else {
            throw .last("getsockopt SO_PEERCRED")
        }
        return PeerCredentials(
            user: UserID(rawValue: user), group: GroupID(rawValue: group), process: ProcessID(rawValue: process))
    }

    /// A handle on the process that connected. ESRCH when it is gone or cannot be seen from here.
    ///
    /// Since Linux 6.5 the kernel hands out exactly that process (SO_PEERPIDFD). Before, its number is opened, which
    /// could be another's if the peer has exited and left the connection to a child.
    public func peerProcess() throws(SystemError) -> ProcessHandle {
        let number = platform_peer_pidfd(descriptor.rawValue)
        if number >= 0 { return ProcessHandle(adopting: OwnedFD(adopting: number)) }
        let error = SystemError.last("getsockopt SO_PEERPIDFD")
        guard error.code == ENOPROTOOPT else { throw error }
        guard let process = try peerCredentials().process else {
            throw SystemError(operation: "pidfd_open", code: ESRCH)
        }
        return try ProcessHandle(process)
    }
}
