package import ProtocolMessages
package import SwiftProtobuf

/// The messages that the daemon sends. Each is one line.
extension OutputBuffer {
    /// The greeting, the first line of a connection.
    package mutating func append(_ greeting: Greeting) {
        let version = greeting.version
        append("{\"QMP\": {\"version\": {\"qemu\": {\"major\": ")
        append(text: "\(version.major), \"minor\": \(version.minor), \"micro\": \(version.micro)")
        append("}, \"package\": ")
        append(text: JSONValue.quoted(greeting.package))
        append("}, \"capabilities\": [")
        append(text: Greeting.capabilities.map(JSONValue.quoted).joined(separator: ", "))
        append("], \"limits\": ")
        append(Self.json(greeting.limits).span)
        append(text: ", \"nestingDepth\": \(JSONCursor.nestingDepthMax), \"authentication\": ")
        append(greeting.requiresToken ? "\"token\"" : "\"none\"")
        append("}}\n")
    }

    /// The reply of a command that succeeded.
    package mutating func append(_ result: some Message, id: RequestID) {
        append("{\"return\": ")
        appendResult(result)
        appendEnd(id)
    }

    /// The reply of a command that succeeded and has nothing to say.
    package mutating func appendEmptyReturn(id: RequestID) {
        append("{\"return\": {}")
        appendEnd(id)
    }

    /// The reply of a command that was refused.
    package mutating func append(_ error: WireError, id: RequestID) {
        append("{\"error\": {\"class\": \"")
        append(text: error.errorClass.rawValue)
        append("\", \"desc\": ")
        append(text: JSONValue.quoted(error.description))
        if let path = error.path {
            append(", \"path\": ")
            append(text: JSONValue.quoted(path))
        }
        append("}")
        appendEnd(id)
    }

    /// An event.
    package mutating func append(_ event: WireEvent.OneOf_Data, at time: EventTimestamp) {
        append("{\"event\": \"")
        append(text: EventName(event).rawValue)
        append("\", \"data\": ")
        var message = WireEvent()
        message.data = event
        // One member, whose name says what `event` has said already: {"vmCreated":{...}}.
        let json = Self.json(message)
        guard let colon = json.firstIndex(of: .colon) else { preconditionFailure("an event without data") }
        append(json.span.extracting(colon + 1..<json.count - 1))
        append(text: ", \"timestamp\": {\"seconds\": \(time.seconds), \"microseconds\": \(time.microseconds)}}\n")
    }

    private mutating func appendResult<Result: Message>(_ result: Result) {
        let json = Self.json(result)
        guard SchemaSet.current.message(named: Result.protoMessageName)?.isBareArray == true else {
            return append(json.span)
        }
        // {"items":[...]}, or {} when there is none.
        guard let colon = json.firstIndex(of: .colon) else { return append("[]") }
        append(json.span.extracting(colon + 1..<json.count - 1))
    }

    private mutating func appendEnd(_ id: RequestID) {
        if !id.bytes.isEmpty {
            append(", \"id\": ")
            append(id.bytes.span)
        }
        append("}\n")
    }

    /// Canonical JSON of a message of ours. It fails only for types that the protocol does not use.
    private static func json(_ message: some Message) -> [UInt8] {
        do {
            return try message.jsonUTF8Bytes()
        } catch {
            preconditionFailure("a message of the protocol has no JSON form: \(error)")
        }
    }
}
