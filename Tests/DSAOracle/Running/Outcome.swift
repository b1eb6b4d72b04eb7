/// What a submission leaves behind, beside the bytes of its memory.
package struct Outcome: Sendable {
    /// A completion record, where it stands.
    package struct RecordSite: Sendable {
        /// Its place in ``OracleMemory/bytes``.
        package let offset: Int
        /// What it may say.
        package let endings: [Ending]
        /// How long the journal was when it had been written.
        package let journalCount: Int
    }

    /// The records in the order in which they are written.
    package private(set) var records: [RecordSite] = []
    /// The errors in the order in which they are reported to SWERROR, each with what it may say.
    package private(set) var errors: [[ReportedError]] = []
    /// Bytes that may hold their old content: the data of a descriptor whose record could not be written.
    package private(set) var looseBytes: [Int: UInt8] = [:]
    /// The defects of the descriptor itself, in the order in which they are looked for; none of a batch's members.
    package private(set) var defects: [UInt8] = []
    /// How the descriptor itself ended.
    package private(set) var status: UInt8 = 0
    /// The handles whose entries were signalled, in order.
    package private(set) var interrupts: [UInt16] = []
    private var isInterruptLeft = false
    /// The record of some descriptor of the batch is in the event log.
    package private(set) var hasRecordInLog = false
    /// How many members of a batch were carried out.
    package private(set) var memberCount = 0
}

/// An error as SWERROR shows it (dsa-device §5.3), with the bits that are known.
package struct ReportedError: Sendable {
    /// Bytes 0-7 without Overflow.
    package let word0: UInt64
    package let batchIndex: UInt16
    package let faultAddress: UInt64
    /// With a page fault on a device that has fault info: Error Information bits 31:29.
    let faultOperand: UInt8
    /// Bit 7 of the first byte says whether there is Error Information.
    let saysWhetherValid: Bool
    /// The flags of which Error Information names some, or nothing.
    let offendingFlags: UInt32
    /// The handle that Error Information may name.
    let interruptHandle: UInt16
    /// The error need not be reported at all.
    package let isOptional: Bool
    /// What an entry of the event log has beside what SWERROR shows.
    var logged = Logged()

    /// The parts of an entry (dsa-device §5.4).
    struct Logged: Sendable {
        /// Error Information of 0x1A, 0x26 and 0x27: software's duties.
        var duties: UInt32?
        /// The record's address, with the same codes.
        var recordAddress: UInt64 = 0
        /// What the record in the entry may say; none where it is all 0.
        var endings: [Ending] = []
    }

    package var code: UInt8 { UInt8(truncatingIfNeeded: word0 >> 8) }

    /// Whether a register of these words holds this error, Overflow aside.
    package func permits(_ words: (UInt64, UInt64, UInt64, UInt64)) -> Bool {
        let information = UInt32(truncatingIfNeeded: words.1 >> 32)
        let isInformation =
            switch code {
            case 0x03, 0x04, 0x06, 0x1A, 0x1F: information == UInt32(faultOperand) << 29
            case 0x11: information != 0 && information & ~offendingFlags == 0
            case 0x19: information == UInt32(interruptHandle)
            default: information == 0
            }
        let hasInformation = [0x03, 0x04, 0x06, 0x11, 0x19, 0x1A, 0x1F].contains(code)
        guard words.0 >> 7 & 1 == (saysWhetherValid && hasInformation ? 1 : 0) else { return false }
        return words.0 & ~0x82 == word0 && words.1 & 0xFFFF_FFFF == UInt64(batchIndex) && isInformation
            && words.2 == faultAddress && words.3 == 0
    }
}

extension ReportedError {
    /// Whether an entry of the event log holds this error: its first 24 bytes and its record.
    package func permitsEntry(
        _ words: (UInt64, UInt64, UInt64), record: (UInt64, UInt64, UInt64, UInt64)
    ) -> Bool {
        let isRecord =
            logged.endings.isEmpty
            ? record == (0, 0, 0, 0) : logged.endings.contains { $0.permits(record) }
        guard isRecord else { return false }
        // One engine: every batch has identifier 0.
        guard let duties = logged.duties else {
            return words.0 & 3 == 0 && permits((words.0 | 1, words.1, words.2, 0))
        }
        return words.0 == word0 & ~3 | 0x80 && words.1 == UInt64(batchIndex) | UInt64(duties) << 32
            && words.2 == logged.recordAddress
    }
}

/// A descriptor that is at work, and who submitted it.
struct Submitted {
    let descriptor: RawDescriptor
    let pasid: UInt32
    let isPrivileged: Bool
    /// The place in the batch.
    let memberIndex: Int?
}

extension Outcome {
    mutating func addRecord(_ site: RecordSite) { records.append(site) }

    mutating func addError(_ alternatives: [ReportedError]) { errors.append(alternatives) }

    mutating func setDefects(_ codes: [UInt8]) { defects = codes }

    mutating func setStatus(_ code: UInt8) { status = code }

    /// The interrupt of the descriptor that ended last is software's, who writes its record.
    mutating func leaveInterrupt() { isInterruptLeft = true }

    mutating func dropLeftInterrupt() { isInterruptLeft = false }

    mutating func noteRecordInLog() { hasRecordInLog = true }

    mutating func addInterrupt(_ handle: UInt16) {
        if !isInterruptLeft { interrupts.append(handle) }
        isInterruptLeft = false
    }

    mutating func countMember() { memberCount += 1 }

    mutating func loosen(_ stores: ArraySlice<OracleMemory.Store>) {
        for store in stores where looseBytes[store.offset] == nil { looseBytes[store.offset] = store.old }
    }
}
