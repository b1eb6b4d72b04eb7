import DSA
import DSASpec
import PCIe
import Testing

/// A row of dsa-device table 2.2: the flags of a descriptor, how it ends, and where that shows.
struct RecordRow: Sendable, CustomTestStringConvertible {
    enum Kind: Sendable { case noOp, failedBatch, badOpcode, pageFault, falsePredicate }

    let hasAddress: Bool
    let isRequested: Bool
    let kind: Kind
    let isRecordWritten: Bool
    let isSoftwareError: Bool

    var status: CompletionStatus {
        switch kind {
        case .noOp: .success
        case .failedBatch: .batchError
        case .badOpcode: .unsupportedOperation
        case .pageFault: .pageFault
        case .falsePredicate: .successFalsePredicate
        }
    }

    var testDescription: String { "CRAV \(hasAddress), RCR \(isRequested), \(kind)" }

    init(_ hasAddress: Bool, _ isRequested: Bool, _ kind: Kind, record: Bool, softwareError: Bool) {
        self.hasAddress = hasAddress
        self.isRequested = isRequested
        self.kind = kind
        isRecordWritten = record
        isSoftwareError = softwareError
    }

    static let all = [
        RecordRow(true, true, .noOp, record: true, softwareError: false),
        RecordRow(true, true, .falsePredicate, record: true, softwareError: false),
        RecordRow(true, true, .failedBatch, record: true, softwareError: false),
        RecordRow(true, true, .badOpcode, record: true, softwareError: false),
        RecordRow(true, true, .pageFault, record: true, softwareError: false),
        // A Compare must request its record, so that 0x02 cannot come without.
        RecordRow(true, false, .noOp, record: false, softwareError: false),
        RecordRow(true, false, .failedBatch, record: false, softwareError: false),
        RecordRow(true, false, .badOpcode, record: true, softwareError: false),
        RecordRow(true, false, .pageFault, record: true, softwareError: false),
        RecordRow(false, false, .noOp, record: false, softwareError: false),
        RecordRow(false, false, .failedBatch, record: false, softwareError: false),
        RecordRow(false, false, .badOpcode, record: false, softwareError: true),
        RecordRow(false, false, .pageFault, record: false, softwareError: true),
    ]

    func descriptor(_ fixture: DeviceFixture) throws -> Descriptor {
        var descriptor: Descriptor
        switch kind {
        case .noOp:
            descriptor = fixture.noOp(record: 0)
        case .badOpcode:
            descriptor = fixture.descriptor(Opcode(rawValue: 0x3F), record: 0)
        case .falsePredicate:
            descriptor = fixture.descriptor(
                .compare, record: 0, flags: .checkResult, source: fixture.page(20), destination: fixture.page(21),
                size: 64
            ).with { $0.expectedResult = 1 }
        case .pageFault:
            try fixture.unmap(page: 25)
            descriptor = fixture.descriptor(
                .memoryMove, record: 0, source: fixture.page(20), destination: fixture.page(25), size: 64)
        case .failedBatch:
            // The member's own failure must not show in SWERROR: it has a record.
            fixture.writeList(
                [fixture.noOp(record: 1), fixture.descriptor(Opcode(rawValue: 0x3F), record: 2)],
                at: fixture.page(20))
            descriptor = fixture.batch(list: fixture.page(20), count: 2, record: 0)
        }
        if !isRequested { descriptor.flags.remove(.requestCompletionRecord) }
        if !hasAddress {
            descriptor.flags.remove(.completionRecordAddressValid)
            descriptor.completionRecordAddress = LinearAddress(rawValue: 0)
        }
        return descriptor
    }
}

@Suite("Completion records")
struct CompletionRecordTests {
    @Test(arguments: RecordRow.all)
    func `Table 2.2 says where an end shows`(row: RecordRow) throws {
        let fixture = try DeviceFixture.sharedQueue()
        try fixture.enqueue(row.descriptor(fixture))
        fixture.run()
        #expect(fixture.status(0) == (row.isRecordWritten ? row.status : .none))
        #expect(fixture.device.softwareError.isValid == row.isSoftwareError)
        if row.isSoftwareError { #expect(fixture.device.softwareError.code == row.status) }
        #expect(fixture.device.workQueues[0].counts.completed == 1)
        let memberRecords: UInt64 = row.kind == .failedBatch ? 2 : 0
        #expect(fixture.device.recordCount == (row.isRecordWritten ? 1 : 0) + memberRecords)
    }

    @Test(arguments: [true, false])
    func `Vector 22: a misaligned record address ends with SWERROR 0x1B and no record, whatever RCR`(
        isRequested: Bool
    ) throws {
        let fixture = try DeviceFixture.sharedQueue()
        var descriptor = fixture.noOp(record: 0)
        descriptor.completionRecordAddress = LinearAddress(rawValue: fixture.recordAddress(0) + 16)
        if !isRequested { descriptor.flags.remove(.requestCompletionRecord) }
        try fixture.enqueue(descriptor)
        fixture.run()
        #expect(fixture.read(64, at: fixture.recordAddress(0)).allSatisfy { $0 == 0 })
        #expect(fixture.device.softwareError.code == .completionRecordMisaligned)
        #expect(fixture.device.recordCount == 0)
    }

    @Test func `A record address that does not translate ends with SWERROR 0x1A; the data is there`() throws {
        let fixture = try DeviceFixture.sharedQueue()
        try fixture.unmap(page: 0)
        try fixture.enqueue(
            fixture.descriptor(.fill, record: 3, source: .max, destination: fixture.page(20), size: 8))
        fixture.run()
        #expect(fixture.read(8, at: fixture.page(20)).allSatisfy { $0 == 0xFF })
        #expect(fixture.device.softwareError.code == .completionRecordPageFault)
        #expect(fixture.device.softwareError.faultAddress.rawValue == fixture.recordAddress(3))
        #expect(fixture.device.softwareError.faultWasWrite)
    }

    @Test func `A read-only record page, one that is no memory, and an unbound PASID end with 0x1A`() throws {
        let unbound = HostPASID(truncating: 0x4_2424)
        for attempt in 0..<3 {
            let fixture = try DeviceFixture.sharedQueue()
            switch attempt {
            case 0: try fixture.map(page: 0, writable: false)
            case 1: try fixture.mapNoMemory(page: 0)
            default: break
            }
            try fixture.enqueue(fixture.noOp(pasid: attempt == 2 ? unbound : DeviceFixture.pasid, record: 0))
            fixture.run()
            #expect(fixture.device.softwareError.code == .completionRecordPageFault)
            #expect(fixture.device.recordCount == 0)
        }
    }

    @Test func `A record that is not written for lack of a request is not translated either`() throws {
        let fixture = try DeviceFixture.sharedQueue()
        try fixture.unmap(page: 0)
        var descriptor = fixture.noOp(record: 0)
        descriptor.flags.remove(.requestCompletionRecord)
        try fixture.enqueue(descriptor)
        fixture.run()
        #expect(!fixture.device.softwareError.isValid)
        #expect(fixture.device.workQueues[0].counts.completed == 1)
    }

    @Test func `Priv 1 without privileged mode ends with SWERROR 0x1D and never a record`() throws {
        var profile = DeviceProfile.dsa1
        profile.isPrivilegedModeEnabled = false
        let fixture = try DeviceFixture(profile: profile)
        try fixture.enable([.shared()])
        try fixture.enqueue(fixture.noOp(record: 0).with { $0.firstDword |= 1 << 31 })
        fixture.run()
        #expect(fixture.status(0) == .none)
        #expect(fixture.device.softwareError.code == .invalidPrivilege)
        #expect(fixture.device.softwareError.isPrivileged)
    }

    @Test(arguments: [true, false])
    func `An invalid interrupt handle shows in the record and in SWERROR`(hasAddress: Bool) throws {
        let fixture = try DeviceFixture.sharedQueue()
        // A user's request for an interrupt is refused by its flag; a supervisor's by its handle.
        var descriptor = fixture.noOp(record: hasAddress ? 0 : nil)
        descriptor.flags.insert(.requestCompletionInterrupt)
        descriptor.completionInterruptHandle = 5
        descriptor.firstDword |= 1 << 31
        try fixture.enqueue(descriptor)
        fixture.run()
        #expect(fixture.status(0) == (hasAddress ? .invalidInterruptHandle : .none))
        #expect(fixture.device.softwareError.code == .invalidInterruptHandle)
        #expect(!fixture.device.softwareError.overflow)
    }

    @Test func `Invalid flags are named in the record`() throws {
        let fixture = try DeviceFixture.sharedQueue()
        try fixture.enqueue(
            fixture.descriptor(
                .memoryMove, record: 0, flags: .checkResult, source: fixture.page(20), destination: fixture.page(21),
                size: 8))
        fixture.run()
        #expect(fixture.status(0) == .invalidFlags)
        #expect(fixture.record(0).invalidFlags == .checkResult)
        #expect(fixture.record(0).bytesCompleted == 0)
    }

    @Test func `A page fault tells its address, its direction and the bytes before it`() throws {
        for isWrite in [false, true] {
            let fixture = try DeviceFixture.sharedQueue()
            fixture.write([UInt8](repeating: 7, count: 4096), at: fixture.page(20))
            try fixture.unmap(page: isWrite ? 31 : 21)
            try fixture.enqueue(
                fixture.descriptor(
                    .memoryMove, record: 0, source: fixture.page(20) + 96, destination: fixture.page(30) + 96,
                    size: 8192))
            fixture.run()
            #expect(fixture.status(0) == .pageFault)
            #expect(fixture.record(0).bytesCompleted == 4000)
            #expect(fixture.record(0).faultAddress.rawValue == fixture.page(isWrite ? 31 : 21))
            #expect(fixture.record(0).faultWasWrite == isWrite)
            #expect(fixture.read(4000, at: fixture.page(30) + 96).allSatisfy { $0 == 7 })
        }
    }

    @Test func `A DWQ's descriptors use the WQ's PASID, whatever they carry`() throws {
        let fixture = try DeviceFixture.dedicatedQueue()
        fixture.device.post(fixture.noOp(pasid: HostPASID(truncating: 0x7_7777), record: 0), to: .of(0))
        fixture.run()
        #expect(fixture.status(0) == .success)
    }

    @Test func `A DWQ without PASID Enable has no address space here, so its records are lost`() throws {
        let fixture = try DeviceFixture()
        try fixture.enable([.dedicated(pasid: nil)])
        fixture.device.post(fixture.noOp(record: 0), to: .of(0))
        fixture.run()
        #expect(fixture.status(0) == .none)
        #expect(fixture.device.softwareError.code == .completionRecordPageFault)
    }
}
