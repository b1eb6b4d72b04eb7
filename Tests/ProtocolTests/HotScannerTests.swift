import Foundation
import ProtocolMessages
import TestKit
import Testing

@testable import Protocol

@Suite("Hot scanner")
struct HotScannerTests {
    private func scan(_ line: [UInt8]) -> HotRequest? {
        var request = HotRequest()
        return HotScanner.scan(line.span, from: 0, into: &request) ? request : nil
    }

    private func scan(_ line: String) -> HotRequest? { scan(Array(line.utf8)) }

    private func base64(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }

    @Test func `A submission is read in one pass`() throws {
        let bytes = (0..<64).map { UInt8($0 * 3 + 1) }
        let descriptor = base64(bytes)
        let line = #"""
            {"execute": "enqcmds", "arguments": {"destination": "0x7f00000010C0", "descriptor": "\#(descriptor)"}, \#
            "id": 12}
            """#
        let request = try #require(scan(line))
        #expect(request.instruction == .enqcmds)
        #expect(request.destination == 0x7f00_0000_10c0)
        #expect(!request.loadsSource)
        #expect(request.end == line.utf8.count)
        #expect(String(decoding: Array(line.utf8)[request.id], as: UTF8.self) == "12")
        #expect(descriptorBytes(request) == bytes)
    }

    @Test func `The scanner stops at the closing brace`() throws {
        let one = #"{"id":"x","arguments":{"source":"0x1","destination":"0x2"},"execute":"movdir64b"}"#
        let request = try #require(scan(one + one))
        #expect(request.end == one.utf8.count)
        #expect(request.loadsSource && request.source == 1 && request.destination == 2)
    }

    @Test func `A framer yields submissions hot, also when they arrive in pieces`() {
        let submission = Array(#"{"execute": "enqcmd", "arguments": {"destination": "0x40", "source": "0x80"}}"#.utf8)
        let other = Array(#"{"execute": "query-status"}"#.utf8)
        let bytes = submission + other + submission
        for cut in 0...bytes.count {
            var framer = LineFramer(lineBytesMax: 1024)
            var hot = HotRequest()
            var outcomes: [String] = []
            var buffer: [UInt8] = []
            for piece in [bytes[..<cut], bytes[cut...]] {
                buffer += piece
                while true {
                    let outcome = framer.next(in: buffer.span, hot: &hot)
                    if outcome == .incomplete { break }
                    outcomes.append(outcome == .hot ? "hot" : "other")
                }
                buffer.removeFirst(framer.dropConsumed())
            }
            #expect(outcomes == ["hot", "other", "hot"], "cut at \(cut)")
        }
    }

    @Test func `A submission longer than the limit is left to the framer`() {
        let line = Array(#"{"execute": "enqcmd", "arguments": {"destination": "0x40", "source": "0x80"}}"#.utf8)
        var framer = LineFramer(lineBytesMax: 40)
        var hot = HotRequest()
        #expect(framer.next(in: line.span, hot: &hot) == .failure(.lineTooLong(limit: 40)))
    }

    @Test(arguments: UInt64(0)..<64)
    func `Every line that ENQCMD clients write is recognised`(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<100 {
            let line = randomLine(&generator)
            #expect(scan(line) != nil, "seed \(seed): \(String(decoding: line, as: UTF8.self))")
            try agree(line, seed)
        }
    }

    @Test(arguments: UInt64(0)..<128)
    func `What the scanner accepts the general decoder accepts with the same meaning`(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let alphabet =
            Array("{}[]\",:0123456789.-+eExXaAfFuU\\/= \t\n\r\u{7f}idenqcmds".utf8) + [0x00, 0x80, 0xc3, 0xff]
        for _ in 0..<200 {
            var line = randomLine(&generator)
            for _ in 0..<Int.random(in: 1...3, using: &generator) {
                let index = Int.random(in: 0..<line.count, using: &generator)
                switch Int.random(in: 0..<5, using: &generator) {
                case 0: line.remove(at: index)
                case 1: line.insert(alphabet.randomElement(using: &generator)!, at: index)
                case 2: line[index] = alphabet.randomElement(using: &generator)!
                case 3: line[index] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
                default: line.removeSubrange(index..<min(line.count, index + Int.random(in: 1...40, using: &generator)))
                }
                if line.isEmpty { break }
            }
            try agree(line, seed)
        }
    }

    @Test func `A line cut anywhere is not recognised`() {
        let descriptor = base64([UInt8](repeating: 7, count: 64))
        let line = Array(
            #"{"execute": "enqcmd", "arguments": {"destination": "0x40", "descriptor": "\#(descriptor)"}, "id": "abc"}"#
                .utf8)
        for count in 0..<line.count { #expect(scan(Array(line[..<count])) == nil, "\(count) bytes") }
    }

    @Test func `Every character of base64 is decoded, every other refused`() throws {
        for character in UInt8.min...UInt8.max {
            let digits = String(repeating: "A", count: 86)
            var line = Array(
                #"{"execute": "enqcmd", "arguments": {"destination": "0x40", "descriptor": "\#(digits)=="}}"#.utf8)
            let index = try #require(line.firstIndex(of: UInt8(ascii: "="))) - 30
            line[index] = character
            try agree(line, 0)
            let text = String(decoding: [character], as: UTF8.self)
            let isDigit =
                Data(base64Encoded: "AA" + text + "A") != nil && character < 0x80 && character != UInt8(ascii: "=")
            #expect((scan(line) != nil) == isDigit, "character \(character)")
        }
    }

    /// Demands of a line that the scanner recognises that the general decoder reads the same.
    private func agree(_ line: [UInt8], _ seed: UInt64) throws {
        guard let hot = scan(line) else { return }
        let text = String(decoding: line, as: UTF8.self)
        // The general path: framed, checked, decoded.
        var framer = LineFramer(lineBytesMax: 1 << 20)
        guard case .request(let range) = framer.next(in: line.span) else {
            Issue.record("seed \(seed): the framer finds no request in \(text)")
            return
        }
        #expect(range == 0..<hot.end, "seed \(seed): \(text)")
        let envelope: RequestEnvelope
        do { envelope = try RequestEnvelope(line.span, in: range) } catch {
            Issue.record("seed \(seed): refused with \(error): \(text)")
            return
        }
        #expect(envelope.id.bytes == Array(line[hot.id]), "seed \(seed): \(text)")
        #expect(envelope.command == hot.instruction.command, "seed \(seed): \(text)")
        let general: HotRequest?
        switch try envelope.request() {
        case .enqcmd(let arguments): general = HotRequest(.enqcmd, arguments)
        case .enqcmds(let arguments): general = HotRequest(.enqcmds, arguments)
        case .movdir64b(let arguments): general = HotRequest(.movdir64b, arguments)
        default: general = nil
        }
        let wanted = try #require(general, "seed \(seed): \(text)")
        #expect(wanted.instruction == hot.instruction, "seed \(seed): \(text)")
        #expect(wanted.destination == hot.destination, "seed \(seed): \(text)")
        #expect(wanted.loadsSource == hot.loadsSource, "seed \(seed): \(text)")
        if wanted.loadsSource {
            #expect(wanted.source == hot.source, "seed \(seed): \(text)")
        } else {
            #expect(descriptorBytes(wanted) == descriptorBytes(hot), "seed \(seed): \(text)")
        }
    }

    private func descriptorBytes(_ request: HotRequest) -> [UInt8] {
        (0..<64).map { UInt8(truncatingIfNeeded: request.descriptor[$0 / 8] >> UInt64($0 % 8 * 8)) }
    }

    /// A line as a client might write it: members in any order, blanks anywhere, an id of either kind or none.
    private func randomLine(_ generator: inout SeededGenerator) -> [UInt8] {
        func blanks(_ generator: inout SeededGenerator) -> String {
            String(repeating: " ", count: [0, 0, 1, 1, 2, 5].randomElement(using: &generator)!)
        }
        func object(_ members: [(String, String)], _ generator: inout SeededGenerator) -> String {
            var text = "{"
            for (index, member) in members.shuffled(using: &generator).enumerated() {
                if index > 0 { text += "," }
                text += blanks(&generator) + "\"\(member.0)\"" + blanks(&generator) + ":" + blanks(&generator)
                text += member.1 + blanks(&generator)
            }
            return text + "}"
        }
        func address(_ generator: inout SeededGenerator) -> String {
            let value =
                UInt64.random(in: 0...UInt64.max, using: &generator) >> UInt64.random(in: 0..<64, using: &generator)
            return "\"0x" + String(value, radix: 16, uppercase: Bool.random(using: &generator)) + "\""
        }
        let bytes = (0..<64).map { _ in UInt8.random(in: 0...255, using: &generator) }
        let operand =
            Int.random(in: 0..<4, using: &generator) == 0
            ? ("source", address(&generator)) : ("descriptor", "\"\(base64(bytes))\"")
        var members = [
            ("execute", ["\"enqcmd\"", "\"enqcmds\"", "\"movdir64b\""].randomElement(using: &generator)!),
            ("arguments", object([("destination", address(&generator)), operand], &generator)),
        ]
        switch Int.random(in: 0..<4, using: &generator) {
        case 0: break
        case 1: members.append(("id", "\"__qmp#\(Int.random(in: 0..<100_000, using: &generator))\""))
        default: members.append(("id", String(Int.random(in: -5..<1_000_000, using: &generator))))
        }
        return Array(object(members, &generator).utf8)
    }
}
