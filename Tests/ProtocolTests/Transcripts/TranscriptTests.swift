import TestKit
import Testing

@testable import Protocol

@Suite("Transcripts")
struct TranscriptTests {
    /// The reply to a request: by its id, since a reply out of band may come first; the next one where there is no id.
    private func answer(
        to request: JSONValue, on connection: String, after index: Int, in transcript: Transcript
    ) -> JSONValue? {
        let received = transcript.steps[(index + 1)...].compactMap { next -> JSONValue? in
            if case .receive(let pattern, connection) = next.step { pattern } else { nil }
        }
        guard let id = request["id"] else { return received.first }
        return received.first { $0["id"] == id } ?? received.first
    }

    @Test func `Every request object fits its definition, or a refusal of its form follows`() throws {
        for transcript in try Transcript.all() {
            for (index, entry) in transcript.steps.enumerated() {
                guard case .send(let request, let connection) = entry.step else { continue }
                let place = "\(transcript.name):\(entry.line)"
                // Captured values are numbers in the requests of these files.
                let text = request.description.replacing(/"\$[a-z]+"/, with: "1")
                let answer = answer(to: request, on: connection, after: index, in: transcript)
                let wanted = answer?["error"]
                let found = refusal(text)?.error
                let formErrors = ["InvalidArgument", "InvalidJSON", "CommandNotFound"]
                if let wantedClass = wanted?["class"]?.text, formErrors.contains(wantedClass) {
                    #expect(found?.errorClass.rawValue == wantedClass, "\(place)")
                    #expect(found?.path == wanted?["path"]?.text, "\(place)")
                } else {
                    #expect(found == nil, "\(place)")
                }
            }
        }
    }

    @Test func `Every text that is sent is framed and refused, or accepted, as the next lines say`() throws {
        for transcript in try Transcript.all() {
            for (index, entry) in transcript.steps.enumerated() {
                guard case .sendText(let text, _) = entry.step else { continue }
                let bytes = Array(text.utf8)
                var framer = LineFramer(lineBytesMax: 1 << 20)
                var step = index
                while true {
                    let outcome = framer.next(in: bytes.span)
                    if outcome == .incomplete { break }
                    step += 1
                    guard case .receive(let pattern, _) = transcript.steps[step].step else {
                        Issue.record("\(transcript.name):\(entry.line) expects fewer lines")
                        break
                    }
                    let error: WireError? =
                        switch outcome {
                        case .request(let range): refusal(String(decoding: bytes[range], as: UTF8.self))?.error
                        case .failure(let failure): WireError(failure)
                        case .hot, .incomplete: nil
                        }
                    #expect(
                        error?.errorClass.rawValue == pattern["error"]?["class"]?.text,
                        "\(transcript.name):\(entry.line)")
                }
                #expect(step > index, "\(transcript.name):\(entry.line) is never answered")
            }
        }
    }

    @Test func `Every return pattern has the members of its command's definition`() throws {
        for transcript in try Transcript.all() {
            for (index, entry) in transcript.steps.enumerated() {
                guard case .send(let request, let connection) = entry.step,
                    let name = (request["execute"] ?? request["exec-oob"])?.text,
                    let description = CommandCatalogue.current.command(named: name),
                    let answer = answer(to: request, on: connection, after: index, in: transcript)?["return"],
                    case .object(let members) = answer
                else { continue }
                let known = Set(description.result.fields.map(\.name)).union(["*"])
                for member in members {
                    #expect(known.contains(member.name), "\(transcript.name):\(entry.line) \(member.name)")
                }
            }
        }
    }

    @Test func `query-commands names every command of this build`() throws {
        let transcript = try #require(try Transcript.all().first { $0.name == "03-query-commands" })
        let patterns = transcript.steps.compactMap { entry -> JSONValue? in
            if case .receive(let pattern, _) = entry.step { pattern["return"] } else { nil }
        }
        let names = CommandCatalogue.current.commands.map {
            JSONValue.object([.init(name: "name", value: .string($0.name))])
        }
        #expect(patterns.contains(.array(names)))
    }

    @Test func `Patterns match what they should and nothing else`() throws {
        func mismatch(_ pattern: String, _ value: String) throws -> String? {
            var bindings = TranscriptBindings()
            return bindings.mismatch(
                try JSONValue(parsing: Array(pattern.utf8)), try JSONValue(parsing: Array(value.utf8)))
        }
        #expect(try mismatch(#"{"a": "*uint", "b": ["*hex"]}"#, #"{"b": ["0x1f"], "a": "12"}"#) == nil)
        #expect(try mismatch(#"{"a": 1, "*": "*"}"#, #"{"a": 1, "b": 2}"#) == nil)
        #expect(try mismatch(#"{"a": 1}"#, #"{"a": 1, "b": 2}"#) != nil)
        #expect(try mismatch(#"{"a": 1, "b": 2}"#, #"{"a": 1}"#) != nil)
        #expect(try mismatch(#"["$x", "$x"]"#, "[1, 1]") == nil)
        #expect(try mismatch(#"["$x", "$x"]"#, "[1, 2]") != nil)
        #expect(try mismatch(#""*time""#, #""now""#) != nil)
        #expect(try mismatch(#""*text""#, #""""#) != nil)
        #expect(try mismatch("[1]", "[1, 2]") != nil)
    }
}
