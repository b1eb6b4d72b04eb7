import Glibc
import Platform
import Testing

/// Two ends of a Unix stream connection.
struct SocketPair: ~Copyable {
    let near: StreamSocket
    let far: StreamSocket

    init(blocking: Bool = false) throws {
        var numbers: [CInt] = [-1, -1]
        let flags = blocking ? 0 : SOCK_NONBLOCK.rawValue
        let type = CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | flags)
        guard unsafe socketpair(AF_UNIX, type, 0, &numbers) == 0 else { throw SystemError.last("socketpair") }
        near = StreamSocket(adopting: OwnedFD(adopting: numbers[0]))
        far = StreamSocket(adopting: OwnedFD(adopting: numbers[1]))
    }
}

/// A connection whose one end tells when the last copy of the other has been closed.
struct LifeLine: ~Copyable {
    private let watched: StreamSocket
    private var tied: StreamSocket?

    init() throws {
        let pair = try SocketPair()
        watched = pair.near
        tied = consume pair.far
    }

    /// The other end, which stays open here until ``letGo()``.
    var number: CInt {
        switch tied {
        case .some(let tied): tied.descriptor.rawValue
        case .none: -1
        }
    }

    /// Closes this process's own copy of the other end.
    mutating func letGo() { tied = nil }

    /// Watches the one end, which hangs up when the last copy of the other is closed.
    func watch(with poller: borrowing Poller) throws {
        try poller.add(watched.descriptor, events: [], token: 0)
    }

    /// Whether no copy of the other end is open anywhere.
    var isCut: Bool {
        watched.read().outcome == .endOfStream
    }
}

/// The next connection of a listener on which one is waiting.
func acceptWaiting(_ listener: Listener) throws -> StreamSocket {
    switch listener.accept() {
    case .accepted(let socket): return socket
    case .wouldBlock: throw UnexpectedOutcome("no connection waits")
    case .transient(let error): throw error
    case .exhausted(let error): throw error
    case .failed(let error): throw error
    }
}

struct UnexpectedOutcome: Error {
    let what: String

    init(_ what: String) { self.what = what }
}

extension DescriptorInbox {
    /// The next descriptor, which must be there.
    mutating func takeExpected() throws -> OwnedFD {
        guard let descriptor = takeFirst() else { throw UnexpectedOutcome("no descriptor waits") }
        return descriptor
    }
}

extension StreamSocket {
    func write(_ text: String) -> WriteOutcome {
        unsafe Array(text.utf8).withUnsafeBytes { unsafe write($0) }
    }

    func write(_ text: String, attachingNumbers numbers: [CInt]) -> WriteOutcome {
        unsafe Array(text.utf8).withUnsafeBytes { unsafe write($0, attachingNumbers: numbers) }
    }

    /// One read of at most `limit` bytes: the outcome and the text.
    func read(limit: Int = 4096) -> (outcome: ReadOutcome, text: String) {
        var buffer = [UInt8](repeating: 0, count: limit)
        let outcome = unsafe buffer.withUnsafeMutableBytes { unsafe read(into: $0) }
        return (outcome, Self.text(buffer, outcome))
    }

    /// One read with descriptors.
    func read(limit: Int = 4096, inbox: inout DescriptorInbox) -> (outcome: ReadOutcome, text: String) {
        var buffer = [UInt8](repeating: 0, count: limit)
        let outcome = unsafe buffer.withUnsafeMutableBytes { unsafe read(into: $0, inbox: &inbox) }
        return (outcome, Self.text(buffer, outcome))
    }

    private static func text(_ buffer: [UInt8], _ outcome: ReadOutcome) -> String {
        guard case .bytes(let count) = outcome else { return "" }
        return String(decoding: buffer.prefix(count), as: UTF8.self)
    }
}

/// A socket made with nothing but the C library, for what the listeners must refuse.
func rawSocket(_ domain: CInt, _ type: __socket_type) throws -> OwnedFD {
    let number = socket(domain, CInt(type.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard number >= 0 else { throw SystemError.last("socket") }
    return OwnedFD(adopting: number)
}

/// Binds a Unix socket; a leading `@` makes the name abstract.
func bind(_ socket: borrowing OwnedFD, name: String) throws {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    var bytes = Array(name.utf8)
    if bytes[0] == UInt8(ascii: "@") { bytes[0] = 0 }
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
    let length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count)
    let result = unsafe withUnsafePointer(to: &address) { pointer in
        unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            unsafe Glibc.bind(socket.rawValue, $0, length)
        }
    }
    guard result == 0 else { throw SystemError.last("bind", name) }
}

/// Binds an IPv4 socket to a free port of every address of this machine.
func bindToAllAddresses(_ socket: borrowing OwnedFD) throws {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    let result = unsafe withUnsafePointer(to: &address) { pointer in
        unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            unsafe Glibc.bind(socket.rawValue, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
    }
    guard result == 0 else { throw SystemError.last("bind") }
}
