internal import ArgumentParser

/// The main job in one command: two guests and a host user, three processes, share one WQ of a daemon.
@main
struct Swqdemo: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "swqdemo",
        abstract: "Two guests and a host user submit to one shared work queue at the same time.",
        discussion: """
            The role `run` starts a daemon with the default configuration and this program three times more, as two \
            guests and a host user. They submit to WQ 0 of dsa0 through its limited portal and check every completion \
            record and every byte. Then `run` compares what they saw with the daemon's totals and its history.
            """,
        subcommands: [RunRole.self, GuestRole.self, HostRole.self])
}
