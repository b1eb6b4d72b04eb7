import DSASpec
import PCIe
import Testing

/// One row of dsa-device table 1.4, as printed there.
struct OperationRow: Sendable, CustomTestStringConvertible {
    let opcode: Opcode
    /// Column "allowed", with the operation-specific flags that no capability gates.
    let allowed: UInt32
    /// Flags that a bit of GENCAP adds, and that bit.
    var added: UInt32 = 0
    var addedBy: UInt64 = 0
    /// Bytes that are reserved whatever the flags say.
    let reserved: Set<Int>
    let required: UInt32

    var testDescription: String { opcode.name ?? "?" }

    static let all = [
        OperationRow(opcode: .noOp, allowed: 0x101C, reserved: Set(16...35).union(38...63), required: 0),
        OperationRow(
            opcode: .batch, allowed: 0x121C, added: 0x01_0000, addedBy: 15, reserved: Set(24...31).union(38...63),
            required: 0),
        OperationRow(
            opcode: .drain, allowed: 0x0C_161C, added: 0x03_0000, addedBy: 9, reserved: Set(32...35).union(38...63),
            required: 0),
        OperationRow(opcode: .memoryMove, allowed: 0x771E, reserved: Set(38...63), required: 0),
        OperationRow(
            opcode: .fill, allowed: 0x751E, added: 0x04_0000, addedBy: 10, reserved: Set(38...39).union(48...63),
            required: 0),
        OperationRow(opcode: .compare, allowed: 0x169E, reserved: Set(38...39).union(41...63), required: 0x0C),
        OperationRow(opcode: .comparePattern, allowed: 0x129E, reserved: Set(38...39).union(41...63), required: 0x0C),
        OperationRow(
            opcode: .createDeltaRecord, allowed: 0x7F9E, reserved: Set(38...39).union(52...55).union(57...63),
            required: 0x0C),
        OperationRow(opcode: .applyDeltaRecord, allowed: 0x771E, reserved: Set(38...39).union(44...63), required: 0),
        OperationRow(opcode: .dualcast, allowed: 0x7F1E, reserved: Set(38...39).union(48...63), required: 0),
        OperationRow(
            opcode: .translationFetch, allowed: 0x121E, added: 0x01_0000, addedBy: 7,
            reserved: Set(24...31).union(38...47).union(52...63), required: 0),
        OperationRow(
            opcode: .crcGeneration, allowed: 0x07_1A1E, added: 0x08_0000, addedBy: 11,
            reserved: Set(24...31).union(38...39).union(56...63), required: 0x0C),
        OperationRow(
            opcode: .copyWithCRC, allowed: 0x07_7F1E, added: 0x08_0000, addedBy: 11,
            reserved: Set(38...39).union(56...63), required: 0x0C),
        OperationRow(
            opcode: .difCheck, allowed: 0x121E,
            reserved: Set(24...31).union(38...39).union([41]).union(43...47).union(56...63), required: 0x0C),
        OperationRow(
            opcode: .difInsert, allowed: 0x771E, reserved: Set(38...40).union(43...55), required: 0),
        OperationRow(
            opcode: .difStrip, allowed: 0x771E,
            reserved: Set(38...39).union([41]).union(43...47).union(56...63), required: 0),
        OperationRow(opcode: .difUpdate, allowed: 0x771E, reserved: Set(38...39).union(43...47), required: 0),
        OperationRow(
            opcode: .cacheFlush, allowed: 0x741E, added: 0x100, addedBy: 3, reserved: Set(16...23).union(38...63),
            required: 0),
    ]
}

/// The flags that make a field of the row usable, so that a bit can be tested alone.
private func enabling(_ bit: UInt32, for opcode: Opcode) -> UInt32 {
    switch (opcode, bit) {
    case (.drain, 1 << 9): 1 << 16
    case (.drain, 1 << 10): 1 << 17
    case (.crcGeneration, 1 << 11), (.copyWithCRC, 1 << 11): 1 << 16
    default: 0
    }
}

@Suite("Operation table 1.4")
struct OperationTableTests {
    @Test(arguments: OperationRow.all)
    func `A descriptor that uses nothing optional passes every check`(row: OperationRow) {
        let isInDSA1 = row.opcode != .translationFetch
        #expect(DescriptorChecks.allFailures(of: validDescriptor(row.opcode), in: .standard).isEmpty == isInDSA1)
        #expect(DescriptorChecks.allFailures(of: validDescriptor(row.opcode), in: .permissive).isEmpty)
    }

    @Test(arguments: OperationRow.all)
    func `Exactly the allowed flags pass when everything permits them`(row: OperationRow) {
        for bit in (0..<24).map({ UInt32(1) << $0 }) where validDescriptor(row.opcode).flags.rawValue & bit == 0 {
            let descriptor = validDescriptor(row.opcode).with {
                $0.flags = DescriptorFlags(rawValue: $0.flags.rawValue | bit | enabling(bit, for: row.opcode))
            }
            let failure = DescriptorChecks.firstFailure(of: descriptor, in: .permissive)
            if (row.allowed | row.added) & bit != 0 {
                #expect(failure?.status != .invalidFlags, "flag \(String(bit, radix: 16))")
            } else {
                #expect(failure?.status == .invalidFlags, "flag \(String(bit, radix: 16))")
                #expect(failure?.invalidFlags.rawValue == bit)
            }
        }
    }

    @Test(arguments: OperationRow.all.filter { $0.added != 0 })
    func `Flags that a capability adds are invalid without it`(row: OperationRow) {
        var context = CheckContext.permissive
        context.generalCapabilities = GeneralCapabilities(
            rawValue: context.generalCapabilities.rawValue & ~(1 << row.addedBy))
        let descriptor = validDescriptor(row.opcode).with {
            $0.flags = DescriptorFlags(rawValue: $0.flags.rawValue | row.added)
            if row.opcode == .translationFetch { $0.regionStride = 4096 }
        }
        let failure = DescriptorChecks.firstFailure(of: descriptor, in: context)
        #expect(failure?.rule == .flagWithoutCapability)
        #expect(failure?.invalidFlags.rawValue == row.added)
        #expect(DescriptorChecks.firstFailure(of: descriptor, in: .permissive) == nil)
    }

    @Test(arguments: OperationRow.all)
    func `Each reserved byte must be 0, and no other`(row: OperationRow) {
        let base = validDescriptor(row.opcode)
        for byte in 16..<64 where base.byte(byte) == 0 && !(36...37).contains(byte) {
            let failures = DescriptorChecks.allFailures(of: base.with(byte: byte, 0x40), in: .permissive)
            let reports = failures.filter { $0.rule == .reservedByte }
            #expect(reports.isEmpty == !row.reserved.contains(byte), "byte \(byte)")
            for report in reports {
                #expect(report.status == .nonZeroReserved)
                #expect(report.bytes == UInt8(byte)...UInt8(byte))
            }
        }
    }

    @Test(arguments: OperationRow.all)
    func `A required flag that is missing is reported as invalid`(row: OperationRow) {
        let without = validDescriptor(row.opcode).with {
            $0.flags.remove(.requestCompletionRecord)
        }
        let failure = DescriptorChecks.firstFailure(of: without, in: .permissive)
        if row.required != 0 {
            #expect(failure?.rule == .missingRecordRequest)
            #expect(failure?.invalidFlags == .requestCompletionRecord)
        } else if row.opcode == .drain {
            #expect(failure?.rule == .missingDrainReport)
        } else {
            #expect(failure == nil)
        }

        let withoutRecord = validDescriptor(row.opcode).with {
            $0.flags = []
            $0.completionRecordAddress = LinearAddress(rawValue: 0)
        }
        let second = DescriptorChecks.firstFailure(of: withoutRecord, in: .permissive)
        if row.required != 0 {
            #expect(second?.invalidFlags == [.completionRecordAddressValid, .requestCompletionRecord])
        } else if row.opcode != .drain {
            #expect(second == nil)
        }
    }

    @Test(arguments: [Opcode.crcGeneration, .copyWithCRC])
    func `Without Read CRC Seed the seed address and its TC selector are reserved`(opcode: Opcode) {
        for byte in 44..<56 {
            let failure = DescriptorChecks.firstFailure(of: validDescriptor(opcode).with(byte: byte, 1), in: .standard)
            #expect(failure?.rule == .byteReservedByFlag, "byte \(byte)")
            #expect(failure?.status == .nonZeroReserved)
        }
        let selects = validDescriptor(opcode).with { $0.flags.insert(.address3TrafficClass) }
        let failure = DescriptorChecks.firstFailure(of: selects, in: .standard)
        #expect(failure?.rule == .selectorOfUnusedAddress)
        #expect(failure?.invalidFlags == .address3TrafficClass)
    }

    @Test(arguments: [Opcode.crcGeneration, .copyWithCRC])
    func `With Read CRC Seed the seed field is reserved`(opcode: Opcode) {
        let base = validDescriptor(opcode).with {
            $0.flags.formUnion([.readCRCSeed, .address3TrafficClass])
            $0.crcSeedAddress = LinearAddress(rawValue: 0x9004)
        }
        #expect(DescriptorChecks.firstFailure(of: base, in: .standard) == nil)
        for byte in 40..<48 {
            let failure = DescriptorChecks.firstFailure(of: base.with(byte: byte, 1), in: .standard)
            #expect(failure?.rule == .byteReservedByFlag, "byte \(byte)")
        }
    }

    @Test func `Drain's readback addresses and their TC selectors are reserved unless valid`() {
        let base = validDescriptor(.drain)
        for (byte, selector, valid) in [
            (16, DescriptorFlags.address1TrafficClass, DescriptorFlags.readbackAddress1Valid),
            (24, .address2TrafficClass, .readbackAddress2Valid),
        ] {
            let addressed = base.with(byte: byte, 0x40)
            #expect(DescriptorChecks.firstFailure(of: addressed, in: .permissive)?.rule == .byteReservedByFlag)
            let selecting = base.with { $0.flags.insert(selector) }
            #expect(DescriptorChecks.firstFailure(of: selecting, in: .permissive)?.rule == .selectorOfUnusedAddress)
            let both = addressed.with { $0.flags.formUnion([selector, valid]) }
            #expect(DescriptorChecks.firstFailure(of: both, in: .permissive) == nil)
        }
    }
}
