import Protocol
import TestKit
import Testing

@Suite struct `Transcript replay` {
    @Test(arguments: try Transcript.all())
    func `A fresh daemon holds every golden conversation`(_ transcript: Transcript) throws {
        var options = DaemonProcess.Options()
        options.hasReadOnlySocket = true
        let daemon = try DaemonProcess.start(options)
        var player = TranscriptPlayer(daemon)
        for (line, step) in transcript.steps {
            if let fault = try player.play(step) {
                Issue.record("\(transcript.name).jsonl:\(line) \(fault)")
                return
            }
        }
    }
}
