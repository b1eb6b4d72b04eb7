internal import ArgumentParser
internal import Protocol

/// `swqctl events`
struct EventsCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "events", abstract: "Prints events as they come, until the daemon stops or ^C.",
        discussion: """
            With --json each line is the event as the daemon sent it. SHUTDOWN and EVENTS_DROPPED come whatever is \
            asked for. A client sees events of its own processes and VMs; with --admin, all.
            """)

    @Argument(help: "Names of events, such as IOASID_BIND or ioasid-bind. (default: all)")
    var names: [String] = []

    @Option(help: ArgumentHelp("End after so many events.", valueName: "n"))
    var count: UInt64?

    @OptionGroup(title: "Connection")
    var connection: ConnectionOptions

    @OptionGroup(title: "Output")
    var output: OutputOptions

    func validate() throws {
        guard count != 0 else { throw ValidationError("--count is at least 1.") }
    }

    func run(on client: inout DaemonClient) throws {
        try client.subscribe(to: names.isEmpty ? ["*"] : names.map(EventLine.wireName))
        var printed: UInt64 = 0
        var isStopping = false
        while let event = try client.nextEvent() {
            guard case .event(let name, let timestamp) = event.message.kind else { continue }
            if output.json {
                try StandardOutput.write(event.line + [UInt8(ascii: "\n")])
            } else {
                try StandardOutput.write(EventLine.text(name, timestamp, event.message.body))
            }
            isStopping = isStopping || name == EventName.shutdown.rawValue
            printed += 1
            if printed == count { return }
        }
        guard isStopping else { throw ClientError.broken("the daemon closed the connection") }
    }
}

/// An event for people, on one line.
enum EventLine {
    private static let nameWidth = 20

    /// The name on the wire of an event as people may write it.
    static func wireName(_ name: String) -> String {
        name.uppercased().replacing("-", with: "_")
    }

    /// `2026-01-31T23:59:59.123456Z  IOASID_BIND           ioasid=7 set=1`
    static func text(_ name: String, _ timestamp: EventTimestamp, _ data: JSONValue) -> String {
        let nanoseconds = timestamp.seconds * 1_000_000_000 + Int64(timestamp.microseconds) * 1000
        // The last three digits of nine are zero in a time of microseconds.
        let time = UTCTime.text(nanoseconds: nanoseconds).dropLast(4) + "Z"
        let shown = TextTable.printable(name)
        let padding = String(repeating: " ", count: max(0, nameWidth - shown.count))
        let assignments = WireText.assignments(data)
        return "\(time)  \(shown)\(assignments.isEmpty ? "" : padding + "  " + assignments)\n"
    }
}
