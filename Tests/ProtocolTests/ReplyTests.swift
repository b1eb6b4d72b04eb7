import ProtocolMessages
import SwiftProtobuf
import TestKit
import Testing

@testable import Protocol

extension OutputBuffer {
    /// What has been written, as text.
    var text: String { unsafe withBytes { unsafe String(decoding: $0, as: UTF8.self) } }
}

@Suite("Reply")
struct ReplyTests {
    private let id = RequestID(7)

    @Test func `A return is one line and echoes the id byte for byte`() throws {
        var output = OutputBuffer()
        var result = WireAttachProcessReturn()
        result.process = 4
        result.thread = 0
        output.append(result, id: try read(#"{"execute": "query-status", "id": {"b":1.50, "a" : "\u00e9"}}"#).id)
        #expect(output.text == #"{"return": {"process":4,"thread":0}, "id": {"b":1.50, "a" : "\u00e9"}}"# + "\n")
    }

    @Test func `A return without id has none`() {
        var output = OutputBuffer()
        output.append(WireEmpty(), id: .none)
        output.appendEmptyReturn(id: .none)
        #expect(output.text == "{\"return\": {}}\n{\"return\": {}}\n")
    }

    @Test func `A return whose only field is items is a bare array`() {
        var output = OutputBuffer()
        var result = WireQueryCommandsReturn()
        output.append(result, id: id)
        result.items = ["a", "b"].map { name in .with { $0.name = name } }
        output.append(result, id: id)
        #expect(
            output.text == "{\"return\": [], \"id\": 7}\n" + #"{"return": [{"name":"a"},{"name":"b"}], "id": 7}"# + "\n"
        )
    }

    @Test func `An error has class, description and path`() {
        var output = OutputBuffer()
        output.append(WireError(.notFound, "no \"x\"\n", path: "arguments.vm"), id: id)
        #expect(
            output.text
                == #"{"error": {"class": "NotFound", "desc": "no \"x\"\n", "path": "arguments.vm"}, "id": 7}"# + "\n")
    }

    @Test func `An event has name, data and timestamp`() {
        var output = OutputBuffer()
        output.append(
            .vmCreated(
                .with {
                    $0.vm = 0
                    $0.name = "a:b"
                }), at: EventTimestamp(seconds: 12, microseconds: 5))
        output.append(.shutdown(WireShutdownEvent()), at: EventTimestamp(seconds: 13, microseconds: 0))
        #expect(
            output.text == """
                {"event": "VM_CREATED", "data": {"vm":0,"name":"a:b"}, "timestamp": {"seconds": 12, "microseconds": 5}}
                {"event": "SHUTDOWN", "data": {}, "timestamp": {"seconds": 13, "microseconds": 0}}

                """)
    }

    @Test func `The greeting is that of QMP with all limits`() throws {
        var output = OutputBuffer()
        var limits = WireLimitsConfiguration()
        limits.lineBytes = 1024
        output.append(
            Greeting(
                version: .init(major: 1, minor: 2, micro: 3), package: "swqd 1.2.3", limits: limits, requiresToken: true
            ))
        let message = try ClientMessage(Array(output.text.utf8))
        #expect(message.kind == .greeting)
        #expect(message.body["version"]?["qemu"]?["minor"]?.unsigned == 2)
        #expect(message.body["version"]?["package"]?.text == "swqd 1.2.3")
        #expect(message.body["capabilities"] == .array([.string("oob")]))
        #expect(message.body["limits"]?["lineBytes"]?.unsigned == 1024)
        #expect(message.body["authentication"]?.text == "token")
    }

    @Test func `The hot replies say what the general writer says`() throws {
        let line = Array(#"{"execute": "enqcmd", "id": "a b"}"#.utf8)
        let range = 28..<33
        var accepted = WireSubmissionReturn()
        accepted.zf = false
        var retried = WireSubmissionReturn()
        retried.zf = true
        retried.rflags = Hexadecimal.text(UInt64(0x42))
        for id in [range, range.lowerBound..<range.lowerBound] {
            var hot = OutputBuffer()
            hot.appendAccepted(id: id, in: line.span)
            hot.appendRetry(id: id, in: line.span)
            hot.appendPosted(id: id, in: line.span)
            var general = OutputBuffer()
            let requestID = RequestID(bytes: Array(line[id]))
            general.append(accepted, id: requestID)
            general.append(retried, id: requestID)
            general.append(WireMovdir64bReturn(), id: requestID)
            let hotLines = hot.text.split(separator: "\n")
            let generalLines = general.text.split(separator: "\n")
            #expect(hotLines.count == 3)
            for (a, b) in zip(hotLines, generalLines) {
                #expect(try JSONValue(parsing: Array(a.utf8)) == JSONValue(parsing: Array(b.utf8)))
            }
        }
    }
}

@Suite("Output buffer")
struct OutputBufferTests {
    @Test(arguments: UInt64(0)..<16)
    func `Bytes leave in the order in which they came`(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var buffer = OutputBuffer(capacity: 1)
        var model: [UInt8] = []
        for _ in 0..<500 {
            switch Int.random(in: 0..<4, using: &generator) {
            case 0:
                buffer.append("literal")
                model += Array("literal".utf8)
            case 1:
                let bytes = (0..<Int.random(in: 0..<200, using: &generator)).map { UInt8(truncatingIfNeeded: $0) }
                buffer.append(bytes.span)
                model += bytes
            case 2:
                let count = Int.random(in: 0...model.count, using: &generator)
                buffer.removeFirst(count)
                model.removeFirst(count)
            default:
                buffer.shrink(to: Int.random(in: 0..<512, using: &generator))
            }
            let count = buffer.count
            #expect(count == model.count, "seed \(seed)")
            let waiting = unsafe buffer.withBytes { unsafe Array($0) }
            #expect(waiting == model, "seed \(seed)")
        }
    }
}
