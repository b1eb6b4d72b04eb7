internal import ArgumentParser
internal import DSASpec
internal import Protocol
internal import ProtocolMessages

/// `swqctl registers`
struct RegistersCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "registers", abstract: "The registers of a device and its tables GRPCFG and WQCFG.",
        discussion: """
            Reads them as a driver does, through BAR0. A value of more than 8 bytes is shown in parts of 8, the low \
            ones first. What reads as 0 throughout is left out.
            """)

    static let needsAdmin = true

    @Argument(help: "Name of the device.")
    var device: String

    @Flag(help: "Show what reads as 0, too.")
    var all = false

    @OptionGroup(title: "Connection")
    var connection: ConnectionOptions

    @OptionGroup(title: "Output")
    var output: OutputOptions

    func run(on client: inout DaemonClient) throws {
        var values = try RegisterValues.all { offset, size throws(ClientError) in
            try client.readRegister(at: offset, size: size, of: device)
        }
        if !all { values.removeAll { $0.words.allSatisfy { $0 == 0 } } }
        try output.show(.array(values.map(\.json)), RegisterValues.text)
    }
}

/// A register or a table's entry with what it holds.
struct RegisterValues {
    let name: String
    /// Where it begins in BAR0.
    let offset: Int
    let byteCount: Int
    /// Its bytes in parts of 8, or of 4 if it has 4.
    let words: [UInt64]

    private static let columns: [WireTable.Column] = [
        .right("OFFSET", "offset"), .left("REGISTER", "register"), .right("SIZE", "size"), .left("VALUE", "value"),
    ]

    static func text(_ values: JSONValue) -> String { WireTable.text(columns, values) }

    var json: JSONValue {
        .object([
            JSONValue.Member(name: "offset", value: .string(Hexadecimal.text(UInt64(offset)))),
            JSONValue.Member(name: "register", value: .string(name)),
            JSONValue.Member(name: "size", value: .number("\(byteCount)")),
            JSONValue.Member(name: "value", value: .array(words.map { .string(Hexadecimal.text($0)) })),
        ])
    }

    /// Everything that a driver finds by way of the capability registers and OFFSETS.
    static func all<Failure>(
        read: (_ offset: Int, _ size: UInt32) throws(Failure) -> UInt64
    ) throws(Failure) -> [RegisterValues] {
        func value(_ name: String, at offset: Int, byteCount: Int) throws(Failure) -> RegisterValues {
            let size = min(byteCount, 8)
            var words: [UInt64] = []
            for part in 0..<byteCount / size { words.append(try read(offset + part * size, UInt32(size))) }
            return RegisterValues(name: name, offset: offset, byteCount: byteCount, words: words)
        }
        var values: [RegisterValues] = []
        for register in Register.allCases {
            values.append(try value(register.name, at: register.offset, byteCount: register.byteCount))
        }
        func word(_ register: Register, _ index: Int = 0) -> UInt64 {
            values.first { $0.offset == register.offset }?.words[index] ?? 0
        }
        let tables = TableOffsets(word0: word(.tableOffsets), word1: word(.tableOffsets, 1))
        let groups = GroupCapabilities(rawValue: word(.groupCapabilities))
        for group in 0..<groups.count {
            values.append(
                try value(
                    "GRPCFG[\(group)]",
                    at: tables.groupConfiguration + group * RegisterLayout.groupEntryByteCount,
                    byteCount: RegisterLayout.groupEntryByteCount))
        }
        let queues = WorkQueueCapabilities(rawValue: word(.workQueueCapabilities))
        for queue in 0..<queues.count {
            values.append(
                try value(
                    "WQCFG[\(queue)]", at: tables.workQueueConfiguration + queue * queues.entryByteCount,
                    byteCount: queues.entryByteCount))
        }
        return values
    }
}

extension DaemonClient {
    /// Reads a register of a device.
    mutating func readRegister(at offset: Int, size: UInt32, of device: String) throws(ClientError) -> UInt64 {
        var arguments = WireReadRegisterArguments()
        arguments.device = device
        arguments.offset = Hexadecimal.text(UInt64(offset))
        arguments.size = size
        let answer = try call(.readRegister(arguments), returning: WireReadRegisterReturn.self)
        guard let value = Hexadecimal.value(answer.value) else { throw .broken("\(answer.value) is no value") }
        return value
    }
}
