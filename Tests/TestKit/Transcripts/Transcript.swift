internal import Foundation
package import Protocol

/// A golden conversation of `Protos/transcripts`; the format is described in `Protos/protocol.md` §9.
package struct Transcript: Sendable, CustomStringConvertible {
    /// One line of the file.
    package enum Step: Sendable {
        /// Opens a connection.
        case connect(socket: String, name: String)
        /// The client sends this request as one line, each `$name` replaced.
        case send(JSONValue, on: String)
        /// The client sends exactly this text.
        case sendText(String, on: String)
        /// The next line from the daemon matches.
        case receive(JSONValue, on: String)
        /// The client closes.
        case close(String)
    }

    /// Why a file is not a transcript.
    package struct Malformed: Error {
        package let line: Int
        package let reason: String
    }

    /// Name of the file without suffix.
    package let name: String

    /// The lines with their numbers, comments left out.
    package let steps: [(line: Int, step: Step)]

    package var description: String { name }

    /// All transcripts of the checkout.
    package static func all() throws -> [Transcript] {
        let folder = URL(fileURLWithPath: #filePath).appending(path: "../../../../Protos/transcripts").standardized
        return try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
            .filter { $0.pathExtension == "jsonl" }.sorted { $0.path < $1.path }
            .map { file in
                try Transcript(
                    name: file.deletingPathExtension().lastPathComponent, text: [UInt8](Data(contentsOf: file)))
            }
    }

    package init(name: String, text: [UInt8]) throws {
        self.name = name
        var steps: [(Int, Step)] = []
        var current = "1"
        for (index, line) in text.split(separator: UInt8(ascii: "\n")).enumerated() {
            let number = index + 1
            let value = try JSONValue(parsing: Array(line))
            let on = value["on"]?.text
            if value["#"] != nil { continue }
            if let socket = value["connect"]?.text {
                current = value["as"]?.text ?? String(number)
                steps.append((number, .connect(socket: socket, name: current)))
            } else if let text = value["C"]?.text {
                steps.append((number, .sendText(text, on: on ?? current)))
            } else if let request = value["C"] {
                steps.append((number, .send(request, on: on ?? current)))
            } else if let pattern = value["S"] {
                steps.append((number, .receive(pattern, on: on ?? current)))
            } else if value["close"] == .bool(true) {
                steps.append((number, .close(on ?? current)))
            } else {
                throw Malformed(line: number, reason: "no line of a transcript")
            }
        }
        self.steps = steps
    }
}
