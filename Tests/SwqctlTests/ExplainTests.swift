import ArgumentParser
import DSASpec
import Protocol
import TestKit
import Testing

@testable import swqctl

@Suite struct `Explained descriptor` {
    /// A Memory Move of 64 bytes with a completion record.
    private var move: Descriptor {
        var descriptor = Descriptor()
        descriptor.opcode = .memoryMove
        descriptor.flags = [.completionRecordAddressValid, .requestCompletionRecord]
        descriptor.word1 = 0x1000
        descriptor.word2 = 0x10_0000
        descriptor.word3 = 0x20_0000
        descriptor.transferSize = 64
        return descriptor
    }

    @Test func `Bytes become words in little-endian order`() {
        let descriptor = Descriptor((0..<64).map { UInt8($0) })
        #expect(descriptor.word0 == 0x0706_0504_0302_0100)
        #expect(descriptor.word7 == 0x3F3E_3D3C_3B3A_3938)
        #expect((0..<64).allSatisfy { descriptor.byte($0) == UInt8($0) })
    }

    @Test func `A descriptor that breaks no rule is valid`() {
        let explanation = DescriptorExplanation(move, in: .standard)
        #expect(explanation.isValid)
        #expect(explanation.text.hasSuffix("valid: no rule is broken\n"))
        #expect(explanation.json["valid"] == .bool(true))
        #expect(explanation.json["reported"] == nil)
    }

    @Test func `Every invalid flag is named with its bit and its rule`() {
        var descriptor = move
        descriptor.flags.formUnion([.fence, .blockOnFault, DescriptorFlags(rawValue: 1 << 15)])
        let text = DescriptorExplanation(descriptor, in: .standard).text
        for expected in [
            "flag 0 Fence = 1", "fence-outside-batch", "flag 1 Block On Fault = 1", "block-on-fault-disabled",
            "flag 15 = 1", "undefined-flag", "DSA 3.0 table 5-4",
            "invalid: the device reports status 0x11 (invalid flags) in the completion record",
        ] {
            #expect(text.contains(expected), "\(expected)")
        }
    }

    @Test func `A flag that is missing is shown as 0`() {
        var descriptor = move
        descriptor.opcode = .compare
        descriptor.flags = []
        descriptor.word1 = 0
        let text = DescriptorExplanation(descriptor, in: .standard).text
        #expect(text.contains("flag 2 Completion Record Address Valid = 0"))
        #expect(text.contains("missing-record-request"))
        #expect(text.contains("in SWERROR"))
    }

    @Test func `Reserved bytes are named one by one, with their values`() {
        var descriptor = move
        descriptor.word5 = 0x0200_0000_0000_0001
        let text = DescriptorExplanation(descriptor, in: .standard).text
        #expect(text.contains("reserved byte 40 = 0x1, reserved byte 47 = 0x2"))
    }

    @Test func `A named field that a flag reserves is called by its name`() {
        var descriptor = move
        descriptor.opcode = .crcGeneration
        descriptor.word3 = 0
        descriptor.word6 = 0x10000
        let text = DescriptorExplanation(descriptor, in: .standard).text
        #expect(text.contains("CRC Seed Address  byte-reserved-by-flag"))
    }

    @Test func `A record that must not be written leaves the error to SWERROR`() {
        var descriptor = move
        descriptor.word1 = 0x1008
        let explanation = DescriptorExplanation(descriptor, in: .standard)
        #expect(explanation.json["reported"]?["in"] == .string("swerror"))
        #expect(explanation.json["reported"]?["status"] == .string("0x1b"))
        #expect(explanation.text.contains("Completion Record Address  completion-record-misaligned"))
    }

    @Test(arguments: UInt64(0)..<16)
    func `Whatever the bytes are, text and JSON name every broken rule, and only those`(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let opcodes: [Opcode] = [
            .noOp, .batch, .drain, .memoryMove, .fill, .compare, .comparePattern, .dualcast, .crcGeneration,
            .copyWithCRC, .cacheFlush,
        ]
        for _ in 0..<50 {
            // Sparse bits, so that descriptors with few errors occur as well as those with many.
            let density = Int.random(in: 1...4, using: &random)
            let bytes = (0..<64).map { _ in
                (0..<density).reduce(UInt8.max) { bits, _ in bits & UInt8.random(in: 0...255, using: &random) }
            }
            var descriptor = Descriptor(bytes)
            if Bool.random(using: &random) { descriptor.opcode = opcodes.randomElement(using: &random) ?? .noOp }
            var context = CheckContext.standard
            context.isBatchMember = Bool.random(using: &random)
            context.isShared = Bool.random(using: &random)
            let rules = Set(DescriptorChecks.allFailures(of: descriptor, in: context).map(\.rule))
            let explanation = DescriptorExplanation(descriptor, in: context)
            #expect(explanation.isValid == rules.isEmpty, "seed \(seed)")
            let named = explanation.json["failures"]?.elements.compactMap { $0["rule"]?.text } ?? []
            #expect(Set(named) == Set(rules.map(\.identifier)), "seed \(seed)")
            for rule in rules {
                #expect(explanation.text.contains("\(rule.identifier): \(rule.sentence)\n"), "seed \(seed)")
                #expect(explanation.text.contains(rule.section), "seed \(seed)")
            }
            let written = try JSONValue(parsing: Array(explanation.json.description.utf8))
            #expect(written == explanation.json, "seed \(seed)")
        }
    }
}

@Suite struct `Explained circumstances` {
    private func context(_ arguments: String...) throws -> CheckContext {
        try ExplainCircumstances.parse(arguments).context
    }

    @Test func `Without options they are the standard ones`() throws {
        #expect(try context() == .standard)
        #expect(try ExplainCircumstances.parse([]).isEmpty)
    }

    @Test func `Each option changes its one circumstance`() throws {
        func expect(_ arguments: String..., change: (inout CheckContext) -> Void) throws {
            var expected = CheckContext.standard
            change(&expected)
            #expect(expected != .standard)
            let options = try ExplainCircumstances.parse(arguments)
            #expect(options.context == expected, "\(arguments)")
            #expect(!options.isEmpty)
        }
        try expect("--batch-member") { $0.isBatchMember = true }
        try expect("--dedicated") { $0.isShared = false }
        try expect("--no-pasid") { $0.isPASIDEnabled = false }
        try expect("--dedicated", "--privileged") { ($0.isShared, $0.isPrivileged) = (false, true) }
        try expect("--privileged-mode") { $0.isPrivilegedModeEnabled = true }
        try expect("--block-on-fault") { $0.isBlockOnFaultEnabled = true }
        try expect("--user-interrupts") { $0.areUserInterruptsEnabled = true }
        try expect("--handle-not-granted") { $0.isInterruptHandleGranted = false }
        try expect("--no-tc-a") { $0.isTrafficClassAEnabled = false }
        try expect("--no-tc-b") { $0.isTrafficClassBEnabled = false }
        try expect("--operations", "0x8") { $0.operations = OpcodeSet(bits: 8) }
        try expect("--max-transfer-shift", "12") { $0.maximumTransferShift = 12 }
        try expect("--max-batch-shift", "3") { $0.maximumBatchShift = 3 }
        try expect("--interrupt-handles", "1") { $0.interruptHandleCount = 1 }
        try expect("--general-capabilities", "0x40915F0105") {
            $0.generalCapabilities = GeneralCapabilities(rawValue: 0x40_915F_0105)
        }
    }

    @Test func `The largest sizes are those that GENCAP gives`() throws {
        let context = try context("--general-capabilities", "0")
        #expect(context.maximumTransferShift == 0)
        #expect(context.maximumBatchShift == 0)
    }

    @Test func `Operations are taken as the device list writes them`() throws {
        let digits = String(repeating: "0", count: 48) + "00000001003f03ff"
        #expect(try context("--operations", digits).operations == .architectural1)
    }
}

@Suite struct `Explained record` {
    @Test func `A record is decoded for its operation`() {
        var bytes = [UInt8](repeating: 0, count: 32)
        (bytes[0], bytes[1], bytes[4]) = (1, 1, 16)
        let explanation = RecordExplanation(CompletionRecord(bytes), opcode: .compare)
        #expect(explanation.isValid)
        #expect(explanation.text.contains("different"))
        #expect(explanation.text.contains("offset of the first difference"))
    }

    @Test func `A status that is not defined is invalid`() {
        var bytes = [UInt8](repeating: 0, count: 32)
        bytes[0] = 0x3F
        let explanation = RecordExplanation(CompletionRecord(bytes), opcode: nil)
        #expect(!explanation.isValid)
        #expect(explanation.json["valid"] == .bool(false))
        #expect(explanation.text.contains("no such status"))
    }

    @Test func `Every byte of a record has its place`() {
        let record = CompletionRecord((0..<32).map { UInt8($0) })
        #expect(record.word0 == 0x0706_0504_0302_0100)
        #expect(record.word3 == 0x1F1E_1D1C_1B1A_1918)
    }

    @Test(
        arguments: [
            ("0x03", 3), ("3", 3), ("memory-move", 3), ("Memory Move", 3), ("no-op", 0), ("crcgeneration", 0x10),
            ("0xff", 255),
        ] as [(String, UInt8)])
    func `An operation is named by its code or its name`(text: String, code: UInt8) {
        #expect(OpcodeArgument(argument: text)?.opcode.rawValue == code)
    }

    @Test(arguments: ["", "0x100", "256", "-1", "move", "0x"])
    func `Anything else names no operation`(text: String) {
        #expect(OpcodeArgument(argument: text) == nil)
    }
}
