/// Why a text is not JSON (RFC 8259), and where.
package struct JSONSyntaxError: Error, Equatable, Sendable {
    /// Offset of the offending byte from the start of the text, in bytes.
    package let offset: Int

    /// The rule that was broken, without an object: "expected a value".
    package let reason: String
}
