internal import ArgumentParser
internal import Protocol
internal import ProtocolMessages

/// `swqctl wq`
struct WQCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "wq", abstract: "Enables, disables, drains, aborts, resets and configures a WQ.",
        discussion: """
              swqctl wq set dsa0/0 --threshold 8
              swqctl wq disable dsa0/wq0.1

            The threshold may be changed at any time, size and group while the device is disabled, and the rest while \
            the WQ is.
            """)

    static let needsAdmin = true

    /// What to do with the WQ.
    enum Action: String, CaseIterable, ExpressibleByArgument {
        case enable
        case disable
        case drain
        case abort
        case reset
        case set
    }

    /// Mode of a WQ.
    enum Mode: String, CaseIterable, ExpressibleByArgument {
        case shared
        case dedicated
    }

    @Argument(help: "What to do.")
    var action: Action

    @Argument(help: "The WQ: DEVICE/INDEX, or DEVICE/wqN.INDEX.")
    var wq: WQName

    @OptionGroup(title: "Settings")
    var settings: WQSettings

    @OptionGroup(title: "Connection")
    var connection: ConnectionOptions

    func validate() throws {
        if action == .set {
            guard !settings.isEmpty else { throw ValidationError("set needs a setting, such as --threshold.") }
        } else {
            guard settings.isEmpty else { throw ValidationError("Settings are for set.") }
        }
        guard wq.index < WQBitmap.countMax || action == .set || action == .enable else {
            throw ValidationError("A device has at most \(WQBitmap.countMax) WQs.")
        }
    }

    func run(on client: inout DaemonClient) throws {
        let bitmap = WQBitmap.operand(wq.index)
        switch action {
        case .enable: try client.command(.enableWq, wq.device, operand: wq.index)
        case .disable: try client.command(.disableWq, wq.device, operand: bitmap)
        case .drain: try client.command(.drainWq, wq.device, operand: bitmap)
        case .abort: try client.command(.abortWq, wq.device, operand: bitmap)
        case .reset: try client.command(.resetWq, wq.device, operand: bitmap)
        case .set: _ = try client.call(.configureWq(settings.arguments(for: wq)))
        }
    }
}

/// The operand of the commands that take several WQs (DSA 3.0 §9.2.11): bits 15:0 mask, 19:16 group of 16 WQs.
enum WQBitmap {
    /// WQs that the operand can name.
    static let countMax: UInt32 = 256

    /// The operand for one WQ, 0 to 255.
    static func operand(_ index: UInt32) -> UInt32 {
        (index / 16) << 16 | 1 << (index % 16)
    }
}

/// Fields of WQCFG. What is not given keeps its value.
struct WQSettings: ParsableArguments {
    @Option(help: "shared or dedicated.")
    var mode: WQCommand.Mode?

    @Option(help: ArgumentHelp("Entries.", valueName: "n"))
    var size: UInt32?

    @Option(help: ArgumentHelp("Occupancy from which a limited portal answers Retry.", valueName: "n"))
    var threshold: UInt32?

    @Option(help: ArgumentHelp("Weight in the arbitration of its group, 1 to 15.", valueName: "n"))
    var priority: UInt32?

    @Option(help: ArgumentHelp("Bytes of a transfer at most, as a power of two.", valueName: "n"))
    var maxTransferShift: UInt32?

    @Option(help: ArgumentHelp("Descriptors of a batch at most, as a power of two.", valueName: "n"))
    var maxBatchShift: UInt32?

    @Flag(inversion: .prefixedNo, help: "Block On Fault.")
    var blockOnFault: Bool?

    @Option(help: ArgumentHelp("PASID of a dedicated WQ.", valueName: "n"))
    var pasid: UInt32?

    @Option(help: ArgumentHelp("Group to move the WQ to.", valueName: "n"))
    var group: UInt32?

    /// Nothing was given.
    var isEmpty: Bool {
        mode == nil && size == nil && threshold == nil && priority == nil && maxTransferShift == nil
            && maxBatchShift == nil && blockOnFault == nil && pasid == nil && group == nil
    }

    func arguments(for wq: WQName) -> WireConfigureWqArguments {
        var arguments = WireConfigureWqArguments()
        arguments.device = wq.device
        arguments.wq = wq.index
        if let mode { arguments.mode = mode == .shared ? .shared : .dedicated }
        if let size { arguments.size = size }
        if let threshold { arguments.threshold = threshold }
        if let priority { arguments.priority = priority }
        if let maxTransferShift { arguments.maxTransferShift = maxTransferShift }
        if let maxBatchShift { arguments.maxBatchShift = maxBatchShift }
        if let blockOnFault { arguments.blockOnFault = blockOnFault }
        if let pasid { arguments.pasid = pasid }
        if let group { arguments.group = group }
        return arguments
    }
}
