internal import ArgumentParser

/// A VM with one vCPU: this process is the client of its hypervisor, its kernel and its program.
struct GuestRole: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "guest", abstract: "Be a guest; started by the role run.", shouldDisplay: false)

    @OptionGroup var options: ParticipantOptions

    @Flag(help: "First submit once under a guest PASID that nobody bound.")
    var tryUnbound = false

    func run() throws {
        try play(options) { try Guest(options, triesUnbound: tryUnbound) }
    }
}
