/// What came of one ``Listener/accept()``.
public enum AcceptOutcome: ~Copyable, Sendable {
    /// A connection, non-blocking and closed on exec.
    case accepted(StreamSocket)
    /// Nobody waits.
    case wouldBlock
    /// This connection is gone; the next may be fine.
    case transient(SystemError)
    /// Neither this process nor the system has anything left to hold a connection with (EMFILE, ENFILE, ENOBUFS,
    /// ENOMEM). Whether one waits is not known: the kernel looks for a descriptor first. See ``DescriptorReserve``.
    case exhausted(SystemError)
    /// The listener itself is broken.
    case failed(SystemError)
}
