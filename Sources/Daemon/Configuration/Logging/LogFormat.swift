internal import Glibc
package import Logging
internal import Protocol

/// How a log event becomes one line.
package enum LogFormat: Sendable {
    /// `2026-01-31T23:59:59.123Z warning: a client was refused uid=1000`
    case plain
    /// `<4>a client was refused uid=1000`: the journal adds the time, and reads the priority off the front.
    case journal

    /// The format for standard error: ``journal`` when that is connected to the journal, whose device and inode
    /// JOURNAL_STREAM names (systemd.exec(5)). A program that a service starts with its output elsewhere gets
    /// ``plain``.
    package init(environment: [String: String], descriptor: Int32 = STDERR_FILENO) {
        var info = stat()
        guard let stream = environment["JOURNAL_STREAM"], unsafe fstat(descriptor, &info) == 0,
            stream == "\(info.st_dev):\(info.st_ino)"
        else {
            self = .plain
            return
        }
        self = .journal
    }

    /// The line for an event, without the line feed.
    ///
    /// - Parameters:
    ///   - metadata: The handler's own, over which the event's goes.
    ///   - wallNanoseconds: Now, nanoseconds since 1970.
    package func line(for event: LogEvent, metadata: Logger.Metadata, wallNanoseconds: Int64) -> String {
        var line: String
        switch self {
        case .plain:
            // Milliseconds are as much as people read.
            let time = UTCTime.text(nanoseconds: max(0, wallNanoseconds)).prefix(23)
            line = "\(time)Z \(event.level): "
        case .journal:
            line = "<\(event.level.syslogPriority)>"
        }
        line += Self.onOneLine(event.message.description)
        if let error = event.error { line += " error=\(Self.value("\(error)"))" }
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
        for (name, value) in all.sorted(by: { $0.key < $1.key }) { line += " \(name)=\(Self.value(value.description))" }
        return line
    }

    private static func value(_ text: String) -> String {
        let isPlain = text.unicodeScalars.allSatisfy { scalar in
            switch scalar {
            case "\u{0}"..."\u{20}", "\u{7F}", "\"", "=", "\\": false
            default: true
            }
        }
        return isPlain && !text.isEmpty ? text : JSONValue.quoted(text)
    }

    /// What clients send ends up in messages: a line feed must not forge a line, nor an escape code reach a terminal.
    private static func onOneLine(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F }) else { return text }
        return String(JSONValue.quoted(text).dropFirst().dropLast())
    }
}

extension Logger.Level {
    /// The priority of syslog(3).
    fileprivate var syslogPriority: Int {
        switch self {
        case .trace, .debug: 7
        case .info: 6
        case .notice: 5
        case .warning: 4
        case .error: 3
        case .critical: 2
        }
    }
}
