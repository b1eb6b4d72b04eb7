import ProtocolMessages
import TestKit
import Testing

@testable import Protocol

@Suite("Client")
struct ClientTests {
    @Test func `A request written by the client is the request read by the daemon`() throws {
        var arguments = WireMapPortalArguments()
        arguments.device = "dsa\"0"
        arguments.wq = 0
        arguments.portal = .unlimited
        let line = try ClientRequest.line(.mapPortal(arguments), id: RequestID(3))
        #expect(line.last == UInt8(ascii: "\n"))
        let envelope = try RequestEnvelope(line.span, in: 0..<line.count)
        guard case .mapPortal(let received) = try envelope.request() else { throw Wrong() }
        #expect(received == arguments)
        #expect(envelope.id == RequestID(3))
    }

    @Test func `Returns, errors and events are told apart`() throws {
        let result = try ClientMessage(Array(#"{"return": {"vm": 3}, "id": 1}"#.utf8))
        #expect(result.kind == .result)
        #expect(result.id == .number("1"))
        #expect(try result.decode(WireCreateVmReturn.self).vm == 3)
        let error = try ClientMessage(Array(#"{"error": {"class": "NotFound", "desc": "d"}}"#.utf8))
        #expect(error.kind == .error(class: "NotFound", description: "d", path: nil))
        let event = try ClientMessage(
            Array(#"{"event": "SHUTDOWN", "data": {}, "timestamp": {"seconds": 1, "microseconds": 2}}"#.utf8))
        #expect(event.kind == .event(name: "SHUTDOWN", timestamp: EventTimestamp(seconds: 1, microseconds: 2)))
    }

    @Test func `A bare array is decoded as items, and members of a newer daemon are ignored`() throws {
        let message = try ClientMessage(Array(#"{"return": [{"name": "a", "new": 1}]}"#.utf8))
        #expect(try message.decode(WireQueryCommandsReturn.self).items.map(\.name) == ["a"])
    }

    @Test(arguments: ["", "nonsense", "{}", "[]", #"{"error": {}}"#, #"{"event": "X"}"#])
    func `A line that is no message is refused`(line: String) {
        #expect(throws: ClientMessage.Fault.self) { try ClientMessage(Array(line.utf8)) }
    }

    @Test(arguments: [
        "null", "true", "-1.5e+3", #""\u0001\"\\é""#, "[]", "{}", #"{"a": [1, {"b": null}], "c": "😀"}"#,
    ])
    func `A JSON value is written as it was read`(text: String) throws {
        #expect(try JSONValue(parsing: Array(text.utf8)).description == text)
    }

    @Test func `Escape sequences are replaced`() throws {
        #expect(
            try JSONValue(parsing: Array(#""a\/\b\f\n\r\t\u00e9\ud83d\ude00z""#.utf8)).text == "a/\u{8}\u{c}\n\r\té😀z")
    }

    struct Wrong: Error {}
}

@Suite("Values")
struct ValueTests {
    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (951_782_400_000_000_000, "2000-02-29T00:00:00.000000000Z"),
            (1_764_000_000_123_456_789, "2025-11-24T16:00:00.123456789Z"),
            (4_107_542_399_999_999_999, "2100-02-28T23:59:59.999999999Z"),
            (4_107_542_400_000_000_000, "2100-03-01T00:00:00.000000000Z"),
        ] as [(Int64, String)])
    func `Times are written with nine digits and read back`(nanoseconds: Int64, text: String) {
        #expect(UTCTime.text(nanoseconds: nanoseconds) == text)
        #expect(UTCTime.nanoseconds(text) == nanoseconds)
    }

    @Test(arguments: UInt64(0)..<8)
    func `Any time survives being written and read`(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<1000 {
            let time = Int64.random(in: 0..<9_214_646_400_000_000_000, using: &generator)
            #expect(UTCTime.nanoseconds(UTCTime.text(nanoseconds: time)) == time, "seed \(seed)")
        }
    }

    @Test func `A fraction may be short or absent`() {
        #expect(UTCTime.nanoseconds("1970-01-01T00:00:01Z") == 1_000_000_000)
        #expect(UTCTime.nanoseconds("1970-01-01T00:00:01.5Z") == 1_500_000_000)
    }

    @Test(arguments: [
        "", "1970-01-01", "1970-01-01T00:00:00", "1970-01-01T00:00:00.Z", "1970-01-01T00:00:00.0000000000Z",
        "1970-13-01T00:00:00Z", "1970-00-01T00:00:00Z", "1970-01-32T00:00:00Z", "1970-04-31T00:00:00Z",
        "2100-02-29T00:00:00Z", "1970-01-01T24:00:00Z", "1970-01-01T00:60:00Z", "1970-01-01T00:00:60Z",
        "1969-12-31T23:59:59Z", "2262-01-01T00:00:00Z", "1970-01-01t00:00:00z", "1970-01-01T00:00:00 Z",
        "1970-01-01T00:00:-1Z", "+970-01-01T00:00:00Z",
    ])
    func `What is not a time in UTC is refused`(text: String) {
        #expect(UTCTime.nanoseconds(text) == nil)
    }

    @Test func `Addresses are written without leading zeros and read in either case`() {
        #expect(Hexadecimal.text(UInt64(0)) == "0x0")
        #expect(Hexadecimal.text(UInt64.max) == "0xffffffffffffffff")
        #expect(Hexadecimal.value("0xABcd") == 0xabcd)
        #expect(Hexadecimal.value("0xffffffffffffffff") == .max)
        for text in ["", "0x", "12", "0x10000000000000000", "0xg", "-0x1", "0x 1"] {
            #expect(Hexadecimal.value(text) == nil)
        }
    }
}
