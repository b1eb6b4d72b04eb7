import DSASpec
import Foundation
import Protocol
import ProtocolMessages
import SwiftProtobuf
import TestKit
import Testing

extension BadInput {
    /// Clients that stop half-way.
    static let clients: [BadInput] = [
        BadInput(
            "a client that stops reading", on: .init(configuration: #"{"limits": {"replyBytes": 65536}}"#),
            act: stopsReading),
        BadInput("a client that dies in the middle of a line") { stage in
            let client = try stage.daemon.client()
            let process = try client.attachProcess()
            try client.send(text: #"{"execute": "bind-process", "arguments": {"device": "ds"#)
            client.close()
            try stage.waitForEnd(ofProcess: process)
        },
        BadInput("a client that dies in the middle of a bind") { stage in
            let client = try stage.daemon.client([.outOfBand])
            let process = try client.attachProcess()
            try stage.admin.holdHistory()
            try client.send(.bindProcess(.with { $0.device = "dsa0" }))
            // What overtakes is answered, so the bind before it waits for its row.
            _ = try client.call(.queryStatus, outOfBand: true, returning: WireQueryStatusReturn.self)
            client.close()
            #expect(try stage.admin.history(.with { $0.process = process }).isEmpty)
            try stage.admin.holdHistory(false)
            try stage.waitForEnd(ofProcess: process)
            let events = try stage.admin.history(.with { $0.process = process })
            #expect(events.map(\.kind) == [.alloc, .bind, .unbind, .free])
            #expect(events.map(\.cause) == [.request, .request, .clientDied, .clientDied])
        },
        BadInput("a client that dies in the middle of an unbind") { stage in
            let connection = try stage.daemon.client([.outOfBand])
            let client = try Submitter.hostUser(connection)
            try stage.admin.holdHistory()
            try connection.send(.unbindProcess(.with { $0.device = "dsa0" }))
            _ = try connection.call(.queryStatus, outOfBand: true, returning: WireQueryStatusReturn.self)
            connection.close()
            let before = try stage.admin.history(.with { $0.process = client.owner })
            #expect(before.map(\.kind) == [.alloc, .bind])
            try stage.admin.holdHistory(false)
            try stage.waitForEnd(ofProcess: client.owner)
            let kinds = try stage.admin.history(.with { $0.process = client.owner }).map(\.kind)
            #expect(kinds == [.alloc, .bind, .unbind, .free])
        },
        BadInput(accepting: "a client that dies in the middle of a batch") { stage in
            let client = try Submitter.hostUser(try stage.daemon.client())
            try stage.admin.holdEngines()
            let target = try client.reserve(4096)
            let members = try (0..<16).map { index in
                Descriptor.fill(
                    0x5A5A, to: target + UInt64(index * 64), count: 64,
                    record: try client.reserve(UInt64(CompletionRecord.byteCount)))
            }
            let list = try client.reserve(UInt64(members.count * Descriptor.byteCount))
            try client.client.write(members.flatMap(\.bytes), at: list)
            _ = try client.submitAccepted { .batch(list: list, count: UInt32(members.count), record: $0) }
            #expect(try stage.admin.status().inFlight == 1)
            client.client.close()
            try stage.admin.holdEngines(false)
            try stage.waitForEnd(ofProcess: client.owner)
            return 1
        },
        BadInput("a client that says nothing more and reads on") { stage in
            let client = try stage.daemon.client()
            let process = try client.attachProcess()
            let bind = try client.send(.bindProcess(.with { $0.device = "dsa0" }))
            let query = try client.send(.queryProcessor)
            try client.finishSending()
            // Everything sent is answered before the connection closes.
            #expect(try client.receive(bind, returning: WireBindProcessReturn.self).pasid > 0)
            #expect(try client.receive(query, returning: WireQueryProcessorReturn.self).process == process)
            try client.waitForClose()
            try stage.waitForEnd(ofProcess: process)
        },
    ]

    /// Sends requests with long replies and reads none of these until the daemon takes no more requests.
    private static let stopsReading: @Sendable (BadInputStage) async throws -> Void = { stage in
        let client = try stage.daemon.client()
        // Replies are a hundred times as long: what one read brings would be answered with tens of megabytes.
        let padding = String(repeating: " ", count: 500)
        let line = Array(#"{"execute": "query-schema"\#(padding)}"#.utf8)
        let burst = Array(repeatElement(line, count: 1000).joined())
        let memoryBefore = try stage.daemon.peakMemoryByteCount()

        var sent = 0
        var refusals = 0
        // Each query of the witness is a turn of the loop, in which the daemon reads whom it will read.
        while refusals < 8 {
            let accepted = try client.sendWithoutWaiting(burst[(sent % burst.count)...])
            sent += accepted
            refusals = accepted > 0 ? 0 : refusals + 1
            _ = try stage.witness.client.status()
            guard sent < 16 << 20 else { throw TestFailure("the daemon reads on") }
        }
        #expect(try stage.daemon.peakMemoryByteCount() - memoryBefore < 8 << 20)

        // Reading again, the client gets a reply to each request, none lost.
        let whole = sent / line.count
        for _ in 0..<whole { try #require(try client.readLine()?.starts(with: Array(#"{"return""#.utf8)) == true) }
        try client.send(bytes: Array(line[(sent - whole * line.count)...]))
        #expect(try client.receiveUnidentified().kind == .result)
        #expect(try client.status().state == .running)
    }
}

extension DaemonProcess {
    /// The most memory that the daemon has had, in bytes.
    func peakMemoryByteCount() throws -> Int {
        let status = try String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
        guard let kibibytes = line?.split(whereSeparator: { " \t".contains($0) }).dropFirst().first.flatMap({ Int($0) })
        else { throw TestFailure("no VmHWM") }
        return kibibytes * 1024
    }
}
