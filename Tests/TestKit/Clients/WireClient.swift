internal import Glibc
package import Platform
package import Protocol
internal import ProtocolMessages
package import SwiftProtobuf

/// A client of the daemon that waits for what it asks for. Whatever does not come before the deadline fails the test.
package final class WireClient {
    /// What `qmp_capabilities` may enable.
    package enum Capability: String {
        case outOfBand = "oob"
    }

    /// An event as it came.
    package struct Event: Sendable {
        package let name: String
        package let data: ClientMessage
    }

    /// An error reply.
    package struct Refusal: Error, Equatable, Sendable {
        package let errorClass: String
        package let description: String
        package let path: String?
    }

    /// The greeting's members.
    package let greeting: JSONValue

    private var connection: ClientConnection
    private let numbers = Numbers()
    /// Replies that came while another was waited for.
    private var early: [ClientMessage] = []
    /// Events that nobody has asked for.
    private var events: [Event] = []

    /// Connects to a Unix socket, reads the greeting and negotiates.
    package convenience init(path: String, capabilities: Set<Capability> = []) throws {
        try self.init(try ClientConnection.unix(path: path))
        try negotiate(capabilities)
    }

    /// Takes over a connection and reads the greeting.
    package init(_ connection: consuming ClientConnection) throws {
        var connection = connection
        try connection.setReceiveTimeout(milliseconds: UInt32(Deadline.milliseconds))
        var limit = timeval(tv_sec: Int(Deadline.milliseconds) / 1000, tv_usec: 0)
        let size = socklen_t(MemoryLayout<timeval>.size)
        let number = connection.socket.descriptor.rawValue
        guard unsafe setsockopt(number, SOL_SOCKET, SO_SNDTIMEO, &limit, size) == 0 else {
            throw SystemError.last("setsockopt")
        }
        guard let line = try connection.readLine() else { throw TestFailure("no greeting") }
        let message = try ClientMessage(line)
        guard message.kind == .greeting else {
            throw Self.refusal(in: message) ?? TestFailure("no greeting: \(message.body.description)")
        }
        greeting = message.body
        self.connection = connection
    }

    package func negotiate(_ capabilities: Set<Capability> = []) throws {
        try call(.qmpCapabilities(.with { $0.enable = capabilities.map(\.rawValue) }))
    }

    // MARK: Requests and replies

    /// Sends a request and returns what its reply holds.
    package func call<Result: Message>(
        _ request: Request, outOfBand: Bool = false, returning: Result.Type = Result.self
    ) throws -> Result {
        try receive(try send(request, outOfBand: outOfBand))
    }

    /// Sends a request whose reply is empty.
    package func call(_ request: Request, outOfBand: Bool = false) throws {
        _ = try call(request, outOfBand: outOfBand, returning: WireEmpty.self)
    }

    /// Sends a request that must be refused.
    package func refusal(of request: Request, outOfBand: Bool = false) throws -> Refusal {
        try receiveRefusal(try send(request, outOfBand: outOfBand))
    }

    /// Sends a request without waiting. The number is its id.
    @discardableResult
    package func send(_ request: Request, outOfBand: Bool = false) throws -> UInt64 {
        let number = numbers.next()
        try send(bytes: try ClientRequest.line(request, id: RequestID(number), outOfBand: outOfBand))
        return number
    }

    /// Sends a request together with descriptors.
    package func send(_ request: Request, attaching descriptors: [CInt]) throws -> UInt64 {
        let number = numbers.next()
        try connection.send(
            try ClientRequest.line(request, id: RequestID(number)), attachingNumbers: descriptors)
        return number
    }

    /// Sends exactly these bytes together with descriptors.
    package func send(_ bytes: [UInt8], attaching descriptors: [CInt]) throws {
        try connection.send(bytes, attachingNumbers: descriptors)
    }

    /// Sends exactly these bytes.
    package func send(bytes: [UInt8]) throws {
        try connection.send(bytes)
    }

    /// Sends exactly this text.
    package func send(text: String) throws {
        try connection.send(Array(text.utf8))
    }

    /// Sends as much as the socket takes now, and says how much that was.
    package func sendWithoutWaiting(_ bytes: ArraySlice<UInt8>) throws -> Int {
        let sent = unsafe bytes.withUnsafeBytes { all in
            unsafe Glibc.send(
                connection.socket.descriptor.rawValue, all.baseAddress, all.count,
                CInt(MSG_DONTWAIT) | CInt(MSG_NOSIGNAL))
        }
        if sent >= 0 { return sent }
        let error = SystemError.last("send")
        guard error.code == EAGAIN else { throw error }
        return 0
    }

    /// What the reply to a request holds.
    package func receive<Result: Message>(_ number: UInt64, returning: Result.Type = Result.self) throws -> Result {
        let reply = try receive(number)
        if let refusal = Self.refusal(in: reply) { throw refusal }
        return try reply.decode(Result.self)
    }

    /// The refusal of a request that must be refused.
    package func receiveRefusal(_ number: UInt64) throws -> Refusal {
        let reply = try receive(number)
        guard let refusal = Self.refusal(in: reply) else {
            throw TestFailure("not refused: \(reply.body.description)")
        }
        return refusal
    }

    /// The reply to a request; those that come before it are kept for later.
    package func receive(_ number: UInt64) throws -> ClientMessage {
        try receive { $0.id?.unsigned == number }
    }

    /// The next reply without an id: to text whose id could not be found, or that had none.
    package func receiveUnidentified() throws -> ClientMessage {
        try receive { $0.id == nil }
    }

    /// The next refusal without an id.
    package func receiveUnidentifiedRefusal() throws -> Refusal {
        let reply = try receiveUnidentified()
        guard let refusal = Self.refusal(in: reply) else {
            throw TestFailure("not refused: \(reply.body.description)")
        }
        return refusal
    }

    private func receive(where isWanted: (ClientMessage) -> Bool) throws -> ClientMessage {
        if let index = early.firstIndex(where: isWanted) { return early.remove(at: index) }
        while let message = try nextMessage() {
            if case .event(let name, _) = message.kind {
                events.append(Event(name: name, data: message))
            } else if isWanted(message) {
                return message
            } else {
                early.append(message)
            }
        }
        throw TestFailure("the daemon closed the connection")
    }

    // MARK: Events

    /// Waits for the next event that `isWanted` accepts, and drops the events before it.
    package func nextEvent(
        _ name: String, where isWanted: (ClientMessage) throws -> Bool = { _ in true }
    ) throws -> ClientMessage {
        while true {
            while !events.isEmpty {
                let event = events.removeFirst()
                if event.name == name, try isWanted(event.data) { return event.data }
            }
            guard let message = try nextMessage() else { throw TestFailure("closed before the event \(name)") }
            if case .event(let name, _) = message.kind {
                events.append(Event(name: name, data: message))
            } else {
                early.append(message)
            }
        }
    }

    /// The events that have come with the replies so far, oldest first.
    package func takeEvents() -> [Event] {
        defer { events = [] }
        return events
    }

    // MARK: The connection

    /// The next line as the daemon sent it; nil when it has closed the connection.
    package func readLine() throws -> [UInt8]? {
        try connection.readLine()
    }

    private func nextMessage() throws -> ClientMessage? {
        guard let line = try connection.readLine() else { return nil }
        return try ClientMessage(line)
    }

    /// Waits until the daemon has closed the connection; lines before that are dropped.
    package func waitForClose() throws {
        while try connection.readLine() != nil {}
    }

    /// The descriptor that came with the replies read so far.
    package func takeDescriptor() throws -> OwnedFD {
        guard let descriptor = connection.takeDescriptor() else { throw TestFailure("no descriptor came") }
        return descriptor
    }

    /// A second descriptor of the connection.
    package func duplicateDescriptor() throws -> OwnedFD { try connection.socket.descriptor.duplicate() }

    /// Tells the daemon that nothing more will come.
    package func finishSending() throws {
        try connection.socket.finishWriting()
    }

    /// Ends the connection in both directions, as the end of the process would.
    package func close() {
        _ = shutdown(connection.socket.descriptor.rawValue, CInt(SHUT_RDWR))
    }

    private static func refusal(in message: ClientMessage) -> Refusal? {
        guard case .error(let errorClass, let description, let path) = message.kind else { return nil }
        return Refusal(errorClass: errorClass, description: description, path: path)
    }
}
