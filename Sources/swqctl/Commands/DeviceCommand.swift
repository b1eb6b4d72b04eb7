internal import ArgumentParser
internal import Protocol
internal import ProtocolMessages

/// `swqctl device`
struct DeviceCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "device", abstract: "Writes a device's command register and waits for its status.",
        discussion: "clear-error clears the valid and overflow bits of SWERROR instead.")

    static let needsAdmin = true

    /// What to do with the device.
    enum Action: String, CaseIterable, ExpressibleByArgument {
        case enable
        case disable
        case drain
        case abort
        case reset
        case clearError = "clear-error"
    }

    @Argument(help: "What to do.")
    var action: Action

    @Argument(help: "Name of the device.")
    var device: String

    @Option(help: ArgumentHelp("drain, abort: only descriptors of this host PASID.", valueName: "n"))
    var pasid: UInt32?

    @OptionGroup(title: "Connection")
    var connection: ConnectionOptions

    func validate() throws {
        guard pasid == nil || action == .drain || action == .abort else {
            throw ValidationError("--pasid is for drain and abort.")
        }
        guard pasid ?? 0 < 1 << 20 else { throw ValidationError("--pasid is at most 1048575.") }
    }

    func run(on client: inout DaemonClient) throws {
        switch action {
        case .enable: try client.command(.enableDevice, device)
        case .disable: try client.command(.disableDevice, device)
        case .drain: try client.command(pasid == nil ? .drainAll : .drainPasid, device, operand: pasid ?? 0)
        case .abort: try client.command(pasid == nil ? .abortAll : .abortPasid, device, operand: pasid ?? 0)
        case .reset: try client.command(.resetDevice, device)
        case .clearError:
            var arguments = WireClearSoftwareErrorArguments()
            arguments.device = device
            _ = try client.call(.clearSoftwareError(arguments))
        }
    }
}

extension DaemonClient {
    /// Writes the command register of a device (DSA 3.0 §9.2.11). A command status other than success is thrown.
    mutating func command(
        _ command: WireDeviceCommandArguments.Command, _ device: String, operand: UInt32 = 0
    ) throws(ClientError) {
        var arguments = WireDeviceCommandArguments()
        arguments.device = device
        arguments.command = command
        if operand != 0 { arguments.operand = Hexadecimal.text(operand) }
        let status = try call(.deviceCommand(arguments), returning: WireDeviceCommandReturn.self)
        guard status.error == 0 else { throw .commandStatus(code: status.error, name: status.name) }
    }
}
