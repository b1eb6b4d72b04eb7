import DSASpec
import PCIe
import Testing

/// Byte n holds n.
private let bytes = [UInt8](0..<64)

@Suite("Layout of delta and DIF operations")
struct DeltaAndDIFLayoutTests {
    private let descriptor = unsafe bytes.withUnsafeBytes { unsafe Descriptor(loading: $0.baseAddress!) }

    @Test func `Fields of delta operations stand where dsa-device 1.5 puts them`() {
        #expect(descriptor.deltaRecordAddress.rawValue == 0x2F2E_2D2C_2B2A_2928)
        #expect(descriptor.maximumDeltaRecordSize == 0x3332_3130)
        #expect(descriptor.expectedResultMask == 0x38)
        #expect(descriptor.deltaRecordSize == 0x2B2A_2928)
    }

    @Test func `Fields of DIF operations stand where dsa-device 1.5 puts them`() {
        #expect(descriptor.sourceDIFFlags.rawValue == 0x28)
        #expect(descriptor.destinationDIFFlags.rawValue == 0x29)
        #expect(descriptor.difFlags.rawValue == 0x2A)
        #expect(
            descriptor.sourceDIFTags
                == DIFTags(reference: 0x3332_3130, applicationMask: 0x3534, application: 0x3736))
        #expect(
            descriptor.destinationDIFTags
                == DIFTags(reference: 0x3B3A_3938, applicationMask: 0x3D3C, application: 0x3F3E))
    }

    @Test func `Setting a field changes its bytes alone`() {
        var changed = descriptor
        changed.expectedResultMask = 0xA0
        changed.maximumDeltaRecordSize = 0xB3B2_B1B0
        changed.sourceDIFFlags = SourceDIFFlags(rawValue: 0xC0)
        changed.destinationDIFFlags = DestinationDIFFlags(rawValue: 0xD0)
        changed.difFlags = DIFFlags(rawValue: 0xE0)
        for byte in 0..<64 {
            let expected: UInt8 =
                switch byte {
                case 40: 0xC0
                case 41: 0xD0
                case 42: 0xE0
                case 48...51: 0xB0 + UInt8(byte - 48)
                case 56: 0xA0
                default: bytes[byte]
                }
            #expect(changed.byte(byte) == expected, "byte \(byte)")
        }
        changed = descriptor
        changed.deltaRecordSize = 0x0403_0201
        changed.sourceDIFTags = DIFTags(reference: 1, applicationMask: 2, application: 3)
        changed.destinationDIFTags = DIFTags(reference: 4, applicationMask: 5, application: 6)
        #expect(changed[word: 5] == 0x2F2E_2D2C_0403_0201)
        #expect(changed[word: 6] == 0x0003_0002_0000_0001)
        #expect(changed[word: 7] == 0x0006_0005_0000_0004)
    }

    @Test(arguments: zip([0, 1, 2, 3, 4, 14] as [UInt8], [512, 520, 4096, 4104, 512, 4096] as [UInt32]))
    func `DIF Flags 1 to 0 give the size of a block`(flags: UInt8, byteCount: UInt32) {
        #expect(DIFFlags(rawValue: flags).blockByteCount == byteCount)
    }

    @Test func `Results of delta and DIF operations stand where dsa-device 2.1 puts them`() {
        var record = unsafe bytes.withUnsafeBytes { unsafe CompletionRecord(loading: $0.baseAddress!) }
        #expect(record.difStatus.rawValue == 1)
        #expect(record.deltaRecordSize == 0x1312_1110)
        #expect(
            record.sourceDIFTags == DIFTags(reference: 0x1312_1110, applicationMask: 0x1514, application: 0x1716))
        #expect(
            record.destinationDIFTags
                == DIFTags(reference: 0x1B1A_1918, applicationMask: 0x1D1C, application: 0x1F1E))
        record = CompletionRecord(status: .difError)
        record.difStatus = [.guardMismatch, .referenceTagMismatch]
        record.sourceDIFTags = DIFTags(reference: 1, applicationMask: 2, application: 3)
        record.destinationDIFTags = DIFTags(reference: 4, applicationMask: 5, application: 6)
        #expect(record.word0 == 0x0509)
        #expect(record.word2 == 0x0003_0002_0000_0001)
        #expect(record.word3 == 0x0006_0005_0000_0004)
        record.deltaRecordSize = 7
        #expect(record.word2 == 0x0003_0002_0000_0007)
    }

    @Test func `Explain names the flags and tags of DIF operations`() {
        var descriptor = validDescriptor(.difUpdate)
        descriptor.difFlags = [.block4096, .invertCRCSeed]
        descriptor.sourceDIFFlags = [.allFDetect, .fixedReferenceTag]
        descriptor.destinationDIFFlags = [.guardPassThrough]
        descriptor.sourceDIFTags = DIFTags(reference: 0xABBA, applicationMask: 0, application: 0xFACE)
        let fields = Dictionary(
            uniqueKeysWithValues: DescriptorText.fields(of: descriptor).map { ($0.name, $0) })
        #expect(fields["DIF Flags"]?.meaning == "blocks of 4096, Invert CRC Seed")
        #expect(fields["Source DIF Flags"]?.meaning == "All F Detect, Reference Tag Fixed")
        #expect(fields["Destination DIF Flags"]?.meaning == "Guard Pass-through")
        #expect(fields["Source Reference Tag Seed"]?.value == "0xabba")
        #expect(fields["Source Application Tag Seed"]?.value == "0xface")
    }

    @Test func `Explain names what a delta or DIF record returns`() {
        var record = CompletionRecord(status: .difError)
        record.difStatus = [.guardMismatch, .applicationTagMismatch]
        record.bytesCompleted = 520
        record.sourceDIFTags = DIFTags(reference: 0xABBB, applicationMask: 0xF, application: 5)
        record.destinationDIFTags = DIFTags(reference: 2, applicationMask: 0, application: 1)
        var fields = Dictionary(
            uniqueKeysWithValues: CompletionRecordText.fields(of: record, for: .difUpdate).map { ($0.name, $0) })
        #expect(fields["Status"]?.meaning == "a data integrity field failed a check")
        #expect(fields["DIF Status"]?.meaning == "Guard, Application Tag")
        #expect(fields["Bytes Completed"]?.meaning == "of the source, in whole blocks")
        #expect(fields["Source Reference Tag"]?.value == "0x0000abbb")
        #expect(fields["Destination Application Tag"]?.value == "0x0001")

        record = CompletionRecord(status: .success)
        record.result = 2
        record.deltaRecordSize = 80
        record.bytesCompleted = 64
        fields = Dictionary(
            uniqueKeysWithValues: CompletionRecordText.fields(of: record, for: .createDeltaRecord).map {
                ($0.name, $0)
            })
        #expect(fields["Result"]?.meaning == "different; the delta record is full")
        #expect(fields["Delta Record Size"]?.value == "80")
        #expect(fields["Bytes Completed"]?.meaning == "compared before the record was full")
    }
}
