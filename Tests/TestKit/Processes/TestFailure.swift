/// Something that a test relied on did not happen.
package struct TestFailure: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) {
        self.description = description
    }
}

/// How long a test waits for something that must happen before it fails. Nothing is measured by it.
package enum Deadline {
    /// Enough for a sanitized build on a busy machine.
    package static let milliseconds: Int32 = 60_000
}
