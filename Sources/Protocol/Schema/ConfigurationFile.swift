package import ProtocolMessages
internal import SwiftProtobuf

/// The configuration file, checked by the same walker as requests.
package enum ConfigurationFile {
    /// Reads the text of a configuration file.
    package static func parse(_ text: [UInt8]) throws(SchemaViolation) -> WireConfiguration {
        let set = SchemaSet.current
        guard let schema = set.message(named: WireConfiguration.protoMessageName) else {
            preconditionFailure("the definitions lack the configuration")
        }
        do { try text.span.requireUTF8() } catch { throw SchemaViolation(error) }
        try SchemaWalker(set).check(text.span, in: 0..<text.count, as: schema)
        do {
            return try WireConfiguration(jsonUTF8Bytes: text)
        } catch {
            throw SchemaViolation("cannot be decoded: \(error)")
        }
    }
}
