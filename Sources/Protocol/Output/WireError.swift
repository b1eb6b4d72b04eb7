/// A refusal as a client sees it.
package struct WireError: Error, Equatable, Sendable {
    /// What kind of refusal, for programs.
    package let errorClass: ErrorClass

    /// What was violated, the state that caused it and what to do next, for people. Not to be parsed.
    package let description: String

    /// The member of the request that caused it, `arguments.descriptor`; nil when none did.
    package let path: String?

    package init(_ errorClass: ErrorClass, _ description: String, path: String? = nil) {
        self.errorClass = errorClass
        self.description = description
        self.path = path
    }

    /// The refusal of a request that does not fit its definition.
    package init(_ violation: SchemaViolation) {
        let errorClass: ErrorClass =
            switch violation.kind {
            case .syntax: .invalidJSON
            case .value: .invalidArgument
            }
        self.init(errorClass, violation.description, path: violation.path.isEmpty ? nil : violation.path)
    }

    /// The refusal of a line that could not be framed.
    package init(_ failure: FramingFailure) {
        switch failure {
        case .lineTooLong(let limit):
            self.init(
                .lineTooLong, "the request is longer than \(limit) bytes and was discarded up to the next line feed")
        case .lineFeedInsideObject:
            self.init(.invalidJSON, "a line feed stands inside the request; write a request on one line")
        case .invalidUTF8(let offset):
            self.init(.invalidJSON, "the request is not valid UTF-8 at byte \(offset)")
        }
    }
}
