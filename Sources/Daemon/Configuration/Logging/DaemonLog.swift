package import Logging
internal import Platform
internal import Synchronization

/// The daemon's log: one line an event, from any thread, with a level that can change while it is in use.
package struct DaemonLog: Sendable {
    private let threshold: LogThreshold
    private let format: LogFormat
    private let write: @Sendable (String) -> Void

    /// A log on standard error, or wherever `write` puts a line.
    package init(
        level: Logger.Level, format: LogFormat, write: @escaping @Sendable (String) -> Void = StandardError.write
    ) {
        threshold = LogThreshold(level)
        self.format = format
        self.write = write
    }

    /// A logger that writes here and follows ``setLevel(_:)``, until its own level is set.
    package var logger: Logger {
        Logger(label: "swqd") { _ in LineLogHandler(threshold: threshold, format: format, write: write) }
    }

    /// Changes the level of all loggers made here, at once.
    package func setLevel(_ level: Logger.Level) { threshold.level = level }
}

/// The level that the loggers of one log share.
private final class LogThreshold: Sendable {
    private let index: Atomic<Int>

    init(_ level: Logger.Level) {
        index = Atomic(Self.index(of: level))
    }

    var level: Logger.Level {
        get { Logger.Level.allCases[index.load(ordering: .relaxed)] }
        set { index.store(Self.index(of: newValue), ordering: .relaxed) }
    }

    private static func index(of level: Logger.Level) -> Int {
        guard let index = Logger.Level.allCases.firstIndex(of: level) else {
            preconditionFailure("every level is one of all levels")
        }
        return index
    }
}

/// Writes events as lines.
private struct LineLogHandler: LogHandler {
    let threshold: LogThreshold
    let format: LogFormat
    let write: @Sendable (String) -> Void
    var metadata: Logger.Metadata = [:]
    private var ownLevel: Logger.Level?

    init(threshold: LogThreshold, format: LogFormat, write: @escaping @Sendable (String) -> Void) {
        self.threshold = threshold
        self.format = format
        self.write = write
    }

    var logLevel: Logger.Level {
        get { ownLevel ?? threshold.level }
        set { ownLevel = newValue }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        write(format.line(for: event, metadata: metadata, wallNanoseconds: WallClock.nanoseconds()))
    }
}
