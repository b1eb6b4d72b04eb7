import Platform
import Protocol
import TestKit

/// Plays the client's part of a transcript against a daemon.
struct TranscriptPlayer {
    private let daemon: DaemonProcess
    private var connections: [String: Line] = [:]
    private var bindings = TranscriptBindings()

    /// A connection as bytes: transcripts hold greetings and broken lines too.
    private final class Line {
        var connection: ClientConnection

        init(path: String) throws {
            connection = try ClientConnection.unix(path: path)
            try connection.setReceiveTimeout(milliseconds: UInt32(Deadline.milliseconds))
        }
    }

    init(_ daemon: DaemonProcess) {
        self.daemon = daemon
    }

    /// Plays one step; says how the daemon's line differs from the transcript, if it does.
    mutating func play(_ step: Transcript.Step) throws -> String? {
        switch step {
        case .connect(let socket, let name):
            connections[name] = try Line(path: path(of: socket))
        case .send(let request, let name):
            try line(name).connection.send(line: bindings.resolve(request).description)
        case .sendText(let text, let name):
            try line(name).connection.send(Array(text.utf8))
        case .receive(let pattern, let name):
            guard let received = try line(name).connection.readLine() else { return "the daemon closed the connection" }
            return bindings.mismatch(pattern, try JSONValue(parsing: received))
        case .close(let name):
            connections[name] = nil
        }
        return nil
    }

    private func line(_ name: String) throws -> Line {
        guard let line = connections[name] else { throw TestFailure("the transcript has no connection \(name)") }
        return line
    }

    private func path(of socket: String) throws -> String {
        switch socket {
        case "main": daemon.socketPath
        case "admin": daemon.adminSocketPath
        case "readOnly": daemon.readOnlySocketPath
        default: throw TestFailure("the transcript names the socket \(socket)")
        }
    }
}
