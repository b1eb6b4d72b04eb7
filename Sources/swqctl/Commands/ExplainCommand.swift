internal import ArgumentParser
internal import DSASpec
internal import Protocol

/// `swqctl explain`
struct ExplainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Decodes a descriptor or completion record and names every rule that it breaks.",
        discussion: """
              swqctl explain AAAAAAwAAAMgEAAQAAAAAAAAABAAAAAAAAgAEAAAAABAAAAA...
              swqctl explain --batch-member @descriptor.bin
              swqctl explain --record --operation compare 0x0101...

            Needs no daemon. The rules are those of the device that --general-capabilities and --operations describe, \
            and of a WQ that is shared, with PASID, without Block On Fault and with the largest sizes, unless the \
            options say otherwise. Exit status 3 if a rule is broken.
            """)

    @Argument(
        help: """
            64 bytes (--record: 32): base64, or hexadecimal digits, or @FILE that holds such text or the bytes \
            themselves, or - for the standard input.
            """)
    var input: String

    @Flag(help: "It is a completion record.")
    var record = false

    @Option(help: "--record: the operation that the record is of, by name or opcode.")
    var operation: OpcodeArgument?

    @OptionGroup(title: "Circumstances of a descriptor")
    var circumstances: ExplainCircumstances

    @OptionGroup(title: "Output")
    var output: OutputOptions

    // The root takes these before any command; here they must not be ignored.
    @OptionGroup(visibility: .hidden)
    var connection: ConnectionOptions

    func validate() throws {
        guard connection.isDefault else { throw ValidationError("explain needs no daemon, and no option for one.") }
        guard record || operation == nil else { throw ValidationError("--operation is for --record.") }
        guard !record || circumstances.isEmpty else {
            throw ValidationError("A completion record is explained without the circumstances of a descriptor.")
        }
    }

    func run() throws {
        let isValid: Bool
        if record {
            let bytes = try BinaryInput.bytes(input, byteCount: CompletionRecord.byteCount)
            let explanation = RecordExplanation(CompletionRecord(bytes), opcode: operation?.opcode)
            isValid = explanation.isValid
            try output.show(explanation.json) { _ in explanation.text }
        } else {
            let bytes = try BinaryInput.bytes(input, byteCount: Descriptor.byteCount)
            let explanation = DescriptorExplanation(Descriptor(bytes), in: circumstances.context)
            isValid = explanation.isValid
            try output.show(explanation.json) { _ in explanation.text }
        }
        if !isValid { throw ExitStatus.invalid.exit }
    }
}

/// An operation of the command line: `0x03`, `3`, `memory-move`.
struct OpcodeArgument: ExpressibleByArgument, Equatable {
    let opcode: Opcode

    init?(argument: String) {
        if let code = argument.hasPrefix("0x") ? UInt8(argument.dropFirst(2), radix: 16) : UInt8(argument) {
            opcode = Opcode(rawValue: code)
            return
        }
        let wanted = Self.letters(argument)
        let codes = (UInt8.min...UInt8.max).map(Opcode.init(rawValue:))
        guard let found = codes.first(where: { $0.name.map(Self.letters) == wanted }) else { return nil }
        opcode = found
    }

    /// Case and punctuation count for nothing.
    private static func letters(_ name: String) -> String {
        name.lowercased().filter(\.isLetter)
    }
}
