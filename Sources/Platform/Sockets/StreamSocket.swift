internal import CPlatform
internal import Glibc

/// What came of one read.
public enum ReadOutcome: Hashable, Sendable {
    /// So many bytes, at least one.
    case bytes(Int)
    /// The peer has finished sending. It may still read.
    case endOfStream
    /// Nothing there now; or, on a blocking socket, not within the time set.
    case wouldBlock
    /// The peer is gone in both directions (ECONNRESET).
    case peerGone
    /// The socket is broken.
    case failed(SystemError)
}

/// What came of one write.
public enum WriteOutcome: Hashable, Sendable {
    /// So many bytes from the front of the buffer.
    case bytes(Int)
    /// No room now.
    case wouldBlock
    /// Nobody will read it (EPIPE, ECONNRESET).
    case peerGone
    /// The socket is broken.
    case failed(SystemError)
}

/// One end of a stream connection. It does not block unless it was made to; it never raises SIGPIPE.
public struct StreamSocket: ~Copyable, Sendable {
    /// The socket, closed with this value.
    public let descriptor: OwnedFD

    /// Takes over a connected stream socket.
    public init(adopting descriptor: consuming OwnedFD) {
        self.descriptor = descriptor
    }

    /// Reads what is there, at most `buffer.count` bytes (at least 1). Descriptors that came with it go into `inbox`.
    public func read(
        into buffer: UnsafeMutableRawBufferPointer, inbox: inout DescriptorInbox
    ) -> ReadOutcome {
        unsafe precondition(!buffer.isEmpty, "an empty read would look like the end of the stream")
        return unsafe Self.outcome(ofRead: inbox.receive(from: descriptor.rawValue, into: buffer))
    }

    /// Reads what is there, at most `buffer.count` bytes (at least 1). The kernel closes descriptors that came with it.
    public func read(into buffer: UnsafeMutableRawBufferPointer) -> ReadOutcome {
        unsafe precondition(!buffer.isEmpty, "an empty read would look like the end of the stream")
        var count = 0
        var truncated = false
        return unsafe Self.outcome(
            ofRead: platform_receive(
                descriptor.rawValue, buffer.baseAddress, buffer.count, nil, 0, &count, &truncated))
    }

    /// Writes as much of `buffer` as there is room for.
    public func write(_ buffer: UnsafeRawBufferPointer) -> WriteOutcome {
        unsafe send(buffer, descriptors: nil, count: 0)
    }

    /// Writes as much of `buffer` as there is room for. A duplicate of `attachment` travels with its first byte, so
    /// after ``WriteOutcome/bytes(_:)`` it is under way and the rest goes without it. At least 1 byte; Unix sockets
    /// only.
    public func write(_ buffer: UnsafeRawBufferPointer, attaching attachment: borrowing OwnedFD) -> WriteOutcome {
        var number = attachment.rawValue
        return unsafe send(buffer, descriptors: &number, count: 1)
    }

    /// Like ``write(_:attaching:)`` for several descriptors, at most 253, which the caller keeps open during the call.
    public func write(_ buffer: UnsafeRawBufferPointer, attachingNumbers numbers: [Int32]) -> WriteOutcome {
        unsafe numbers.withUnsafeBufferPointer {
            unsafe send(buffer, descriptors: $0.baseAddress, count: $0.count)
        }
    }

    /// Tells the peer that nothing more will come. Reading goes on. ENOTCONN when the peer is gone already.
    public func finishWriting() throws(SystemError) {
        guard shutdown(descriptor.rawValue, CInt(SHUT_WR)) == 0 else { throw .last("shutdown") }
    }

    /// Asks for a send buffer of so many bytes; the kernel doubles it and keeps a minimum of its own.
    public func setSendBuffer(byteCount: Int32) throws(SystemError) {
        guard platform_send_buffer(descriptor.rawValue, byteCount) == 0 else { throw .last("setsockopt SO_SNDBUF") }
    }

    private func send(_ buffer: UnsafeRawBufferPointer, descriptors: UnsafePointer<CInt>?, count: Int) -> WriteOutcome {
        unsafe precondition(!buffer.isEmpty, "there is something to write")
        let sent = unsafe platform_send(descriptor.rawValue, buffer.baseAddress, buffer.count, descriptors, count)
        guard sent < 0 else { return .bytes(sent) }
        let error = SystemError.last("sendmsg")
        switch error.code {
        case EAGAIN: return .wouldBlock
        case EPIPE, ECONNRESET: return .peerGone
        default: return .failed(error)
        }
    }

    private static func outcome(ofRead received: Int) -> ReadOutcome {
        if received > 0 { return .bytes(received) }
        if received == 0 { return .endOfStream }
        let error = SystemError.last("recvmsg")
        switch error.code {
        case EAGAIN: return .wouldBlock
        case ECONNRESET: return .peerGone
        default: return .failed(error)
        }
    }
}
