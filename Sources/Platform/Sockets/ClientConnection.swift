internal import CPlatform
internal import Glibc

/// The client's end of a connection: blocking, line by line.
public struct ClientConnection: ~Copyable, Sendable {
    /// The longest line a client takes unless told otherwise, in bytes without its LF.
    public static let lineByteCountMax = 64 << 20

    private static let chunkByteCount = 64 << 10

    /// The socket, for polling and for what goes beyond lines.
    public let socket: StreamSocket

    /// Descriptors that came with the lines read so far; see ``takeDescriptor()``.
    private var inbox = DescriptorInbox(limit: DescriptorInbox.limitMax)
    private let lineByteCountMax: Int

    /// Where reads go first. Made once: filling 64 KiB with zeros costs milliseconds in a debug build.
    private var chunk = [UInt8](repeating: 0, count: chunkByteCount)
    /// What has been read and not taken as a line.
    private var buffer: [UInt8] = []
    /// Where the first unread byte of ``buffer`` is.
    private var start = 0
    /// Up to where ``buffer`` is known to have no LF.
    private var scanned = 0

    /// Takes over a connected, blocking socket.
    public init(adopting socket: consuming StreamSocket, lineByteCountMax: Int = Self.lineByteCountMax) {
        self.socket = socket
        self.lineByteCountMax = lineByteCountMax
    }

    /// Connects to a Unix socket.
    public static func unix(
        path: String, lineByteCountMax: Int = Self.lineByteCountMax
    ) throws(ClientConnectionError) -> ClientConnection {
        let checked: UnixSocketPath
        do { checked = try UnixSocketPath(path) } catch { throw .address(error) }
        let number = platform_unix_socket(false, false)
        guard number >= 0 else { throw .system(.last("socket", path)) }
        let descriptor = OwnedFD(adopting: number)
        do { try checked.connect(descriptor) } catch { throw .system(error) }
        return ClientConnection(adopting: StreamSocket(adopting: descriptor), lineByteCountMax: lineByteCountMax)
    }

    /// Connects to a port of the loopback address.
    public static func loopback(
        _ endpoint: LoopbackEndpoint, lineByteCountMax: Int = Self.lineByteCountMax
    ) throws(ClientConnectionError) -> ClientConnection {
        let isV6 = endpoint.family == .v6
        let number = platform_loopback_socket(isV6, false)
        guard number >= 0 else { throw .system(.last("socket", endpoint.description)) }
        let descriptor = OwnedFD(adopting: number)
        guard platform_loopback_connect(number, isV6, endpoint.port) == 0 else {
            throw .system(.last("connect", endpoint.description))
        }
        return ClientConnection(adopting: StreamSocket(adopting: descriptor), lineByteCountMax: lineByteCountMax)
    }

    /// Makes every later wait for the server end with ``ClientConnectionError/timedOut`` after so long; 0 waits for
    /// ever.
    public func setReceiveTimeout(milliseconds: UInt32) throws(ClientConnectionError) {
        guard platform_receive_timeout(socket.descriptor.rawValue, milliseconds) == 0 else {
            throw .system(.last("setsockopt SO_RCVTIMEO"))
        }
    }

    /// Sends all of `bytes`, as they are.
    public func send(_ bytes: [UInt8]) throws(ClientConnectionError) {
        try send(bytes, attachingNumbers: [])
    }

    /// Sends `line` and an LF.
    public func send(line: String) throws(ClientConnectionError) {
        try send(Array(line.utf8) + [UInt8(ascii: "\n")])
    }

    /// Sends `line` and an LF; a duplicate of `attachment` travels with the first byte.
    public func send(line: String, attaching attachment: borrowing OwnedFD) throws(ClientConnectionError) {
        try send(Array(line.utf8) + [UInt8(ascii: "\n")], attachingNumbers: [attachment.rawValue])
    }

    /// Sends all of `bytes`; duplicates of the descriptors travel with the first byte.
    public func send(_ bytes: [UInt8], attachingNumbers numbers: [Int32]) throws(ClientConnectionError) {
        var offset = 0
        while offset < bytes.count {
            let outcome = unsafe bytes.withUnsafeBytes { all in
                let rest = unsafe UnsafeRawBufferPointer(rebasing: all[offset...])
                return offset == 0
                    ? unsafe socket.write(rest, attachingNumbers: numbers) : unsafe socket.write(rest)
            }
            switch outcome {
            case .bytes(let count): offset += count
            case .wouldBlock: throw .timedOut
            case .peerGone: throw .peerGone
            case .failed(let error): throw .system(error)
            }
        }
    }

    /// Waits for the next line and returns it without its LF; `nil` when the server has closed the connection after a
    /// whole line.
    public mutating func readLine() throws(ClientConnectionError) -> [UInt8]? {
        while true {
            if let end = firstLineEnd() {
                guard end - start <= lineByteCountMax else { throw .lineTooLong(byteCountMax: lineByteCountMax) }
                let line = Array(buffer[start..<end])
                start = end + 1
                scanned = start
                return line
            }
            scanned = buffer.count
            guard scanned - start <= lineByteCountMax else { throw .lineTooLong(byteCountMax: lineByteCountMax) }
            guard try fill() else {
                guard start == buffer.count else { throw .endedInsideLine(Array(buffer[start...])) }
                return nil
            }
        }
    }

    /// The descriptor that came first and has not been taken, or `nil`. Those of a line are here once it has been read;
    /// those of a following line may be as well.
    public mutating func takeDescriptor() -> OwnedFD? {
        inbox.takeFirst()
    }

    /// Reads once; `false` at the end of the stream.
    private mutating func fill() throws(ClientConnectionError) -> Bool {
        buffer.removeSubrange(..<start)
        scanned -= start
        start = 0
        switch unsafe chunk.withUnsafeMutableBytes({ unsafe socket.read(into: $0, inbox: &inbox) }) {
        case .bytes(let count):
            buffer.append(contentsOf: chunk[..<count])
            return true
        case .wouldBlock: throw .timedOut
        case .failed(let error): throw .system(error)
        // A reset after the last reply is how a killed server ends.
        case .endOfStream, .peerGone: return false
        }
    }

    /// Where the first LF behind ``scanned`` is.
    private func firstLineEnd() -> Int? {
        unsafe buffer.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress, scanned < bytes.count,
                let found = unsafe memchr(base + scanned, Int32(UInt8(ascii: "\n")), bytes.count - scanned)
            else { return nil }
            return unsafe UnsafeRawPointer(found) - base
        }
    }
}
