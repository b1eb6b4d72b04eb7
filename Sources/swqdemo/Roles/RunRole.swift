internal import ArgumentParser
internal import Platform
internal import Protocol
internal import ProtocolMessages

/// Starts everything, watches, compares, and cleans up.
struct RunRole: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Run the demonstration.",
        discussion: "Exit status: 0 when everything held; else 1, with the reason on standard error.")

    @Option(help: ArgumentHelp("The daemon to start.", valueName: "path"))
    var daemon: String

    @Option(help: ArgumentHelp("An existing directory for sockets and state.", valueName: "path"))
    var directory: String

    @Option(help: ArgumentHelp("Descriptors that each participant submits.", valueName: "n"))
    var count = 4000

    @Option(help: ArgumentHelp("Seed of operands and data. Default: a new one.", valueName: "n"))
    var seed: UInt64?

    func validate() throws {
        // Each must be able to fill the WQ.
        guard count >= Workload.slotCount else { throw ValidationError("--count is at least \(Workload.slotCount).") }
    }

    func run() throws {
        let seed = seed ?? UInt64.random(in: 1...UInt64(UInt32.max))
        print("swqd demo: two guests and a host user share WQ \(Setting.workQueue) of \(Setting.device), seed \(seed)")
        let daemon = try DaemonProgram(path: daemon, directory: directory)
        do {
            let totals = try demonstrate(on: daemon, seed: seed)
            try daemon.stop()
            print("  swqd: stopped, status 0")
            print(
                "demo: accepted=\(totals.accepted) completed=\(totals.completed) retried=\(totals.retried) "
                    + "lost=\(totals.lost)")
        } catch {
            throw DemoError("\(error)\nThe daemon's log:\n\(daemon.log)")
        }
    }

    private func demonstrate(on daemon: DaemonProgram, seed: UInt64) throws -> Totals {
        let path = daemon.socketPath
        print("  swqd: pid \(daemon.id), default configuration")
        let admin = try DaemonConnection(path: daemon.adminSocketPath)
        let participants = [
            try start("guest 1", ["guest", "--try-unbound"], path, seed),
            try start("guest 2", ["guest"], path, seed &+ 1),
            try start("host user", ["host"], path, seed &+ 2),
        ]
        let participations = try participants.map { try $0.waitUntilPrepared() }
        guard let unbound = participations[0].unboundSubmission else { throw DemoError("nothing unbound was tried") }
        print("  guest 1: ENQCMD under an unbound PASID: \(unbound)")

        // The engines take nothing until each has met a full WQ: all three are submitting, and Retry is no accident.
        try admin.call(.holdEngines(true))
        for participant in participants { try participant.order(.fillQueue) }
        for participant in participants { try participant.waitUntilRetried() }
        print("  engines held: the WQ is full, and each participant was answered with Retry")
        for participant in participants { try participant.order(.run) }
        try admin.call(.holdEngines(false))
        let outcomes = try zip(participants, participations).map { participant, participation in
            Outcome(
                name: participant.name, id: participant.id, participation: participation,
                totals: try participant.waitUntilFinished())
        }
        for participant in participants { try participant.leave() }
        print("  every completion record and every byte was right:")
        print(TextTable.text([Outcome.headings] + outcomes.map(\.cells)))

        let totals = outcomes.map(\.totals).reduce(Totals(), +)
        try check(outcomes, totals, on: admin)
        return totals
    }

    private func start(
        _ name: String, _ role: [String], _ socketPath: String, _ seed: UInt64
    ) throws -> ParticipantProgram {
        try ParticipantProgram(name: name, role: role, socketPath: socketPath, count: count, seed: seed)
    }

    /// Compares what the participants say with the daemon's totals and its history, which it prints.
    private func check(_ outcomes: [Outcome], _ totals: Totals, on admin: DaemonConnection) throws {
        let found = try admin.call(
            .queryHistory(WireQueryHistoryArguments()), returning: WireQueryHistoryReturn.self)
        let history = HistoryCheck(events: found.events)
        print("  the history:")
        print(history.table)
        try history.require(outcomes)

        let devices = try admin.call(
            .queryDevices(WireQueryDevicesArguments()), returning: WireQueryDevicesReturn.self)
        let status = StatusCheck(
            status: try admin.call(.queryStatus, returning: WireQueryStatusReturn.self),
            queues: devices.items.flatMap(\.wqs))
        try status.require(totals)
        try DemoError.require(
            totals.accepted == UInt64(count * outcomes.count) && totals.lost == 0 && totals.retried > 0
                && totals.fixups == 1,
            "the participants count \(totals)")
        print("  totals and history of the daemon agree with the participants")
    }
}
