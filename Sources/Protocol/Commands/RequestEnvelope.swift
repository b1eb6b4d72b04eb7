internal import ProtocolMessages

/// A request whose frame is understood and whose arguments have been checked, but not decoded.
package struct RequestEnvelope: Sendable {
    /// The command.
    package let command: Command

    /// Sent as `exec-oob`: it may overtake commands of the same connection that wait.
    package let isOutOfBand: Bool

    /// The id to echo.
    package let id: RequestID

    /// The arguments as JSON, `{}` when the request had none.
    private let arguments: [UInt8]

    /// Reads one request, the bytes of `range`, which must be valid UTF-8 (as `LineFramer` yields them). Every check of
    /// the definition is made here.
    package init(
        _ text: Span<UInt8>, in range: Range<Int>, catalogue: CommandCatalogue = .current
    ) throws(RequestRefusal) {
        let members: RequestMembers
        do throws(SchemaViolation) { members = try RequestMembers(text, in: range) } catch {
            throw RequestRefusal(error: WireError(error), id: .none)
        }
        id = members.id.map { RequestID(bytes: text.copy($0)) } ?? .none
        do throws(WireError) {
            if let violation = members.violation { throw WireError(violation) }
            guard let execute = members.execute else {
                throw WireError(
                    .invalidArgument, "execute is missing; name a command, see query-commands", path: "execute")
            }
            let name = text.text(execute)
            guard let description = catalogue.command(named: name) else {
                throw WireError(
                    .commandNotFound, "there is no command \(JSONValue.quoted(name)); query-commands lists all",
                    path: "execute")
            }
            command = description.command
            isOutOfBand = members.isOutOfBand
            arguments = members.arguments.map { text.copy($0) } ?? [.leftBrace, .rightBrace]
            if isOutOfBand, !description.rule.outOfBand {
                throw WireError(
                    .commandNotFound, "\(name) cannot be sent as exec-oob; send it as execute", path: "exec-oob")
            }
            do throws(SchemaViolation) {
                try SchemaWalker(.current).check(
                    arguments.span, in: 0..<arguments.count, as: description.arguments)
            } catch { throw WireError(error.inside("arguments")) }
        } catch { throw RequestRefusal(error: error, id: id) }
    }

    /// Decodes the arguments.
    package func request() throws(RequestRefusal) -> Request {
        do {
            return try Request(command, acceptedArguments: arguments)
        } catch {
            throw RequestRefusal(
                error: WireError(
                    .invalidArgument, "the arguments of \(command.rawValue) cannot be decoded: \(error)",
                    path: "arguments"),
                id: id)
        }
    }
}

/// A request that is answered with an error, and the id to echo.
package struct RequestRefusal: Error, Equatable, Sendable {
    /// What was wrong.
    package let error: WireError

    /// The id to echo; none when the line was not understood far enough to find one.
    package let id: RequestID
}

/// The members of a request's top-level object.
private struct RequestMembers {
    /// The bytes between the quotes of the command's name.
    private(set) var execute: Range<Int>?
    private(set) var isOutOfBand = false
    private(set) var arguments: Range<Int>?
    private(set) var id: Range<Int>?

    /// The first member that does not belong. It is kept, not thrown, so that an id behind it is still found.
    private(set) var violation: SchemaViolation?

    init(_ text: Span<UInt8>, in range: Range<Int>) throws(SchemaViolation) {
        do throws(JSONSyntaxError) {
            var cursor = JSONCursor(range)
            guard try cursor.peek(text) == .object else { throw cursor.fault("a request is an object") }
            try cursor.expect(.leftBrace, text)
            if !cursor.take(.rightBrace, text) {
                repeat {
                    let name = try cursor.string(text).content
                    try cursor.expect(.colon, text)
                    let token = try cursor.peek(text)
                    take(name, token, try cursor.skipValue(text, depth: 1), text)
                } while cursor.take(.comma, text)
                try cursor.expect(.rightBrace, text)
            }
            try cursor.finish(text)
        } catch {
            throw SchemaViolation(JSONSyntaxError(offset: error.offset - range.lowerBound, reason: error.reason))
        }
    }

    private mutating func take(_ name: Range<Int>, _ token: JSONCursor.Token, _ value: Range<Int>, _ text: Span<UInt8>)
    {
        func named(_ word: StaticString) -> Bool {
            name.count == word.utf8CodeUnitCount && text.hasBytes(of: word, at: name.lowerBound, end: name.upperBound)
        }
        if named("execute") || named("exec-oob") {
            let path = text.text(name)
            if execute != nil {
                refuse(SchemaViolation("is given beside another command; a request has one").inside(path))
            } else if token != .string {
                refuse(SchemaViolation("must be a string, the name of a command").inside(path))
            } else {
                execute = value.lowerBound + 1..<value.upperBound - 1
                isOutOfBand = named("exec-oob")
            }
        } else if named("arguments") {
            if arguments != nil {
                refuse(SchemaViolation("is given twice; give it once").inside("arguments"))
            } else {
                arguments = value
            }
        } else if named("id") {
            if id != nil {
                refuse(SchemaViolation("is given twice; give it once").inside("id"))
            } else {
                id = value
            }
        } else {
            refuse(
                SchemaViolation("is unknown; accepted here: execute, exec-oob, arguments, id").inside(text.text(name)))
        }
    }

    private mutating func refuse(_ found: SchemaViolation) {
        if violation == nil { violation = found }
    }
}
