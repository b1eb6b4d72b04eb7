internal import FoundationEssentials
internal import Platform

/// A client of the daemon that waits for each reply.
final class MonitorConnection {
    private var connection: ClientConnection

    /// Connects, negotiates and switches the events off.
    init(path: String) throws {
        connection = try ClientConnection.unix(path: path)
        try connection.setReceiveTimeout(milliseconds: 30_000)
        guard try connection.readLine() != nil else { throw BenchError("swqd closed the connection") }
        try run("qmp_capabilities")
        try run("subscribe-events", ["events": .list([])])
    }

    /// The socket, for a load after the set-up.
    var descriptor: Int32 { connection.socket.descriptor.rawValue }

    /// Runs a command whose return says nothing.
    func run(_ command: String, _ arguments: KeyValuePairs<String, Argument> = [:]) throws {
        _ = try execute(command, arguments, returning: Nothing.self)
    }

    /// Runs a command and decodes its return.
    func execute<Return: Decodable>(
        _ command: String, _ arguments: KeyValuePairs<String, Argument>, returning: Return.Type = Return.self
    ) throws -> Return {
        try connection.send(line: Self.request(command, arguments))
        while let line = try connection.readLine() {
            let reply = try JSONDecoder().decode(Reply<Return>.self, from: Data(line))
            if let value = reply.return { return value }
            if let error = reply.error { throw BenchError("\(command): \(error.class): \(error.desc)") }
        }
        throw BenchError("\(command): swqd closed the connection")
    }

    /// The descriptor that came with the last reply.
    func takeDescriptor() throws -> OwnedFD {
        guard let descriptor = connection.takeDescriptor() else { throw BenchError("the reply brought no descriptor") }
        return descriptor
    }

    /// A request as Python's `json.dumps` writes it, without the LF.
    static func request(_ command: String, _ arguments: KeyValuePairs<String, Argument>) -> String {
        guard !arguments.isEmpty else { return #"{"execute": "\#(command)"}"# }
        let members = arguments.map { #""\#($0.key)": \#($0.value.json)"# }.joined(separator: ", ")
        return #"{"execute": "\#(command)", "arguments": {\#(members)}}"#
    }

    /// The value of an argument. Text has nothing to escape.
    enum Argument: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral {
        case text(String)
        case number(UInt64)
        case list([String])

        init(stringLiteral value: String) { self = .text(value) }

        init(integerLiteral value: UInt64) { self = .number(value) }

        /// An address or a mask: `0x` and 16 digits, so that requests of one kind have one length.
        static func hex(_ value: UInt64) -> Argument {
            let digits = String(value, radix: 16)
            return .text("0x" + String(repeating: "0", count: 16 - digits.count) + digits)
        }

        fileprivate var json: String {
            switch self {
            case .text(let text): "\"\(text)\""
            case .number(let number): String(number)
            case .list(let items): "[" + items.map { "\"\($0)\"" }.joined(separator: ", ") + "]"
            }
        }
    }

    private struct Nothing: Decodable {}

    private struct Reply<Return: Decodable>: Decodable {
        let `return`: Return?
        let error: Failure?
    }

    private struct Failure: Decodable {
        let `class`: String
        let desc: String
    }
}
