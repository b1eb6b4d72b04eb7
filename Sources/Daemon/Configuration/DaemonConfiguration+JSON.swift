internal import Protocol
internal import ProtocolMessages
internal import SwiftProtobuf

extension DaemonConfiguration {
    /// A configuration file that says everything this configuration does, one member a line, ending in a line feed.
    package var json: String {
        do {
            let compact: [UInt8] = try wire.jsonUTF8Bytes()
            return try JSONValue(parsing: compact).indented(by: "") + "\n"
        } catch {
            preconditionFailure("a configuration is written as JSON: \(error)")
        }
    }
}

extension JSONValue {
    /// The value over several lines, two spaces a level.
    fileprivate func indented(by margin: String) -> String {
        let inner = margin + "  "
        switch self {
        case .object(let members) where !members.isEmpty:
            let lines = members.map { "\(inner)\(Self.quoted($0.name)): \($0.value.indented(by: inner))" }
            return "{\n\(lines.joined(separator: ",\n"))\n\(margin)}"
        case .array(let elements) where !elements.isEmpty:
            let lines = elements.map { inner + $0.indented(by: inner) }
            return "[\n\(lines.joined(separator: ",\n"))\n\(margin)]"
        case .object, .array, .null, .bool, .number, .string:
            return description
        }
    }
}
