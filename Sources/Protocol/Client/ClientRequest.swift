internal import SwiftProtobuf

/// The lines that a client sends.
package enum ClientRequest {
    /// A request as one line, line feed included.
    package static func line(_ request: Request, id: RequestID, outOfBand: Bool = false) throws -> [UInt8] {
        try line(request.command.rawValue, arguments: request.arguments?.jsonUTF8Bytes(), id: id, outOfBand: outOfBand)
    }

    /// A request by name with arguments that are JSON already, for `swqctl raw` and tests of bad requests.
    package static func line(
        _ command: String, arguments: [UInt8]? = nil, id: RequestID = .none, outOfBand: Bool = false
    ) -> [UInt8] {
        var line = Array("{\"\(outOfBand ? "exec-oob" : "execute")\": \(JSONValue.quoted(command))".utf8)
        if let arguments { line += Array(", \"arguments\": ".utf8) + arguments }
        if !id.bytes.isEmpty { line += Array(", \"id\": ".utf8) + id.bytes }
        return line + Array("}\n".utf8)
    }
}
