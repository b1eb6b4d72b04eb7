internal import ArgumentParser
internal import Protocol
internal import ProtocolMessages

/// `swqctl devices`
struct DevicesCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "devices", abstract: "Devices with their WQs, engines and groups: configuration, state, counters.")

    @Argument(help: "Only the device of this name.")
    var device: String?

    @OptionGroup(title: "Connection")
    var connection: ConnectionOptions

    @OptionGroup(title: "Output")
    var output: OutputOptions

    func run(on client: inout DaemonClient) throws {
        var arguments = WireQueryDevicesArguments()
        if let device { arguments.device = device }
        try output.show(try client.call(.queryDevices(arguments)).body, DeviceTables.text)
    }
}

/// The devices for people.
enum DeviceTables {
    static let devices: [WireTable.Column] = [
        .left("DEVICE", "name"), .left("STATE", "state"), .left("PROFILE", "profile"), .left("VERSION", "version"),
        .left("RID", "rid"), .right("MAX TRANSFER 2^", "maxTransferShift"), .right("MAX BATCH 2^", "maxBatchShift"),
        .right("WQ ENTRIES", "totalWqSize"),
    ]

    static let queues: [WireTable.Column] = [
        .right("WQ", "index"), .left("NAME", "name"), .left("MODE", "mode"), .left("STATE", "state"),
        .right("GROUP", "group"), .right("PRIORITY", "priority"), .right("SIZE", "size"),
        .right("THRESHOLD", "threshold"), .right("OCCUPANCY", "occupancy"), .left("BOF", "blockOnFault"),
        .right("MAX TRANSFER 2^", "maxTransferShift"), .right("MAX BATCH 2^", "maxBatchShift"),
        .right("PASID", "pasid"), .right("PORTALS", "portals"), .right("ACCEPTED", "accepted"),
        .right("RETRIED", "retried"), .right("COMPLETED", "completed"), .right("ABANDONED", "abandoned"),
    ]

    static let engines: [WireTable.Column] = [
        .right("ENGINE", "index"), .right("GROUP", "group"), .left("HELD", "held"), .left("BUSY", "busy"),
        .right("DISPATCHED", "dispatched"),
    ]

    static let groups: [WireTable.Column] = [
        .right("GROUP", "index"), .left("WQS", "wqs"), .left("ENGINES", "engines"),
    ]

    /// A table of all devices, then those of each device's parts.
    static func text(_ devices: JSONValue) -> String {
        WireTable.text(Self.devices, devices) + devices.elements.map(parts).joined()
    }

    private static func parts(of device: JSONValue) -> String {
        var text = "\n\(TextTable.printable(WireText.cell(device["name"])))\n"
        for (columns, member) in [(queues, "wqs"), (engines, "engines"), (groups, "groups")] {
            guard let objects = device[member] else { continue }
            text += WireTable.text(columns, objects)
        }
        if let error = device["softwareError"] { text += "SWERROR  \(WireText.assignments(error))\n" }
        return text
    }
}
