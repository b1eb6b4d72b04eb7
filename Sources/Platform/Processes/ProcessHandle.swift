internal import CPlatform
internal import Glibc

/// A process held by a pidfd: it stays the same process after its number has been given to another.
public struct ProcessHandle: ~Copyable, Sendable {
    /// Readable once the process has exited.
    public let descriptor: OwnedFD

    /// Takes over a pidfd.
    public init(adopting descriptor: consuming OwnedFD) {
        self.descriptor = descriptor
    }

    /// Opens a running process, or one that exited and was not waited for. ESRCH when there is none.
    ///
    /// Between learning the number and this call the process may have gone and its number may belong to another; for
    /// the peer of a socket, ``StreamSocket/peerProcess()`` has no such gap where the kernel can tell.
    public init(_ process: ProcessID) throws(SystemError) {
        let number = platform_pidfd_open(process.rawValue)
        guard number >= 0 else { throw .last("pidfd_open", process.description) }
        descriptor = OwnedFD(adopting: number)
    }

    /// Whether the process has exited. An exec is not an exit.
    public var hasExited: Bool {
        platform_pidfd_exited(descriptor.rawValue) == 1
    }
}
