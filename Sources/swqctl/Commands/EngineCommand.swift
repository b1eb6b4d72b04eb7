internal import ArgumentParser
internal import Protocol
internal import ProtocolMessages

/// `swqctl engine`
struct EngineCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "engine", abstract: "Holds or releases engines, for tests of occupancy and Retry (experimental).",
        discussion: "A held engine takes no further descriptor from a WQ; what it has taken it completes.")

    static let needsAdmin = true

    /// What to do with the engine.
    enum Action: String, CaseIterable, ExpressibleByArgument {
        case hold
        case release
    }

    @Argument(help: "What to do.")
    var action: Action

    @Argument(help: "The engine: DEVICE/INDEX or DEVICE/engineN.INDEX; DEVICE for all of them.")
    var engine: EngineName

    @OptionGroup(title: "Connection")
    var connection: ConnectionOptions

    func run(on client: inout DaemonClient) throws {
        var arguments = WireXEngineHoldArguments()
        arguments.device = engine.device
        if let index = engine.index { arguments.engine = index }
        arguments.hold = action == .hold
        _ = try client.call(.xEngineHold(arguments))
    }
}
