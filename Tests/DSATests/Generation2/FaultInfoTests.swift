import DSA
import DSASpec
import PCIe
import Testing

/// An operation with one operand that faults, and what Fault Info calls that.
private struct FaultingOperand: Sendable, CustomTestStringConvertible {
    let opcode: Opcode
    let name: String
    let operand: FaultOperand
    var flags: DescriptorFlags = []
    /// Makes the operand lie in the page that is not there.
    let move: @Sendable (inout Descriptor, LinearAddress) -> Void

    var testDescription: String { "\(opcode.name ?? "?") \(name)" }

    init(
        _ opcode: Opcode, _ name: String, _ operand: FaultOperand, flags: DescriptorFlags = [],
        _ move: @escaping @Sendable (inout Descriptor, LinearAddress) -> Void
    ) {
        (self.opcode, self.name, self.operand, self.flags, self.move) = (opcode, name, operand, flags, move)
    }

    static let all = [
        Self(.memoryMove, "source", .source) { $0.sourceAddress = $1 },
        Self(.memoryMove, "destination", .destination) { $0.destinationAddress = $1 },
        Self(.fill, "destination", .destination) { $0.destinationAddress = $1 },
        Self(.compare, "source 1", .source) { $0.sourceAddress = $1 },
        Self(.compare, "source 2", .secondSource) { $0.destinationAddress = $1 },
        Self(.comparePattern, "source", .source) { $0.sourceAddress = $1 },
        Self(.createDeltaRecord, "source 1", .source) { $0.sourceAddress = $1 },
        Self(.createDeltaRecord, "source 2", .secondSource) { $0.destinationAddress = $1 },
        Self(.createDeltaRecord, "delta record", .destination) { $0.deltaRecordAddress = $1 },
        Self(.applyDeltaRecord, "delta record", .source) { $0.sourceAddress = $1 },
        Self(.applyDeltaRecord, "destination", .destination) { $0.destinationAddress = $1 },
        Self(.dualcast, "source", .source) { $0.sourceAddress = $1 },
        Self(.dualcast, "destination 1", .destination) { $0.destinationAddress = $1 },
        Self(.dualcast, "destination 2", .secondDestination) { $0.destination2Address = $1 },
        Self(.crcGeneration, "source", .source) { $0.sourceAddress = $1 },
        Self(.crcGeneration, "seed", .secondSource, flags: .readCRCSeed) { $0.crcSeedAddress = $1 },
        Self(.copyWithCRC, "destination", .destination) { $0.destinationAddress = $1 },
        Self(.difCheck, "source", .source) { $0.sourceAddress = $1 },
        Self(.difInsert, "source", .source) { $0.sourceAddress = $1 },
        Self(.difInsert, "destination", .destination) { $0.destinationAddress = $1 },
        Self(.cacheFlush, "destination", .destination) { $0.destinationAddress = $1 },
    ]

    /// The descriptor, with buffers in pages 20, 22, 24 and 26 of `fixture` where they do not fault.
    func descriptor(_ fixture: DeviceFixture, record slot: Int?, missing page: Int) -> Descriptor {
        var descriptor = fixture.descriptor(
            opcode, record: slot, flags: flags, source: fixture.page(20), destination: fixture.page(22), size: 520)
        switch opcode {
        case .fill, .cacheFlush: descriptor.sourceAddress = LinearAddress(rawValue: 0)
        case .comparePattern, .crcGeneration, .difCheck: descriptor.destinationAddress = LinearAddress(rawValue: 0)
        case .dualcast: descriptor.destination2Address = LinearAddress(rawValue: fixture.page(24))
        case .createDeltaRecord:
            descriptor.deltaRecordAddress = LinearAddress(rawValue: fixture.page(24))
            descriptor.maximumDeltaRecordSize = 80
        case .applyDeltaRecord:
            descriptor.sourceAddress = LinearAddress(rawValue: fixture.page(26))
            descriptor.deltaRecordSize = 10
        case .difInsert: descriptor.transferSize = 512
        default: break
        }
        move(&descriptor, LinearAddress(rawValue: fixture.page(page)))
        return descriptor
    }
}

@Suite("Fault info")
struct FaultInfoTests {
    private static let missingPage = 30

    private func device(_ profile: DeviceProfile) throws -> DeviceFixture {
        let fixture = try DeviceFixture(profile: profile)
        try fixture.enable([.shared()])
        try fixture.unmap(page: Self.missingPage)
        // Create Delta Record finds a difference to record.
        fixture.write([1], at: fixture.page(20))
        return fixture
    }

    @Test(arguments: FaultingOperand.all)
    fileprivate func `A page fault names the operand that faulted`(row: FaultingOperand) throws {
        let fixture = try device(.dsa2)
        try fixture.enqueue(row.descriptor(fixture, record: 0, missing: Self.missingPage))
        fixture.run()
        #expect(fixture.status(0) == .pageFault)
        #expect(fixture.record(0).faultOperand == row.operand)
        #expect(fixture.record(0).faultAddress.rawValue == fixture.page(Self.missingPage))
        #expect(fixture.record(0).word0 >> 16 & 0xF1 == 0, "no address is masked, and the other bits are unused")
    }

    @Test(arguments: FaultingOperand.all)
    fileprivate func `A generation 1 device leaves Fault Info 0`(row: FaultingOperand) throws {
        let fixture = try device(.dsa1)
        try fixture.enqueue(row.descriptor(fixture, record: 0, missing: Self.missingPage))
        fixture.run()
        #expect(fixture.status(0) == .pageFault)
        #expect(fixture.record(0).word0 >> 16 & 0xFFFF == 0)
    }

    @Test func `A list that faults is operand 1`() throws {
        let fixture = try device(.dsa2)
        try fixture.enqueue(fixture.batch(list: fixture.page(Self.missingPage), count: 2, record: 0))
        fixture.run()
        #expect(fixture.status(0) == .batchListPageFault)
        #expect(fixture.record(0).faultOperand == .source)
    }

    @Test func `The readback addresses of a Drain are operands 1 and 2`() throws {
        var profile = DeviceProfile.dsa2
        profile.general = GeneralCapabilities(rawValue: profile.general.rawValue | 1 << 9)
        let fixture = try device(profile)
        for (slot, flag) in [DescriptorFlags.readbackAddress1Valid, .readbackAddress2Valid].enumerated() {
            var drain = fixture.descriptor(.drain, record: slot, flags: flag)
            let missing = LinearAddress(rawValue: fixture.page(Self.missingPage))
            if slot == 0 { drain.readbackAddress1 = missing } else { drain.readbackAddress2 = missing }
            try fixture.enqueue(drain)
        }
        fixture.run()
        #expect((0...1).map { fixture.status($0) } == [.readbackPageFault, .readbackPageFault])
        #expect((0...1).map { fixture.record($0).faultOperand } == [.source, .secondSource])
    }

    @Test func `What ends otherwise has no Fault Info`() throws {
        let fixture = try device(.dsa2)
        try fixture.enqueue(fixture.noOp(record: 0))
        try fixture.mapNoMemory(page: Self.missingPage)
        try fixture.enqueue(
            fixture.descriptor(.fill, record: 1, destination: fixture.page(Self.missingPage), size: 8))
        fixture.run()
        #expect((0...1).map { fixture.status($0) } == [.success, .hardwareErrorOnWrite])
        #expect((0...1).allSatisfy { fixture.record($0).word0 >> 16 & 0xFF == 0 })
    }

    @Test(arguments: [DeviceProfile.dsa1, .dsa2])
    func `SWERROR carries the operand of a page fault on generation 2`(profile: DeviceProfile) throws {
        let fixture = try device(profile)
        try fixture.enqueue(
            fixture.descriptor(.fill, record: nil, destination: fixture.page(Self.missingPage), size: 8))
        fixture.run()
        let error = fixture.device.softwareError
        #expect(error.code == .pageFault)
        #expect(error.isErrorInformationValid == profile.isGeneration2)
        #expect(error.faultOperand == (profile.isGeneration2 ? .destination : .unknown))
    }

    @Test func `An event names the operand of a page fault, a record address is operand 5`() throws {
        let log = try EventLogFixture()
        try log.fixture.unmap(page: Self.missingPage)
        try log.run(
            log.fixture.descriptor(
                .memoryMove, record: nil, source: log.fixture.page(Self.missingPage),
                destination: log.fixture.page(20), size: 8),
            log.noOp(recordIn: Self.missingPage))
        #expect(log.entries.map(\.code) == [.pageFault, .completionRecordPageFault])
        #expect(log.entries.map(\.error.faultOperand) == [.source, .completionRecord])
        #expect(log.entries.allSatisfy { $0.error.isErrorInformationValid })
    }
}
