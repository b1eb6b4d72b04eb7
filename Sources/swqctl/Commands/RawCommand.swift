internal import ArgumentParser
internal import Protocol

/// `swqctl raw`
struct RawCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "raw", abstract: "Sends requests unchecked and prints what the daemon answers.",
        discussion: """
              swqctl raw query-commands
              swqctl raw map-portal '{"device": "dsa0", "wq": 0}'
              swqctl raw '{"execute": "query-status", "id": 1}'
              swqctl raw <requests.jsonl

            The connection is negotiated first; then each request is sent as one line, and everything up to its reply \
            is printed before the next. Without a request the lines of the standard input are sent, over one \
            connection. The exit status is 1 if any reply was an error.
            """)

    @Argument(help: "A request, or the name of a command and its arguments as JSON.")
    var request: [String] = []

    @OptionGroup(title: "Connection")
    var connection: ConnectionOptions

    func validate() throws {
        guard request.count <= 2 else {
            throw ValidationError("One request, or the name of a command and its arguments; quote them.")
        }
    }

    func run(on client: inout DaemonClient) throws {
        var isRefused = false
        if let line = RawRequest.line(request) {
            isRefused = try Self.send(line, to: &client)
        } else {
            var input = try InputFile.standard()
            while let line = try input.nextLine() {
                guard let line = RawRequest.line(input: line) else { continue }
                if try Self.send(line, to: &client) { isRefused = true }
            }
        }
        if isRefused { throw ExitStatus.refused.exit }
    }

    /// Whether the reply is an error.
    private static func send(_ line: [UInt8], to client: inout DaemonClient) throws -> Bool {
        let reply = try client.exchange(line) { received in
            try StandardOutput.write(received.line + [UInt8(ascii: "\n")])
        }
        guard case .error = reply else { return false }
        return true
    }
}

/// Lines to send as they are.
enum RawRequest {
    /// The line that the arguments of the command line stand for; `nil` when there are none.
    static func line(_ arguments: [String]) -> [UInt8]? {
        guard let first = arguments.first else { return nil }
        if arguments.count == 2 { return ClientRequest.line(first, arguments: Array(arguments[1].utf8)) }
        return isName(first) ? ClientRequest.line(first) : Array(first.utf8) + [UInt8(ascii: "\n")]
    }

    /// A line of the input, which the daemon answers; `nil` for one of white space, which it skips.
    static func line(input: [UInt8]) -> [UInt8]? {
        guard !input.allSatisfy({ $0 == 0x20 || (0x09...0x0D).contains($0) }) else { return nil }
        return input.last == UInt8(ascii: "\n") ? input : input + [UInt8(ascii: "\n")]
    }

    private static func isName(_ text: String) -> Bool {
        !text.isEmpty && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_") }
    }
}
