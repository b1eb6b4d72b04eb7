internal import ArgumentParser
internal import Protocol
internal import ProtocolMessages

/// `swqctl history`
struct HistoryCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "history", abstract: "What happened to IOASIDs, and whose they were at a time.",
        discussion: """
            Events are allocations, binds, unbinds and frees in their order, and which devices a bound PASID got and \
            lost. Bindings are the intervals from bind to \
            unbind that were in force at one time.

              swqctl history --ioasid 7               what happened to PASID 7
              swqctl history --kind bind --from 1h    binds of the last hour
              swqctl history bindings                 who holds what now
              swqctl history --as-of 10m --ioasid 7   who held it 10 minutes ago

            A time is RFC 3339 in UTC (2026-01-31T23:59:59.5Z), a date (2026-01-31), or an age (90s, 10m, 2h, 7d).
            """)

    /// What the history is asked for.
    enum Subject: String, CaseIterable, ExpressibleByArgument {
        case events
        case bindings
    }

    @Argument(help: "events or bindings. (default: bindings with --as-of, else events)")
    var subject: Subject?

    @Option(help: ArgumentHelp("Only this host PASID.", valueName: "n"))
    var ioasid: UInt32?

    @Option(help: ArgumentHelp("Only this guest PASID.", valueName: "n"))
    var guestPasid: UInt32?

    @Option(help: ArgumentHelp("Only this VM.", valueName: "n"))
    var vm: UInt32?

    @Option(help: ArgumentHelp("Only this process, by the daemon's number.", valueName: "n"))
    var process: UInt32?

    @Option(help: ArgumentHelp("Only what this user did.", valueName: "n"))
    var uid: UInt32?

    @Option(help: "Only events of this kind.")
    var kind: HistoryKindArgument?

    @Option(help: ArgumentHelp("Only events from this time on.", valueName: "time"))
    var from: TimeArgument?

    @Option(help: ArgumentHelp("Only events before this time.", valueName: "time"))
    var to: TimeArgument?

    @Option(help: ArgumentHelp("As it was at this time.", valueName: "time"))
    var asOf: TimeArgument?

    @Option(help: ArgumentHelp("End after so many.", valueName: "n"))
    var limit: UInt64?

    @Option(
        help: ArgumentHelp("Go on behind this sequence number: `next` of the last page of --json.", valueName: "n"))
    var after: UInt64?

    @OptionGroup(title: "Connection")
    var connection: ConnectionOptions

    @OptionGroup(title: "Output")
    var output: OutputOptions

    func validate() throws {
        guard limit != 0 else { throw ValidationError("--limit is at least 1.") }
        guard resolvedSubject == .events || (kind == nil && from == nil && to == nil) else {
            throw ValidationError("--kind, --from and --to are for events, not for bindings.")
        }
    }

    /// What is asked for: a time alone asks for the state at that time.
    var resolvedSubject: Subject { subject ?? (asOf == nil ? .events : .bindings) }

    func run(on client: inout DaemonClient) throws {
        let pages = HistoryPages(subject: resolvedSubject)
        var table = WireTable(pages.columns)
        var remaining = limit
        var after = after
        var isFirst = true
        while true {
            let count = UInt32(min(remaining ?? .max, HistoryPages.countMax))
            let body = try client.call(request(limit: count, after: after)).body
            let rows = body[pages.member]
            if output.json {
                try StandardOutput.write(body.description + "\n")
            } else if isFirst || rows != nil {
                try StandardOutput.write(table.text(rows))
            }
            isFirst = false
            if let left = remaining { remaining = left - min(left, UInt64(rows?.elements.count ?? 0)) }
            guard let next = body["next"]?.unsigned, next != after, remaining != 0 else { return }
            after = next
        }
    }

    /// The request for one page.
    func request(limit: UInt32, after: UInt64?) -> Request {
        switch resolvedSubject {
        case .events: .queryHistory(eventArguments(limit: limit, after: after))
        case .bindings: .queryBindings(bindingArguments(limit: limit, after: after))
        }
    }

    private func eventArguments(limit: UInt32, after: UInt64?) -> WireQueryHistoryArguments {
        var arguments = WireQueryHistoryArguments()
        if let ioasid { arguments.ioasid = ioasid }
        if let guestPasid { arguments.guestPasid = guestPasid }
        if let vm { arguments.vm = vm }
        if let process { arguments.process = process }
        if let uid { arguments.uid = uid }
        if let kind { arguments.kind = kind.wire }
        if let from { arguments.fromTime = from.wire }
        if let to { arguments.toTime = to.wire }
        if let asOf { arguments.asOf = asOf.wire }
        if let after { arguments.after = after }
        arguments.limit = limit
        return arguments
    }

    private func bindingArguments(limit: UInt32, after: UInt64?) -> WireQueryBindingsArguments {
        var arguments = WireQueryBindingsArguments()
        if let ioasid { arguments.ioasid = ioasid }
        if let guestPasid { arguments.guestPasid = guestPasid }
        if let vm { arguments.vm = vm }
        if let process { arguments.process = process }
        if let uid { arguments.uid = uid }
        if let asOf { arguments.asOf = asOf.wire }
        if let after { arguments.after = after }
        arguments.limit = limit
        return arguments
    }
}

/// A kind of event on the command line.
enum HistoryKindArgument: String, CaseIterable, ExpressibleByArgument {
    case alloc
    case bind
    case unbind
    case free
    case bindDevice = "bind-device"
    case unbindDevice = "unbind-device"

    /// The same in the protocol.
    var wire: WireHistoryKind {
        switch self {
        case .alloc: .alloc
        case .bind: .bind
        case .unbind: .unbind
        case .free: .free
        case .bindDevice: .bindDevice
        case .unbindDevice: .unbindDevice
        }
    }
}

/// What the pages of an answer hold, and how it is shown.
struct HistoryPages {
    /// The most rows that the daemon gives at once.
    static let countMax: UInt64 = 1000

    static let events: [WireTable.Column] = [
        .right("SEQUENCE", "sequence"), .left("TIME", "time"), .left("KIND", "kind"), .right("IOASID", "ioasid"),
        .right("GUEST PASID", "guestPasid"), .right("SET", "set"), .right("VM", "vm"), .left("RID", "rid"),
        .right("PROCESS", "process"), .right("UID", "uid"), .right("PID", "pid"), .right("CONNECTION", "connection"),
        .left("CAUSE", "cause"),
    ]

    static let bindings: [WireTable.Column] = [
        .right("IOASID", "ioasid"), .right("GUEST PASID", "guestPasid"), .right("SET", "set"), .right("VM", "vm"),
        .left("RID", "rid"), .right("PROCESS", "process"), .right("UID", "uid"), .right("PID", "pid"),
        .right("CONNECTION", "connection"), .right("BIND", "boundSequence"), .left("BOUND", "boundTime"),
        .right("UNBIND", "unboundSequence"), .left("UNBOUND", "unboundTime"), .left("CAUSE", "unboundCause"),
        .left("LAST ALIVE", "lastAliveTime"), .left("IN FORCE", "certainty"),
    ]

    /// The member of a reply that holds the rows.
    let member: String
    let columns: [WireTable.Column]

    init(subject: HistoryCommand.Subject) {
        switch subject {
        case .events: (member, columns) = ("events", Self.events)
        case .bindings: (member, columns) = ("bindings", Self.bindings)
        }
    }
}
