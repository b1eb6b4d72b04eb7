internal import Foundation
internal import Platform
internal import Protocol
internal import ProtocolMessages
internal import SwiftProtobuf

/// A negotiated connection to the daemon that receives no events.
final class DaemonConnection {
    private var connection: ClientConnection
    private var lastID: UInt64 = 0

    init(path: String) throws {
        connection = try ClientConnection.unix(path: path)
        try connection.setReceiveTimeout(milliseconds: Setting.patienceMilliseconds)
        let greeting = try receive()
        try DemoError.require(greeting.kind == .greeting, "the server does not greet as swqd does")
        _ = try call(.qmpCapabilities(WireQmpCapabilitiesArguments()))
        _ = try call(.subscribeEvents(WireSubscribeEventsArguments()))
    }

    /// Sends a request and waits for its result.
    @discardableResult
    func call(_ request: Request) throws -> ClientMessage {
        try send([request])
        return try result(of: request)
    }

    /// Sends a request and waits for its result as a message.
    func call<Result: SwiftProtobuf.Message>(_ request: Request, returning: Result.Type) throws -> Result {
        try call(request).decode(Result.self)
    }

    /// Sends several requests at once and waits for their results.
    func call<Result: SwiftProtobuf.Message>(_ requests: [Request], returning: Result.Type) throws -> [Result] {
        try send(requests)
        return try requests.map { try result(of: $0).decode(Result.self) }
    }

    /// Sends a request with a descriptor and waits for its result.
    func call<Result: SwiftProtobuf.Message>(
        _ request: Request, attaching attachment: borrowing OwnedFD, returning: Result.Type
    ) throws -> Result {
        lastID += 1
        try connection.send(
            ClientRequest.line(request, id: RequestID(lastID)), attachingNumbers: [attachment.rawValue])
        return try result(of: request).decode(Result.self)
    }

    /// The descriptor that came with the last result.
    func takeDescriptor() throws -> OwnedFD {
        guard let descriptor = connection.takeDescriptor() else { throw DemoError("a reply lacks its descriptor") }
        return descriptor
    }

    private func send(_ requests: [Request]) throws {
        var lines: [UInt8] = []
        for request in requests {
            lastID += 1
            lines += try ClientRequest.line(request, id: RequestID(lastID))
        }
        try connection.send(lines)
    }

    /// Replies come in the order of the requests.
    private func result(of request: Request) throws -> ClientMessage {
        while true {
            let message = try receive()
            switch message.kind {
            case .result:
                return message
            case .error(let errorClass, let description, _):
                throw DemoError("\(request.command.rawValue): \(errorClass): \(description)")
            case .event:
                // One that was on its way when the connection switched them off.
                continue
            case .greeting:
                throw DemoError("the daemon greets twice")
            }
        }
    }

    private func receive() throws -> ClientMessage {
        guard let line = try connection.readLine() else { throw DemoError("the daemon closed the connection") }
        return try ClientMessage(line)
    }
}
