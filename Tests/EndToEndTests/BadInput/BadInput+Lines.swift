import Protocol
import ProtocolMessages
import TestKit
import Testing

extension BadInput {
    /// Bytes that are no request.
    static let lines: [BadInput] = [
        BadInput("a line that is too long", on: .init(configuration: #"{"limits": {"lineBytes": 1024}}"#)) { stage in
            let client = try stage.daemon.client()
            let padding = String(repeating: " ", count: 2048)
            try client.send(text: #"{"execute": "query-version", \#(padding)"id": 1}"#)
            // Once, whatever follows up to the line feed.
            try client.send(text: padding + "\n" + #"{"execute": "query-version"}"#)
            #expect(try client.receiveUnidentifiedRefusal().errorClass == "LineTooLong")
            #expect(try client.receiveUnidentified().kind == .result)
        },
        refused("a line that is not UTF-8", Array(#"{"execute": "query-version", "id": ""#.utf8) + [0xFF, 0x22, 0x7D]),
        refused("a line that is not JSON", Array("GET / HTTP/1.1\r\n".utf8)),
        refused("a line whose object is not closed", Array("{\"execute\": \"query-version\"\n".utf8)),
        refused("a line that is no object", Array("[{\"execute\": \"query-version\"}]\n".utf8)),
        refused("a line with a NUL", Array("{\"execute\": \"query-version\u{0}\"}".utf8)),
        refused(
            "a line nested too deep",
            Array((#"{"execute": "query-version", "id": "# + brackets("[") + brackets("]") + "}").utf8)),
    ]

    private static func brackets(_ bracket: String) -> String { String(repeating: bracket, count: 32) }

    /// Bytes that are answered with InvalidJSON, after which the connection goes on.
    private static func refused(_ description: String, _ bytes: [UInt8]) -> BadInput {
        BadInput(description) { stage in
            let client = try stage.daemon.client()
            try client.send(bytes: bytes)
            #expect(try client.receiveUnidentifiedRefusal().errorClass == "InvalidJSON")
            #expect(try client.status().state == .running)
        }
    }
}
