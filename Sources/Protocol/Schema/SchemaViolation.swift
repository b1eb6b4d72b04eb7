/// Why a request or a configuration does not fit its definition.
package struct SchemaViolation: Error, Equatable, Sendable {
    /// Where the text leaves the definition.
    package enum Kind: Equatable, Sendable {
        /// Not JSON at all.
        case syntax
        /// JSON of the wrong shape or with a value that the field does not accept.
        case value
    }

    /// Where the text leaves the definition.
    package let kind: Kind

    /// The offending member, `devices[0].profile`; empty for the whole text.
    package private(set) var path: String

    /// What is wrong and what would be right, as a predicate of the member: "is 16; at most 15 is accepted".
    package let problem: String

    init(_ problem: String, kind: Kind = .value) {
        self.kind = kind
        self.path = ""
        self.problem = problem
    }

    init(_ error: JSONSyntaxError) {
        self.init("is not valid JSON at byte \(error.offset): \(error.reason)", kind: .syntax)
    }

    /// The same violation seen from the object that holds `member`.
    func inside(_ member: String) -> Self {
        var outer = self
        outer.path = path.isEmpty || path.hasPrefix("[") ? member + path : member + "." + path
        return outer
    }

    /// The same violation seen from the array whose element `index` it is in.
    func inside(element index: Int) -> Self {
        var outer = self
        let element = "[\(index)]"
        outer.path = path.isEmpty || path.hasPrefix("[") ? element + path : element + "." + path
        return outer
    }

    /// Path and problem as one sentence.
    package var description: String { path.isEmpty ? "the text " + problem : path + " " + problem }
}
