import DSASpec
import PCIe
import Testing

@Suite("Descriptor text")
struct DescriptorTextTests {
    private func field(_ name: String, of descriptor: Descriptor) -> FieldText? {
        DescriptorText.fields(of: descriptor).first { $0.name == name }
    }

    @Test func `A Memory Move is decoded field by field, in the order of its bytes`() {
        let descriptor = validDescriptor(.memoryMove).with {
            $0.firstDword = 0x8000_002A
            $0.flags.insert(.requestCompletionInterrupt)
            $0.completionInterruptHandle = 3
        }
        let fields = DescriptorText.fields(of: descriptor)
        #expect(
            fields.map(\.name) == [
                "PASID", "Priv", "Flags", "Operation", "Completion Record Address", "Source Address",
                "Destination Address", "Transfer Size", "Completion Interrupt Handle",
            ])
        #expect(
            fields.map(\.value) == [
                "0x2a", "1", "0x00001c", "0x03", "0x7000", "0x100000", "0x200000", "4096", "3",
            ])
        #expect(
            fields[2].meaning
                == "Completion Record Address Valid, Request Completion Record, Request Completion Interrupt")
        #expect(fields[3].meaning == "Memory Move")
        #expect(fields[7].bytes == 32...35)
    }

    @Test(arguments: UInt8.min...UInt8.max)
    func `Every byte of a descriptor is shown, whatever the opcode`(raw: UInt8) {
        var descriptor = Descriptor(0, ~0, ~0, ~0, ~0, ~0, ~0, ~0)
        descriptor.flags = DescriptorFlags(rawValue: ~0)
        descriptor.opcode = Opcode(rawValue: raw)
        let fields = DescriptorText.fields(of: descriptor)
        let shown = fields.reduce(into: Set<Int>()) { $0.formUnion($1.bytes) }
        #expect(shown == Set(0..<64))
        #expect(fields.map(\.bytes.lowerBound) == fields.map(\.bytes.lowerBound).sorted())
        #expect(fields[2].meaning.contains("bit 6"))
    }

    @Test func `Flags above 15 are named by the operation`() {
        let seed = validDescriptor(.crcGeneration).with { $0.flags = .readCRCSeed }
        #expect(field("Flags", of: seed)?.meaning == "Read CRC Seed")
        let drain = validDescriptor(.drain).with { $0.flags = .readbackAddress1Valid }
        #expect(field("Flags", of: drain)?.meaning == "Readback Address 1 Valid")
        let fill = validDescriptor(.fill).with { $0.flags = DescriptorFlags(rawValue: 1 << 16) }
        #expect(field("Flags", of: fill)?.meaning == "bit 16")
    }

    @Test func `Reserved bytes appear only when they are not 0`() {
        #expect(field("Reserved", of: validDescriptor(.noOp)) == nil)
        let odd = validDescriptor(.noOp).with(byte: 40, 0xAB).with(byte: 41, 0x01)
        #expect(field("Reserved", of: odd)?.value == "ab01")
        #expect(field("Reserved", of: odd)?.bytes == 40...41)
    }
}

@Suite("Completion record text")
struct CompletionRecordTextTests {
    private func texts(_ record: CompletionRecord, _ opcode: Opcode?) -> [String: String] {
        let fields = CompletionRecordText.fields(of: record, for: opcode)
        return Dictionary(uniqueKeysWithValues: fields.map { ($0.name, $0.value) })
    }

    @Test func `A record that is not written yet has nothing but its status`() {
        #expect(texts(CompletionRecord(status: .none), .memoryMove) == ["Status": "0x00"])
    }

    @Test func `A page fault has its address and direction`() {
        var record = CompletionRecord(status: .pageFault)
        record.faultWasWrite = true
        record.result = 1
        record.bytesCompleted = 4096
        record.faultAddress = LinearAddress(rawValue: 0xABC000)
        #expect(
            texts(record, .memoryMove) == [
                "Status": "0x03", "R/W": "1", "Result": "1", "Bytes Completed": "4096", "Fault Address": "0xabc000",
            ])
        let fields = CompletionRecordText.fields(of: record, for: .memoryMove)
        #expect(fields.contains { $0.meaning == "Bytes Completed counts from the end" })
    }

    @Test func `Invalid Flags appear with 0x11, by their names`() {
        var record = CompletionRecord(status: .invalidFlags)
        record.invalidFlags = .checkResult
        let flags = CompletionRecordText.fields(of: record, for: .memoryMove).first { $0.name == "Invalid Flags" }
        #expect(flags?.value == "0x000080")
        #expect(flags?.meaning == "Check Result")
    }

    @Test func `CRC Value appears with CRC operations, Descriptors Completed with Batch`() {
        var record = CompletionRecord(status: .success)
        record.crcValue = 0xE306_9283
        #expect(texts(record, .crcGeneration)["CRC Value"] == "0xe3069283")
        #expect(texts(record, .memoryMove)["CRC Value"] == nil)
        #expect(texts(record, .batch)["Descriptors Completed"] == "0")
    }

    @Test func `Every status of the device has a meaning`() {
        let codes = Array(UInt8(0x00)...0x09) + Array(0x10...0x22) + Array(0x51...0x53)
        for code in UInt8.min...UInt8.max {
            #expect((CompletionStatus(rawValue: code).meaning != nil) == codes.contains(code), "code \(code)")
        }
    }
}
