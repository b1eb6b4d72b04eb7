import ProtocolMessages
import Testing

@testable import Protocol

/// The outcome of reading one request line.
func read(_ line: String) throws(RequestRefusal) -> RequestEnvelope {
    let bytes = Array(line.utf8)
    return try RequestEnvelope(bytes.span, in: 0..<bytes.count)
}

/// The refusal of a request line; nil if it is accepted.
func refusal(_ line: String) -> RequestRefusal? {
    do throws(RequestRefusal) {
        _ = try read(line).request()
        return nil
    } catch { return error }
}

@Suite("Request")
struct RequestEnvelopeTests {
    @Test func `Members stand in any order`() throws {
        let envelope = try read(#" {"id": {"a": [1, 2.50]}, "arguments": {"vm": 3}, "execute": "destroy-vm"} "#)
        #expect(envelope.command == .destroyVm)
        #expect(!envelope.isOutOfBand)
        #expect(String(decoding: envelope.id.bytes, as: UTF8.self) == #"{"a": [1, 2.50]}"#)
        guard case .destroyVm(let arguments) = try envelope.request() else { throw Unexpected() }
        #expect(arguments.vm == 3)
    }

    @Test func `exec-oob marks a request out of band`() throws {
        #expect(try read(#"{"exec-oob": "query-status"}"#).isOutOfBand)
    }

    @Test func `exec-oob is refused for a command that cannot overtake`() {
        #expect(refusal(#"{"exec-oob": "create-vm", "id": 1}"#)?.error.errorClass == .commandNotFound)
    }

    @Test func `Arguments may be left out when none is required`() throws {
        guard case .createVm(let arguments) = try read(#"{"execute": "create-vm"}"#).request() else {
            throw Unexpected()
        }
        #expect(!arguments.hasName && !arguments.hasPasidQuota)
    }

    @Test func `The id of a refused request is found behind the fault`() throws {
        let refused = try #require(refusal(#"{"what": 1, "execute": "query-status", "id": "a\"b"}"#))
        #expect(refused.error.path == "what")
        #expect(String(decoding: refused.id.bytes, as: UTF8.self) == #""a\"b""#)
    }

    @Test(
        arguments: [
            ("{}", ErrorClass.invalidArgument, "execute"),
            ("[]", .invalidJSON, nil),
            ("{", .invalidJSON, nil),
            (#"{"execute": "query-status"} x"#, .invalidJSON, nil),
            (#"{"execute": "query-status",}"#, .invalidJSON, nil),
            (#"{"execute" "query-status"}"#, .invalidJSON, nil),
            (#"{"execute": "query-status", "id": tru}"#, .invalidJSON, nil),
            (#"{"execute": "query-status", "id": truex}"#, .invalidJSON, nil),
            (#"{"execute": "query-status", "id": 01}"#, .invalidJSON, nil),
            (#"{"execute": "query-status", "id": 1.}"#, .invalidJSON, nil),
            (#"{"execute": "query-status", "id": +1}"#, .invalidJSON, nil),
            (#"{"execute": "query-status", "id": "\x"}"#, .invalidJSON, nil),
            (#"{"execute": "query-status", "id": "\ud800"}"#, .invalidJSON, nil),
            (#"{"execute": "query-status", "id": "\ud800\u0041"}"#, .invalidJSON, nil),
            ("{\"execute\": \"query-status\", \"id\": \"\u{1}\"}", .invalidJSON, nil),
            (#"{"execute": ["query-status"]}"#, .invalidArgument, "execute"),
            (#"{"execute": "query-status", "exec-oob": "query-status"}"#, .invalidArgument, "exec-oob"),
            (#"{"execute": "query-status", "id": 1, "id": 2}"#, .invalidArgument, "id"),
            (#"{"execute": "query-status", "arguments": {}, "arguments": {}}"#, .invalidArgument, "arguments"),
            (#"{"execute": "query-status", "arguments": null}"#, .invalidArgument, "arguments"),
            (#"{"execute": "query_status"}"#, .commandNotFound, "execute"),
            (#"{"execute": "QueryStatus"}"#, .commandNotFound, "execute"),
            (#"{"execute": "qmp-capabilities"}"#, .commandNotFound, "execute"),
            (#"{"execute": "query-stat\u0075s"}"#, .commandNotFound, "execute"),
        ] as [(String, ErrorClass, String?)])
    func `A frame that is not understood is refused`(line: String, errorClass: ErrorClass, path: String?) {
        let error = refusal(line)?.error
        #expect(error?.errorClass == errorClass)
        #expect(error?.path == path)
    }

    @Test func `Values nested to the limit are accepted, deeper ones refused`() {
        func line(_ depth: Int) -> String {
            #"{"execute": "query-status", "id": "#
                + String(repeating: "[", count: depth) + String(repeating: "]", count: depth) + "}"
        }
        #expect(refusal(line(JSONCursor.nestingDepthMax - 1)) == nil)
        #expect(refusal(line(JSONCursor.nestingDepthMax))?.error.errorClass == .invalidJSON)
    }

    struct Unexpected: Error {}
}
