internal import ArgumentParser
internal import Glibc
internal import Platform

/// What the two participating roles are told.
struct ParticipantOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The daemon's main socket.", valueName: "path"))
    var socket: String

    @Option(help: ArgumentHelp("Name for people.", valueName: "text"))
    var name: String

    @Option(help: ArgumentHelp("Descriptors to submit.", valueName: "n"))
    var count: Int

    @Option(help: ArgumentHelp("Seed of operands and data.", valueName: "n"))
    var seed: UInt64
}

/// Who submits: a guest or the host user, connected and bound, with a portal mapped.
protocol Participant {
    /// Who it is to the daemon.
    var participation: Participation { get }

    /// The descriptors to submit.
    func makeWorkload(seed: UInt64) -> Workload

    /// Undoes what was bound.
    func leave() throws
}

/// Plays a role as the process that started this one orders, over standard input.
func play(_ options: ParticipantOptions, _ enter: () throws -> some Participant) throws {
    var channel = try ControlChannel(adopting: OwnedFD(adopting: STDIN_FILENO))
    do {
        let participant = try enter()
        try channel.send(ParticipantMessage.prepared(participant.participation))
        var workload = participant.makeWorkload(seed: options.seed)
        while true {
            switch try channel.receive(ParticipantOrder.self) {
            case .fillQueue:
                try workload.submitUntilRetry()
                try channel.send(ParticipantMessage.retried)
            case .run:
                try workload.run(descriptorCount: options.count)
                try channel.send(ParticipantMessage.finished(workload.totals))
            case .leave:
                try participant.leave()
                return
            }
        }
    } catch {
        try channel.send(ParticipantMessage.failed("\(error)"))
        throw ExitCode.failure
    }
}
