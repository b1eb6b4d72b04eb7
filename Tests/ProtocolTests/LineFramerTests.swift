import TestKit
import Testing

@testable import Protocol

@Suite("Line framing")
struct LineFramerTests {
    /// What a framer makes of bytes that arrive in pieces, as text.
    private func frames(_ pieces: [[UInt8]], lineBytesMax: Int = 1024) -> [String] {
        var framer = LineFramer(lineBytesMax: lineBytesMax)
        var buffer: [UInt8] = []
        var found: [String] = []
        for piece in pieces {
            buffer += piece
            scan: while true {
                switch framer.next(in: buffer.span) {
                case .request(let range): found.append(String(decoding: buffer[range], as: UTF8.self))
                case .failure(let failure): found.append("! \(failure)")
                case .hot: found.append("hot")
                case .incomplete: break scan
                }
            }
            buffer.removeFirst(framer.dropConsumed())
        }
        return found
    }

    private func frames(_ text: String, lineBytesMax: Int = 1024) -> [String] {
        frames([Array(text.utf8)], lineBytesMax: lineBytesMax)
    }

    @Test func `A request ends at the brace that closes it`() {
        #expect(frames(#"{"a": {"b": "}"}}{"c": 1}"#) == [#"{"a": {"b": "}"}}"#, #"{"c": 1}"#])
    }

    @Test func `White space between requests is skipped`() {
        #expect(frames("\r\n \t{}\n\n {} \r\n{}") == ["{}", "{}", "{}"])
    }

    @Test func `Escaped quotes and braces in strings do not end a request`() {
        #expect(frames(#"{"a": "\"}\\"}{}"#) == [#"{"a": "\"}\\"}"#, "{}"])
    }

    @Test(arguments: ["{\"a\":\n{}", "{\"a\n{}", "{\"a\\\n{}"])
    func `A line feed inside an object is an error, and the framer goes on behind it`(text: String) {
        #expect(frames(text) == ["! lineFeedInsideObject", "{}"])
    }

    @Test func `Text that does not begin with a brace ends at a line feed`() {
        #expect(frames("[1, {}]\nx}\n{}") == ["[1, {}]", "x}", "{}"])
        #expect(frames("no line feed yet {}") == [])
    }

    @Test func `A request of exactly the longest length is accepted`() {
        #expect(frames(#"{"a": 1}"#, lineBytesMax: 8) == [#"{"a": 1}"#])
        #expect(frames("12345678\n", lineBytesMax: 8) == ["12345678"])
    }

    @Test func `A longer request is refused once and discarded up to the line feed`() {
        #expect(frames(#"{"a": 12}"# + "\n{}", lineBytesMax: 8) == ["! lineTooLong(limit: 8)", "{}"])
        #expect(frames("123456789\n{}", lineBytesMax: 8) == ["! lineTooLong(limit: 8)", "{}"])
        let flood = [[UInt8]](repeating: Array("\"xxxxxxx".utf8), count: 1000) + [Array("\n{}".utf8)]
        #expect(frames(flood, lineBytesMax: 16) == ["! lineTooLong(limit: 16)", "{}"])
    }

    @Test func `Bytes that are discarded need not be kept`() {
        var framer = LineFramer(lineBytesMax: 8)
        let piece = [UInt8](repeating: UInt8(ascii: "{"), count: 100)
        #expect(framer.next(in: piece.span) == .failure(.lineTooLong(limit: 8)))
        #expect(framer.next(in: piece.span) == .incomplete)
        #expect(framer.dropConsumed() == 100)
    }

    @Test func `A request that is not UTF-8 is refused and names the byte`() {
        #expect(
            frames([Array("{\"a\": \"".utf8) + [0xff, 0x22, 0x7d], Array("{}".utf8)])
                == ["! invalidUTF8(offset: 7)", "{}"])
    }

    @Test(arguments: UInt64(0)..<64)
    func `How the bytes are cut into reads does not matter`(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let parts = [
            "{}", "{\"a\": [{}, \"}\\\"\"]}", "\n", " ", "junk\n", "{\"b\":\n", "{\"\u{e9}\": 1}",
            "{\"long\": \"0123456789012345\"}\n",
        ]
        let text = (0..<20).map { _ in parts.randomElement(using: &generator)! }.joined()
        let bytes = Array(text.utf8)
        var pieces: [[UInt8]] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = Int.random(in: 1...min(7, rest.count), using: &generator)
            pieces.append(Array(rest.prefix(count)))
            rest = rest.dropFirst(count)
        }
        #expect(frames(pieces, lineBytesMax: 24) == frames([bytes], lineBytesMax: 24), "seed \(seed)")
    }
}
