/// The `id` of a request as its bytes stood in the line, to be echoed byte for byte. Empty when there was none.
package struct RequestID: Equatable, Sendable {
    /// A request without `id`.
    package static let none = RequestID(bytes: [])

    /// A JSON value; empty for none.
    package let bytes: [UInt8]

    /// An id that a client of ours sends.
    package init(_ number: UInt64) {
        bytes = Array(String(number).utf8)
    }

    /// An id as its bytes stood in a request.
    package init(bytes: [UInt8]) {
        self.bytes = bytes
    }
}
