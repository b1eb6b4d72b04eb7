internal import ArgumentParser
internal import Protocol

/// `swqctl shutdown`
struct ShutdownCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "shutdown", abstract: "Stops the daemon as SIGTERM does: drains, flushes, ends.",
        discussion: "Returns when the stop has begun; with --wait, when the daemon has closed the connection.")

    static let needsAdmin = true

    @Flag(help: "Wait until the daemon has closed the connection.")
    var wait = false

    @OptionGroup(title: "Connection")
    var connection: ConnectionOptions

    func run(on client: inout DaemonClient) throws {
        if wait { try client.subscribe(to: []) }
        _ = try client.call(.shutdown)
        guard wait else { return }
        while try client.nextEvent() != nil {}
    }
}
