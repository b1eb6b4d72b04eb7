import DSASpec
import PCIe
import Testing

@Suite("Operations of DSA 2.0, checks")
struct CheckGeneration2Tests {
    @Test func `0x10 answers Translation Fetch on a DSA 1.0 part`() {
        #expect(onlyFailure(validDescriptor(.translationFetch))?.rule == .unsupportedOperation)
        #expect(!OpcodeSet.architectural1.contains(.translationFetch))
    }

    @Test func `0x10 answers Translation Fetch without Address Translation Services`() {
        let context = CheckContext.permissive
        let fetch = validDescriptor(.translationFetch)
        #expect(DescriptorChecks.firstFailure(of: fetch, in: context) == nil)
        var without = context
        without.isTranslationServiceEnabled = false
        #expect(onlyFailure(fetch, in: without)?.rule == .translationServiceDisabled)
        #expect(onlyFailure(fetch, in: without)?.status == .unsupportedOperation)
        #expect(DescriptorChecks.firstFailure(of: move, in: without) == nil)
    }

    private static let strides: [(stride: UInt32, isRefused: Bool)] = [
        (0, true), (1, true), (4095, true), (4096, false), (4097, true), (8192, false), (.max, true),
    ]

    @Test(arguments: strides)
    func `0x1c answers a stride of Translation Fetch that is no multiple of 4096`(stride: UInt32, isRefused: Bool) {
        let fetch = validDescriptor(.translationFetch).with {
            $0.flags.insert(.useStride)
            $0.regionStride = stride
        }
        let failure = DescriptorChecks.firstFailure(of: fetch, in: .permissive)
        #expect(failure?.rule == (isRefused ? .regionStride : nil))
        #expect(failure == nil || failure?.status == .misalignedAddress)
    }

    @Test func `Without Use Stride the stride is reserved`() {
        for byte in 48..<52 {
            let fetch = validDescriptor(.translationFetch).with(byte: byte, 0x10)
            #expect(onlyFailure(fetch, in: .permissive)?.rule == .byteReservedByFlag)
        }
    }

    @Test func `The second half of a pattern is reserved unless the pattern has 16 bytes`() {
        for byte in 40..<48 {
            let fill = validDescriptor(.fill).with(byte: byte, 1)
            #expect(onlyFailure(fill, in: .permissive)?.rule == .byteReservedByFlag)
            let wide = fill.with { $0.flags.insert(.widePattern) }
            #expect(DescriptorChecks.firstFailure(of: wide, in: .permissive) == nil)
            #expect(onlyFailure(wide)?.rule == .flagWithoutCapability)
        }
    }

    @Test(arguments: [Opcode.crcGeneration, .copyWithCRC])
    func `The seed of a CRC64 has 8 bytes, or an address that is a multiple of 8`(opcode: Opcode) {
        let wide = validDescriptor(opcode).with { $0.flags.insert(.crc64) }
        for byte in 40..<48 {
            #expect(DescriptorChecks.firstFailure(of: wide.with(byte: byte, 1), in: .permissive) == nil)
        }
        for byte in 48..<56 {
            #expect(onlyFailure(wide.with(byte: byte, 8), in: .permissive)?.rule == .byteReservedByFlag)
        }
        let reading = wide.with { $0.flags.insert(.readCRCSeed) }
        for offset in UInt64(0)..<8 {
            let seeded = reading.with { $0.crcSeedAddress = LinearAddress(rawValue: 0x9000 + offset) }
            let failure = DescriptorChecks.firstFailure(of: seeded, in: .permissive)
            #expect(failure?.status == (offset == 0 ? nil : .misalignedAddress))
        }
        #expect(onlyFailure(reading.with(byte: 44, 1), in: .permissive)?.rule == .byteReservedByFlag)
    }

    @Test func `Explain shows the fields that DSA 2.0 flags bring`() {
        let fill = validDescriptor(.fill).with {
            $0.flags.insert(.widePattern)
            $0.fillPatternHigh = 0xAB
        }
        #expect(DescriptorText.fields(of: fill).contains { $0.name == "Pattern, Upper Half" && $0.value == "0xab" })
        let crc = validDescriptor(.crcGeneration).with {
            $0.flags.insert(.crc64)
            $0.crc64Seed = 0x1122_3344_5566_7788
        }
        #expect(
            DescriptorText.fields(of: crc).contains { $0.name == "CRC Seed" && $0.value == "0x1122334455667788" })
        var record = CompletionRecord(status: .success)
        record.crc64Value = 0xAE8B_1486_0A79_9888
        let fields = CompletionRecordText.fields(of: record, for: .crcGeneration)
        #expect(fields.contains { $0.name == "CRC Value" && $0.value == "0xae8b14860a799888" && $0.bytes == 16...23 })
    }
}
