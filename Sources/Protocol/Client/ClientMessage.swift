package import SwiftProtobuf

/// A line from the daemon, for `swqctl`, tests and other clients in Swift.
package struct ClientMessage: Sendable {
    /// What the line is.
    package enum Kind: Equatable, Sendable {
        /// The greeting; the body is the member `QMP`.
        case greeting
        /// A command succeeded; the body is what it returned.
        case result
        /// A command was refused; the body is the whole error.
        case error(class: String, description: String, path: String?)
        /// An event; the body is its data.
        case event(name: String, timestamp: EventTimestamp)
    }

    /// Why a line is none of these.
    package enum Fault: Error, Equatable, Sendable {
        case notJSON(JSONSyntaxError)
        /// JSON, but not a message of the daemon; says what it lacks.
        case notAMessage(String)
    }

    /// What the line is.
    package let kind: Kind

    /// The part that `kind` names.
    package let body: JSONValue

    /// The id of the request; nil for greetings, events and requests without one.
    package let id: JSONValue?

    /// Reads one line, with or without its line feed.
    package init(_ line: [UInt8]) throws(Fault) {
        let value: JSONValue
        do { value = try JSONValue(parsing: line) } catch { throw .notJSON(error) }
        id = value["id"]
        if let result = value["return"] {
            kind = .result
            body = result
        } else if let error = value["error"] {
            guard let errorClass = error["class"]?.text, let description = error["desc"]?.text else {
                throw .notAMessage("an error lacks class or desc")
            }
            kind = .error(class: errorClass, description: description, path: error["path"]?.text)
            body = error
        } else if let event = value["event"] {
            guard let name = event.text, let seconds = value["timestamp"]?["seconds"]?.unsigned,
                let microseconds = value["timestamp"]?["microseconds"]?.unsigned, microseconds < 1_000_000,
                let whole = Int64(exactly: seconds)
            else { throw .notAMessage("an event lacks its name or timestamp") }
            kind = .event(
                name: name, timestamp: EventTimestamp(seconds: whole, microseconds: Int32(microseconds)))
            body = value["data"] ?? .object([])
        } else if let greeting = value["QMP"] {
            kind = .greeting
            body = greeting
        } else {
            throw .notAMessage("no member QMP, return, error or event")
        }
    }

    /// The body as a message, such as `WireMapPortalReturn`. Members that this build does not know are ignored, so that
    /// a newer daemon can be understood.
    package func decode<Body: Message>(_ type: Body.Type = Body.self) throws -> Body {
        var options = JSONDecodingOptions()
        options.ignoreUnknownFields = true
        let json: JSONValue =
            switch body {
            case .array: .object([JSONValue.Member(name: "items", value: body)])
            default: body
            }
        return try Body(jsonUTF8Bytes: Array(json.description.utf8), options: options)
    }
}
