internal import ArgumentParser

/// A program of the host, native mode.
struct HostRole: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "host", abstract: "Be the host user; started by the role run.", shouldDisplay: false)

    @OptionGroup var options: ParticipantOptions

    func run() throws {
        try play(options) { try HostUser(options) }
    }
}
