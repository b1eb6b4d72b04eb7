import Foundation
import Protocol

/// A golden conversation of `Protos/transcripts`; the format is described in `Protos/protocol.md` §9.
struct Transcript: Sendable {
    /// One line of the file.
    enum Step: Sendable {
        /// Opens a connection.
        case connect(socket: String, name: String)
        /// The client sends these bytes. `$name` is replaced already.
        case send(JSONValue, on: String)
        /// The client sends exactly this text.
        case sendText(String, on: String)
        /// The next line from the daemon matches.
        case receive(JSONValue, on: String)
        /// The client closes.
        case close(String)
    }

    /// Why a file is not a transcript.
    struct Malformed: Error {
        let line: Int
        let reason: String
    }

    /// Name of the file without suffix.
    let name: String

    /// The lines with their numbers, comments left out.
    let steps: [(line: Int, step: Step)]

    /// All transcripts of the checkout.
    static func all() throws -> [Transcript] {
        let folder = URL(fileURLWithPath: #filePath).appending(path: "../../../../Protos/transcripts").standardized
        return try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
            .filter { $0.pathExtension == "jsonl" }.sorted { $0.path < $1.path }
            .map { try Transcript(name: $0.deletingPathExtension().lastPathComponent, text: Data(contentsOf: $0)) }
    }

    init(name: String, text: Data) throws {
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

/// Values that `$name` stands for, and the comparison of patterns with lines.
struct TranscriptBindings {
    private(set) var values: [String: JSONValue] = [:]

    /// A request with each known `$name` replaced.
    func resolve(_ value: JSONValue) -> JSONValue {
        switch value {
        case .string(let text) where text.hasPrefix("$"): values[text] ?? value
        case .array(let elements): .array(elements.map(resolve))
        case .object(let members): .object(members.map { .init(name: $0.name, value: resolve($0.value)) })
        case .null, .bool, .number, .string: value
        }
    }

    /// Where `value` differs from `pattern`; nil if it matches.
    mutating func mismatch(_ pattern: JSONValue, _ value: JSONValue, path: String = "") -> String? {
        let fault = "\(path.isEmpty ? "the line" : path): expected \(pattern.description), found \(value.description)"
        switch pattern {
        case .string(let text) where text.hasPrefix("$"):
            if let bound = values[text] { return bound == value ? nil : fault }
            values[text] = value
            return nil
        case .string("*"): return nil
        case .string("*uint"): return value.unsigned != nil ? nil : fault
        case .string("*hex"): return value.text.flatMap(Hexadecimal.value) != nil ? nil : fault
        case .string("*text"): return value.text?.isEmpty == false ? nil : fault
        case .string("*base64"): return value.text.flatMap { Data(base64Encoded: $0) } != nil ? nil : fault
        case .string("*time"): return value.text.flatMap(UTCTime.nanoseconds) != nil ? nil : fault
        case .null, .bool, .number, .string: return pattern == value ? nil : fault
        case .array(let wanted):
            guard case .array(let found) = value, wanted.count == found.count else { return fault }
            for index in wanted.indices {
                if let reason = mismatch(wanted[index], found[index], path: "\(path)[\(index)]") { return reason }
            }
            return nil
        case .object(let wanted):
            guard case .object(let found) = value else { return fault }
            let isOpen = wanted.contains { $0.name == "*" }
            for member in wanted where member.name != "*" {
                guard let inner = value[member.name] else { return "\(path).\(member.name) is missing" }
                if let reason = mismatch(member.value, inner, path: "\(path).\(member.name)") { return reason }
            }
            let extra = found.first { member in !wanted.contains { $0.name == member.name } }
            return isOpen ? nil : extra.map { "\(path).\($0.name) is not expected" }
        }
    }
}
