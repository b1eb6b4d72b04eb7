import DSASpec
import PCIe
import Testing

@Suite("Event log layout")
struct EventLogLayoutTests {
    @Test func `EVLCFG has PASID Enable, Priv and base in its first word, size and PASID in its second`() {
        var configuration = EventLogConfiguration()
        configuration.isPASIDEnabled = true
        #expect(configuration.word0 == 1)
        configuration.isPrivileged = true
        #expect(configuration.word0 == 3)
        configuration.base = LinearAddress(rawValue: 0xFEDC_BA98_7654_3FFF)
        #expect(configuration.word0 == 0xFEDC_BA98_7654_3003)
        configuration.size = 0x1234
        configuration.pasid = HostPASID(truncating: 0xABCDE)
        #expect(configuration.word1 == 0xA_BCDE_1234)
        let read = EventLogConfiguration(word0: configuration.word0, word1: configuration.word1)
        #expect(read == configuration)
        #expect(read.base.rawValue == 0xFEDC_BA98_7654_3000)
        #expect(read.size == 0x1234)
        #expect(read.pasid.rawValue == 0xABCDE)
    }

    @Test func `Reserved bits of EVLCFG and EVLSTATUS are dropped`() {
        let configuration = EventLogConfiguration(word0: .max, word1: .max)
        #expect(configuration.word0 == 0xFFFF_FFFF_FFFF_F003)
        #expect(configuration.word1 == 0xF_FFFF_FFFF)
        #expect(EventLogStatus(rawValue: .max).rawValue == 0x4000_FFFF_0000_FFFF)
    }

    @Test func `EVLSTATUS has Head in bits 15 to 0, Tail in 47 to 32 and Interrupt Pending in 62`() {
        var status = EventLogStatus()
        status.head = 0x0102
        status.tail = 0x0304
        status.isInterruptPending = true
        #expect(status.rawValue == 0x4000_0304_0000_0102)
        #expect((status.head, status.tail) == (0x0102, 0x0304))
        status.isInterruptPending = false
        #expect(status.rawValue == 0x0000_0304_0000_0102)
    }

    @Test func `The first qword of an entry is SWERROR's with bits 1 to 0 clear and the batch identifier in byte 3`() {
        var error = SoftwareError(code: .completionRecordPageFault)
        error.workQueue = 5
        error.setDescriptor(
            pasid: HostPASID(truncating: 0x54321), isPrivileged: true, opcode: .memoryMove, batchIndex: 0x0102)
        error.faultWasWrite = true
        error.overflow = true
        var entry = EventLogEntry(error, batchIdentifier: 0x7E)
        #expect(entry.word0 == 0x0543_2103_7E05_1A7C)
        entry.pending.interruptHandle = 0x1122
        #expect(entry.word0 == 0x0543_2103_7E05_1AFC)
        #expect(entry.word1 == 0x0000_1122_0000_0102)
    }

    @Test func `Error information of a waiting record has its bits where dsa-device 5_4 puts them`() {
        var pending = EventLogEntry.PendingCompletion()
        pending.interruptHandle = 0xBEEF
        #expect(pending.rawValue == 0xBEEF)
        pending.requiresInterrupt = true
        #expect(pending.rawValue == 0x1_BEEF)
        pending.usesInterruptMessageStorage = true
        #expect(pending.rawValue == 0x3_BEEF)
        pending.requiresRecord = true
        #expect(pending.rawValue == 0x7_BEEF)
        pending.isFirstErrorInBatch = true
        #expect(pending.rawValue == 0xF_BEEF)
        pending.operand = .completionRecord
        #expect(pending.rawValue == 0xA00F_BEEF)
        #expect(pending.operand == .completionRecord && pending.isFirstErrorInBatch && pending.requiresRecord)
    }

    @Test func `An entry is read back from its 64 bytes`() {
        var bytes = [UInt8](repeating: 0, count: 64)
        (bytes[1], bytes[2], bytes[3], bytes[4]) = (0x27, 3, 9, 0x01)
        (bytes[14], bytes[16], bytes[32], bytes[33]) = (0x04, 0x40, 0x05, 0x01)
        let entry = unsafe bytes.withUnsafeBytes { unsafe EventLogEntry(loading: $0.baseAddress!) }
        #expect(entry.code == .batchInLog)
        #expect(entry.error.opcode == .batch)
        #expect(entry.batchIdentifier == 9)
        #expect(entry.pending.requiresRecord)
        #expect(entry.word2 == 0x40)
        #expect(entry.record.status == .batchError && entry.record.result == 1)
    }

    @Test func `Fault Info has the operand in bits 3 to 1 of byte 2`() {
        var record = CompletionRecord(status: .pageFault)
        record.faultOperand = .destination
        #expect(record.word0 == 0x06_0003)
        record.faultOperand = .completionRecord
        #expect(record.word0 == 0x0A_0003)
        #expect(record.faultOperand == .completionRecord)
    }

    @Test func `Error information of SWERROR has the operand in its top bits and its validity in bit 7`() {
        var error = SoftwareError(code: .pageFault)
        error.faultOperand = .secondSource
        error.isErrorInformationValid = true
        #expect(error.word0 == 0x0381)
        #expect(error.word1 == 0x4000_0000_0000_0000)
        #expect(error.faultOperand == .secondSource)
    }
}
