internal import ArgumentParser
internal import Protocol
internal import ProtocolMessages

/// `swqctl devices`
struct DevicesCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "devices", abstract: "Devices with their WQs, engines and groups: configuration, state, counters.",
        discussion: "TRANSFER and BATCH are the most bytes and descriptors. --json has unused WQs and groups too.")

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
        .left("RID", "rid"), .power("TRANSFER", "maxTransferShift"), .power("BATCH", "maxBatchShift"),
        .right("WQ ENTRIES", "totalWqSize"),
    ]

    static let queues: [WireTable.Column] = [
        .right("WQ", "index"), .left("MODE", "mode"), .left("STATE", "state"),
        .right("GROUP", "group"), .right("PRIORITY", "priority"), .right("SIZE", "size"),
        .right("THRESHOLD", "threshold"), .right("OCCUPANCY", "occupancy"), .left("BOF", "blockOnFault"),
        .power("TRANSFER", "maxTransferShift"), .power("BATCH", "maxBatchShift"),
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
        let allQueues = device["wqs"]?.elements ?? []
        let usedQueues = allQueues.filter { $0["size"]?.unsigned != 0 }
        text += WireTable.text(queues, .array(usedQueues))
        text += unused(allQueues.count - usedQueues.count, "without entries")
        text += WireTable.text(engines, device["engines"])
        let allGroups = device["groups"]?.elements ?? []
        let usedGroups = allGroups.filter { $0["wqs"] != nil || $0["engines"] != nil }
        text += WireTable.text(groups, .array(usedGroups))
        text += unused(allGroups.count - usedGroups.count, "empty")
        if let error = device["softwareError"] { text += "SWERROR  \(WireText.assignments(error))\n" }
        return text
    }

    /// What stands for rows that would say nothing.
    private static func unused(_ count: Int, _ why: String) -> String {
        count == 0 ? "" : "(\(count) more, \(why))\n"
    }
}
