import Daemon
import Glibc
import Logging
import Platform
import Testing

/// Keeps the lines of a log.
private final class Lines: Sendable {
    private let lines = Guarded<[String]>([])

    var all: [String] { lines.withLock { $0 } }

    func append(_ line: String) { lines.withLock { $0.append(line) } }
}

private struct Refusal: Error, CustomStringConvertible {
    let description: String
}

@Suite struct `Log lines` {
    private func event(
        _ message: Logger.Message, level: Logger.Level = .info, error: (any Error)? = nil,
        metadata: Logger.Metadata? = nil
    ) -> LogEvent {
        LogEvent(
            level: level, message: message, error: error, metadata: metadata, source: nil, file: "", function: "",
            line: 0)
    }

    @Test func `A plain line begins with the time in UTC and the level`() {
        let line = LogFormat.plain.line(
            for: event("a client was refused", level: .warning, metadata: ["uid": "1000", "cause": "no token"]),
            metadata: ["connection": "7"], wallNanoseconds: 1_769_903_999_123_456_789)
        #expect(
            line == #"2026-01-31T23:59:59.123Z warning: a client was refused cause="no token" connection=7 uid=1000"#)
    }

    @Test(arguments: [
        (Logger.Level.trace, 7), (.debug, 7), (.info, 6), (.notice, 5), (.warning, 4), (.error, 3), (.critical, 2),
    ])
    func `A line for the journal begins with the priority`(_ level: Logger.Level, _ priority: Int) {
        let line = LogFormat.journal.line(for: event("stopped", level: level), metadata: [:], wallNanoseconds: 0)
        #expect(line == "<\(priority)>stopped")
    }

    @Test func `No text of a client forges a line or reaches the terminal`() {
        let line = LogFormat.journal.line(
            for: event(
                "sent \"a\"\n<0>b\u{1B}[2J", error: Refusal(description: "x\ny"),
                metadata: ["name": "c\nd", "empty": "", "sum": "1=1"]), metadata: [:], wallNanoseconds: 0)
        #expect(
            line == #"<6>sent \"a\"\n<0>b\u001b[2J error="x\ny" empty="" name="c\nd" sum="1=1""#)
    }

    @Test func `The event's metadata goes over the logger's`() {
        let lines = Lines()
        var logger = DaemonLog(level: .info, format: .journal, write: lines.append).logger
        logger[metadataKey: "vm"] = "1"
        logger.info("one")
        logger.info("two", metadata: ["vm": "2"])
        #expect(lines.all == ["<6>one vm=1", "<6>two vm=2"])
    }

    @Test func `A change of level reaches the loggers there are, except those with a level of their own`() {
        let lines = Lines()
        let log = DaemonLog(level: .info, format: .journal, write: lines.append)
        let logger = log.logger
        var own = log.logger
        own.logLevel = .error
        logger.debug("too little")
        log.setLevel(.debug)
        logger.debug("now enough")
        own.warning("still too little")
        log.setLevel(.critical)
        logger.error("too little again")
        own.error("enough for its own")
        #expect(lines.all == ["<7>now enough", "<3>enough for its own"])
        #expect(logger.logLevel == .critical)
    }

    @Test func `The format is the journal's when the descriptor is the one that JOURNAL_STREAM names`() throws {
        let directory = try ConfigurationDirectory()
        let path = try directory.write("log", "")
        let file = OwnedFD(adopting: unsafe open(path, O_WRONLY | O_CLOEXEC))
        var info = stat()
        #expect(unsafe fstat(file.rawValue, &info) == 0)
        let stream = "\(info.st_dev):\(info.st_ino)"
        func isJournal(_ environment: [String: String]) -> Bool {
            if case .journal = LogFormat(environment: environment, descriptor: file.rawValue) { true } else { false }
        }
        #expect(isJournal(["JOURNAL_STREAM": stream]))
        #expect(!isJournal(["JOURNAL_STREAM": stream + "0"]))
        #expect(!isJournal(["JOURNAL_STREAM": ""]))
        #expect(!isJournal([:]))
    }
}

@Suite struct `Exit status` {
    @Test(arguments: [
        (ConfigurationError(.flag("--tcp"), "x") as any Error, DaemonExitStatus.usage),
        (ConfigurationError(.variable("SWQD_TCP_LISTEN"), "x"), .configuration),
        (ConfigurationError(.member(file: "f", path: "tcp"), "x"), .configuration),
        (ConfigurationError(.standard("stateDir"), "x"), .configuration),
        (ListenError.alreadyServed(path: "p", holder: nil), .unavailable),
        (LockFileError.held(path: "p", holder: nil), .unavailable),
        (ListenError.notASocket(path: "p"), .configuration),
        (ListenError.system(SystemError(operation: "bind", code: EACCES)), .permission),
        (LockFileError.system(SystemError(operation: "open", code: EROFS)), .system),
        (SystemError(operation: "mkdir", code: EPERM), .permission),
        (Refusal(description: "unforeseen"), .software),
    ])
    func `It tells apart what the one who started the daemon can do about it`(
        _ error: any Error, _ status: DaemonExitStatus
    ) {
        #expect(DaemonExitStatus(error) == status)
    }
}
