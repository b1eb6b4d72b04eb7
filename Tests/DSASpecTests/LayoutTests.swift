import DSASpec
import PCIe
import Testing

/// Byte n of the descriptor holds n, but for the first dword and the opcode.
private let numbered: [UInt8] = [
    0x45, 0x23, 0x01, 0x80, 0x0C, 0x10, 0x02, 0x03, 0x08, 0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x0E, 0x0F,
    0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1A, 0x1B, 0x1C, 0x1D, 0x1E, 0x1F,
    0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2A, 0x2B, 0x2C, 0x2D, 0x2E, 0x2F,
    0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3A, 0x3B, 0x3C, 0x3D, 0x3E, 0x3F,
]

@Suite("Descriptor layout")
struct DescriptorLayoutTests {
    private let descriptor = unsafe numbered.withUnsafeBytes { bytes in
        unsafe Descriptor(loading: bytes.baseAddress!)
    }

    @Test func `Common fields stand where dsa-device 1.1 puts them`() {
        #expect(descriptor.pasid.rawValue == 0x1_2345)
        #expect(descriptor.isPrivileged)
        #expect(descriptor.flags.rawValue == 0x02_100C)
        #expect(descriptor.opcode == .memoryMove)
        #expect(descriptor.completionRecordAddress.rawValue == 0x0F0E_0D0C_0B0A_0908)
        #expect(descriptor.transferSize == 0x2322_2120)
        #expect(descriptor.completionInterruptHandle == 0x2524)
    }

    @Test func `Operation-specific fields stand where dsa-device 1.5 puts them`() {
        let at16: UInt64 = 0x1716_1514_1312_1110
        let at24: UInt64 = 0x1F1E_1D1C_1B1A_1918
        let at40: UInt64 = 0x2F2E_2D2C_2B2A_2928
        #expect(descriptor.sourceAddress.rawValue == at16)
        #expect(descriptor.descriptorListAddress.rawValue == at16)
        #expect(descriptor.fillPattern == at16)
        #expect(descriptor.readbackAddress1.rawValue == at16)
        #expect(descriptor.destinationAddress.rawValue == at24)
        #expect(descriptor.comparePattern == at24)
        #expect(descriptor.readbackAddress2.rawValue == at24)
        #expect(descriptor.descriptorCount == 0x2322_2120)
        #expect(descriptor.destination2Address.rawValue == at40)
        #expect(descriptor.expectedResult == 0x28)
        #expect(descriptor.crcSeed == 0x2B2A_2928)
        #expect(descriptor.crcSeedAddress.rawValue == 0x3736_3534_3332_3130)
    }

    @Test func `Setting a field changes its bytes alone`() {
        var changed = descriptor
        changed.flags = DescriptorFlags(rawValue: 0xABCDEF)
        changed.opcode = .cacheFlush
        changed.transferSize = 0x1111_1111
        changed.completionInterruptHandle = 0x2222
        changed.crcSeed = 0x3333_3333
        for byte in 0..<64 {
            let expected: UInt8 =
                switch byte {
                case 4: 0xEF
                case 5: 0xCD
                case 6: 0xAB
                case 7: 0x20
                case 32...35: 0x11
                case 36...37: 0x22
                case 40...43: 0x33
                default: numbered[byte]
                }
            #expect(changed.byte(byte) == expected, "byte \(byte)")
        }
    }

    @Test func `Words and bytes are the same bytes`() {
        for byte in 0..<64 {
            let fromWord = UInt8(truncatingIfNeeded: descriptor[word: byte / 8] >> UInt64(byte % 8 * 8))
            #expect(fromWord == descriptor.byte(byte))
            #expect(descriptor.byte(byte) == numbered[byte])
        }
    }
}

@Suite("Completion record layout")
struct CompletionRecordLayoutTests {
    @Test func `Fields stand where dsa-device 2.1 puts them`() {
        let bytes = [UInt8](0x83...0x83) + [UInt8](1...31)
        let record = unsafe bytes.withUnsafeBytes { unsafe CompletionRecord(loading: $0.baseAddress!) }
        #expect(record.status == .pageFault)
        #expect(record.faultWasWrite)
        #expect(record.result == 1)
        #expect(record.bytesCompleted == 0x0706_0504)
        #expect(record.faultAddress.rawValue == 0x0F0E_0D0C_0B0A_0908)
        #expect(record.invalidFlags.rawValue == 0x12_1110)
        #expect(record.crcValue == 0x1312_1110)
    }

    @Test func `Setting the fields writes their bytes`() {
        var record = CompletionRecord(status: .invalidFlags)
        record.faultWasWrite = true
        record.result = 0x5A
        record.bytesCompleted = 0x0403_0201
        record.faultAddress = LinearAddress(rawValue: 0x1122_3344_5566_7788)
        record.invalidFlags = .checkResult
        #expect(record.word0 == 0x0403_0201_0000_5A91)
        #expect(record.word1 == 0x1122_3344_5566_7788)
        #expect(record.word2 == 0x80)
        #expect(record.word3 == 0)
        record.crcValue = 0xDEAD_BEEF
        #expect(record.word2 == 0xDEAD_BEEF)
        record.faultWasWrite = false
        #expect(record.word0 & 0xFF == 0x11)
    }
}
