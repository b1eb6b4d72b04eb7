internal import Glibc
internal import Platform
internal import Protocol
internal import ProtocolMessages
internal import SwiftProtobuf

/// A conversation with the daemon: one request at a time, waiting for each reply.
struct DaemonClient: ~Copyable {
    /// A line from the daemon, and what it says.
    struct Received {
        /// As it came, without its line feed.
        let line: [UInt8]
        let message: ClientMessage
    }

    private var connection: ClientConnection
    private var lastID: UInt64 = 0
    /// Events that came while a reply was awaited; kept once somebody has subscribed.
    private var events: [Received] = []
    private var keepsEvents = false

    /// Connects, negotiates and, on TCP, authenticates.
    ///
    /// - Parameter timeoutMilliseconds: Longest wait for the daemon, here and later; 0 waits for ever.
    static func open(
        _ address: DaemonAddress, timeoutMilliseconds: UInt32
    ) throws(ClientError) -> DaemonClient {
        var connection = try connect(address)
        do { try connection.setReceiveTimeout(milliseconds: timeoutMilliseconds) } catch {
            throw .unreachable("\(error)")
        }
        let greeting = try receive(on: &connection)
        switch greeting.message.kind {
        case .greeting: break
        case .error(let errorClass, let description, let path):
            throw .refused(class: errorClass, description: description, path: path)
        case .result, .event: throw .broken("the server does not greet as swqd does")
        }
        var client = DaemonClient(connection)
        var negotiation = WireQmpCapabilitiesArguments()
        if greeting.message.body["capabilities"]?.contains("oob") ?? false { negotiation.enable = ["oob"] }
        _ = try client.call(.qmpCapabilities(negotiation))
        if case .loopback(_, let token) = address {
            var authentication = WireAuthenticateArguments()
            authentication.token = token
            _ = try client.call(.authenticate(authentication))
        }
        return client
    }

    private init(_ connection: consuming ClientConnection) {
        self.connection = connection
    }

    /// Sends a request and waits for its reply, which is a result.
    mutating func call(_ request: Request) throws(ClientError) -> ClientMessage {
        lastID += 1
        let line: [UInt8]
        do { line = try ClientRequest.line(request, id: RequestID(lastID)) } catch {
            throw .broken("the request cannot be written: \(error)")
        }
        try send(line)
        while true {
            let received = try receive()
            switch received.message.kind {
            case .greeting:
                throw .broken("the daemon greets twice")
            case .event:
                if keepsEvents { events.append(received) }
            case .result:
                guard received.message.id?.unsigned == lastID else { throw .broken("a reply to no request came") }
                return received.message
            case .error(let errorClass, let description, let path):
                throw .refused(class: errorClass, description: description, path: path)
            }
        }
    }

    /// Sends a request and waits for its result as a message.
    mutating func call<Result: Message>(
        _ request: Request, returning: Result.Type
    ) throws(ClientError) -> Result {
        let message = try call(request)
        do { return try message.decode(Result.self) } catch {
            throw .broken("the reply to \(request.command.rawValue) cannot be read: \(error)")
        }
    }

    /// Sends `line`, whatever it is, and hands on what comes up to the reply, which may be an error.
    mutating func exchange(
        _ line: [UInt8], each: (Received) throws -> Void
    ) throws -> ClientMessage.Kind {
        try send(line)
        while true {
            let received = try receive()
            try each(received)
            switch received.message.kind {
            case .result, .error: return received.message.kind
            case .greeting, .event: continue
            }
        }
    }

    /// Chooses the events that ``nextEvent()`` gives: names, or `*` for all.
    mutating func subscribe(to names: [String]) throws(ClientError) {
        var arguments = WireSubscribeEventsArguments()
        arguments.events = names
        _ = try call(.subscribeEvents(arguments))
        // What came before the reply belongs to the subscription before.
        keepsEvents = true
    }

    /// Waits, however long it takes, for the next event; `nil` when the daemon has closed the connection.
    mutating func nextEvent() throws(ClientError) -> Received? {
        if !events.isEmpty { return events.removeFirst() }
        do { try connection.setReceiveTimeout(milliseconds: 0) } catch { throw .broken("\(error)") }
        guard let received = try Self.receiveIfOpen(on: &connection) else { return nil }
        guard case .event = received.message.kind else { throw .broken("a reply to no request came") }
        return received
    }

    private func send(_ line: [UInt8]) throws(ClientError) {
        do { try connection.send(line) } catch { throw .broken("\(error)") }
    }

    private mutating func receive() throws(ClientError) -> Received {
        try Self.receive(on: &connection)
    }

    private static func receive(on connection: inout ClientConnection) throws(ClientError) -> Received {
        guard let received = try receiveIfOpen(on: &connection) else {
            throw .broken("the daemon closed the connection")
        }
        return received
    }

    private static func receiveIfOpen(on connection: inout ClientConnection) throws(ClientError) -> Received? {
        let line: [UInt8]?
        do { line = try connection.readLine() } catch { throw .broken("\(error)") }
        guard let line else { return nil }
        do { return Received(line: line, message: try ClientMessage(line)) } catch {
            throw .broken("the server sent a line that is not of the protocol: \(error)")
        }
    }

    private static func connect(_ address: DaemonAddress) throws(ClientError) -> ClientConnection {
        switch address {
        case .loopback(let endpoint, _):
            do { return try ClientConnection.loopback(endpoint) } catch { throw .unreachable("\(error)") }
        case .unix(let paths):
            var reasons: [String] = []
            for path in paths {
                do { return try ClientConnection.unix(path: path) } catch {
                    reasons.append("\(error)")
                    guard case .system(let error) = error, error.code == ENOENT || error.code == ECONNREFUSED else {
                        break
                    }
                }
            }
            throw .unreachable(reasons.joined(separator: "; ") + "; is swqd running?")
        }
    }
}

extension JSONValue {
    /// Whether this is an array that holds the string.
    fileprivate func contains(_ string: String) -> Bool {
        guard case .array(let elements) = self else { return false }
        return elements.contains(.string(string))
    }
}
