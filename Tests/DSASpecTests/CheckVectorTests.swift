import DSASpec
import PCIe
import Testing

@Suite("Vectors 9.3, checks")
struct CheckVectorTests {
    @Test func `Vector 18: RCR without CRAV is 0x11`() {
        let descriptor = move.with {
            $0.flags = .requestCompletionRecord
            $0.completionRecordAddress = LinearAddress(rawValue: 0)
        }
        #expect(onlyFailure(descriptor)?.status == .invalidFlags)
        #expect(onlyFailure(descriptor)?.invalidFlags == .requestCompletionRecord)
    }

    @Test func `Vector 18: an interrupt handle without RCI is 0x12`() {
        let descriptor = move.with { $0.completionInterruptHandle = 5 }
        #expect(onlyFailure(descriptor)?.rule == .interruptHandleReserved)
        #expect(onlyFailure(descriptor)?.status == .nonZeroReserved)
    }

    @Test func `Vector 18: a record address without CRAV is 0x12`() {
        let descriptor = move.with { $0.flags = [] }
        #expect(onlyFailure(descriptor)?.rule == .completionRecordAddressReserved)
        #expect(onlyFailure(descriptor)?.status == .nonZeroReserved)
    }

    @Test func `Vector 19: Drain without RCR and RCI is 0x11`() {
        let descriptor = validDescriptor(.drain).with { $0.flags = .completionRecordAddressValid }
        #expect(onlyFailure(descriptor)?.status == .invalidFlags)
        #expect(onlyFailure(descriptor)?.invalidFlags == [.requestCompletionRecord, .requestCompletionInterrupt])
    }

    @Test func `Vector 20: Compare without RCR is 0x11`() {
        let descriptor = validDescriptor(.compare).with { $0.flags = .completionRecordAddressValid }
        #expect(onlyFailure(descriptor)?.status == .invalidFlags)
    }

    @Test func `Vector 21: Memory Move with Check Result is 0x11 and names flag 0x80`() {
        let descriptor = move.with { $0.flags.insert(.checkResult) }
        #expect(onlyFailure(descriptor)?.status == .invalidFlags)
        #expect(onlyFailure(descriptor)?.invalidFlags.rawValue == 0x80)
    }

    @Test func `Vector 22: a record address off by 16 is 0x1b and goes to SWERROR`() {
        let descriptor = move.with { $0.completionRecordAddress = LinearAddress(rawValue: 0x7010) }
        #expect(onlyFailure(descriptor)?.status == .completionRecordMisaligned)
        #expect(onlyFailure(descriptor)?.bypassesRecord == true)
    }
}
