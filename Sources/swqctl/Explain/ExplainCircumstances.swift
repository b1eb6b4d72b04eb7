internal import ArgumentParser
internal import DSASpec

/// What the checks of a descriptor depend on besides its bytes (DSA 3.0 §5.4), as options.
struct ExplainCircumstances: ParsableArguments {
    @Flag(help: "It was read from the list of a Batch.")
    var batchMember = false

    @Flag(help: "The WQ is dedicated.")
    var dedicated = false

    @Flag(help: "WQCFG PASID Enable is 0.")
    var noPasid = false

    @Flag(help: "WQCFG Priv of a dedicated WQ, or the Priv of a member's Batch, is 1.")
    var privileged = false

    @Flag(help: "Privileged Mode Enable of the PASID capability is 1.")
    var privilegedMode = false

    @Flag(help: "WQCFG BOF Enable is 1.")
    var blockOnFault = false

    @Flag(help: "GENCFG User-mode Interrupts Enable is 1.")
    var userInterrupts = false

    @Flag(help: "The interrupt entry that the handle names is not granted to the PASID.")
    var handleNotGranted = false

    @Flag(help: "TC-A of the group names a traffic class that is not enabled.")
    var noTcA = false

    @Flag(help: "TC-B of the group names a traffic class that is not enabled.")
    var noTcB = false

    @Option(help: ArgumentHelp("OPCAP and OPCFG: bit n is opcode n. (default: what swqd emulates)", valueName: "hex"))
    var operations: OperationsArgument?

    @Option(help: ArgumentHelp("GENCAP. (default: that of a DSA 1.0 device)", valueName: "hex"))
    var generalCapabilities: CapabilitiesArgument?

    @Option(help: ArgumentHelp("WQCFG Maximum Transfer Size: 2^n bytes. (default: the device's)", valueName: "n"))
    var maxTransferShift: UInt8?

    @Option(help: ArgumentHelp("WQCFG Maximum Batch Size: 2^n descriptors. (default: the device's)", valueName: "n"))
    var maxBatchShift: UInt8?

    @Option(help: ArgumentHelp("Entries of the portal's interrupt table. (default: 9)", valueName: "n"))
    var interruptHandles: UInt16?

    func validate() throws {
        guard maxTransferShift ?? 0 <= 31 else { throw ValidationError("--max-transfer-shift is at most 31.") }
        guard maxBatchShift ?? 0 <= 15 else { throw ValidationError("--max-batch-shift is at most 15.") }
        guard !privileged || dedicated || batchMember else {
            throw ValidationError(
                "--privileged is for --dedicated or --batch-member: in a shared WQ Priv is the descriptor's own bit 31."
            )
        }
    }

    /// Nothing was given.
    var isEmpty: Bool {
        ![
            batchMember, dedicated, noPasid, privileged, privilegedMode, blockOnFault, userInterrupts,
            handleNotGranted, noTcA, noTcB,
        ].contains(true) && operations == nil && generalCapabilities == nil && maxTransferShift == nil
            && maxBatchShift == nil && interruptHandles == nil
    }

    /// The same for the checks.
    var context: CheckContext {
        var context = CheckContext(
            generalCapabilities: generalCapabilities?.value ?? .dsa1, operations: operations?.value ?? .architectural1)
        context.isBatchMember = batchMember
        context.isShared = !dedicated
        context.isPASIDEnabled = !noPasid
        context.isPrivileged = privileged
        context.isPrivilegedModeEnabled = privilegedMode
        context.isBlockOnFaultEnabled = blockOnFault
        context.areUserInterruptsEnabled = userInterrupts
        context.isInterruptHandleGranted = !handleNotGranted
        context.isTrafficClassAEnabled = !noTcA
        context.isTrafficClassBEnabled = !noTcB
        if let maxTransferShift { context.maximumTransferShift = maxTransferShift }
        if let maxBatchShift { context.maximumBatchShift = maxBatchShift }
        if let interruptHandles { context.interruptHandleCount = interruptHandles }
        return context
    }
}

/// GENCAP on the command line: up to 16 hexadecimal digits, `0x` before them or not.
struct CapabilitiesArgument: ExpressibleByArgument, Equatable {
    let value: GeneralCapabilities

    init?(argument: String) {
        guard let bits = HexadecimalArgument.bits(argument, digitsMax: 16) else { return nil }
        value = GeneralCapabilities(rawValue: bits)
    }
}

/// A set of operations on the command line: up to 64 hexadecimal digits, as `swqctl devices --json` shows it.
struct OperationsArgument: ExpressibleByArgument, Equatable {
    let value: OpcodeSet

    init?(argument: String) {
        guard let bits = HexadecimalArgument.bits(argument, digitsMax: 64) else { return nil }
        value = OpcodeSet(bits: bits)
    }
}

/// Hexadecimal numbers of the command line.
enum HexadecimalArgument {
    /// The number; `nil` for anything but up to `digitsMax` digits, and for what needs more than 64 bits.
    static func bits(_ text: String, digitsMax: Int) -> UInt64? {
        let digits = text.hasPrefix("0x") || text.hasPrefix("0X") ? text.dropFirst(2) : text[...]
        guard (1...digitsMax).contains(digits.count), digits.allSatisfy({ $0.isASCII && $0.isHexDigit }) else {
            return nil
        }
        let significant = digits.drop { $0 == "0" }
        return significant.isEmpty ? 0 : UInt64(significant, radix: 16)
    }
}
