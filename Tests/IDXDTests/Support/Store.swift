import DSA
import DSASpec
import IDXD
import Machine
import PCIe
import Testing

/// A write that comes before the one that is looked at.
struct Write: Sendable {
    let text: String
    let file: String

    init(_ text: String, _ file: String) {
        self.text = text
        self.file = file
    }
}

/// One write, what it answers and what the file shows afterwards.
struct Store: Sendable, CustomTestStringConvertible {
    let text: String
    let file: String
    let answer: Answer
    let shown: String?
    let stage: Stage
    let profile: ProfileChange
    let before: [Write]

    /// - Parameters:
    ///   - shown: The text of the file afterwards; `nil` for what was written, or what was there if the write fails.
    ///   - stage: How far the device has come.
    ///   - before: Further writes that succeed.
    init(
        _ text: String, _ file: String, _ answer: Answer = .ok, shows shown: String? = nil, at stage: Stage = .blank,
        on profile: ProfileChange = .plain, after before: Write...
    ) {
        self.text = text
        self.file = file
        self.answer = answer
        self.shown = shown
        self.stage = stage
        self.profile = profile
        self.before = before
    }

    var testDescription: String {
        let text = text.count > 40 ? "\(text.count) characters" : "'\(text)'"
        return "\(text) into \(file), \(stage), \(profile.testDescription): \(answer.testDescription)"
    }

    func check() throws {
        let host = try Host.at(stage, profile.profile)
        for write in before { host.require(write.text, in: write.file) }
        let was = host.read(file)
        #expect(host.write(text, in: file) == answer)
        #expect(host.read(file) == (shown ?? (answer == .ok ? text : nil)).map { .text($0) } ?? was)
    }
}
