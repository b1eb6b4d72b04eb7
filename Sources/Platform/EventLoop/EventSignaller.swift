internal import CPlatform
internal import Glibc

/// An eventfd that another process made and waits on.
public final class ClientEvent: Sendable {
    let descriptor: OwnedFD

    /// Takes over a descriptor that a client passed. `nil` when it is no eventfd; then it is closed.
    public init?(adopting descriptor: consuming OwnedFD) {
        guard platform_is_eventfd(descriptor.rawValue) == 1 else { return nil }
        self.descriptor = descriptor
    }
}

/// Signals eventfds of other processes without ever waiting for them.
///
/// A write to an eventfd waits while its counter is full, unless O_NONBLOCK is set; and who shares the eventfd can
/// clear that flag and fill the counter at any moment. So the kernel signals: a read that is complete at once is
/// submitted with the eventfd to be told of it (IOCB_FLAG_RESFD), and the kernel's own signal stops at the largest
/// count.
public final class EventSignaller: Sendable {
    private let context: UInt64
    /// One byte that can always be read.
    private let file: OwnedFD

    /// Asks the kernel for asynchronous I/O; ENOSYS or EPERM where it has none to give.
    public init() throws(SystemError) {
        file = try MemoryFile.create(name: "swqd signal", byteCount: 1, seals: [.shrink, .seal])
        var context: UInt64 = 0
        guard unsafe platform_signaller(&context) == 0 else { throw .last("io_setup") }
        self.context = context
    }

    deinit { _ = platform_signaller_end(context) }

    /// Adds 1 to `event`; one that is full stays so. From one thread at a time.
    public func signal(_ event: ClientEvent) throws(SystemError) {
        guard platform_eventfd_signal(context, file.rawValue, event.descriptor.rawValue) == 0 else {
            throw .last("io_submit")
        }
    }
}
