internal import Foundation
package import Protocol

/// Values that `$name` stands for, and the comparison of patterns with lines.
package struct TranscriptBindings {
    package private(set) var values: [String: JSONValue] = [:]

    package init() {}

    /// A request with each known `$name` replaced.
    package func resolve(_ value: JSONValue) -> JSONValue {
        switch value {
        case .string(let text) where text.hasPrefix("$"): values[text] ?? value
        case .array(let elements): .array(elements.map(resolve))
        case .object(let members): .object(members.map { .init(name: $0.name, value: resolve($0.value)) })
        case .null, .bool, .number, .string: value
        }
    }

    /// Where `value` differs from `pattern`; nil if it matches.
    package mutating func mismatch(_ pattern: JSONValue, _ value: JSONValue, path: String = "") -> String? {
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
