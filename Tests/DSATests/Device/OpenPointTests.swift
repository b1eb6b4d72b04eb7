import DSA
import DSASpec
import PCIe
import Testing

@Suite("Open points of the device")
struct OpenPointTests {
    private func fixture(
        version: UInt16 = 0x100, _ change: (inout OpenPoints) -> Void = { _ in }
    ) throws -> DeviceFixture {
        var profile = DeviceProfile.dsa1
        profile.version = version
        profile.engineCount = 1
        change(&profile.openPoints)
        let fixture = try DeviceFixture(profile: profile)
        try fixture.enable([.shared()])
        return fixture
    }

    @Test(arguments: OpenPoints.CacheFlushAccess.allCases)
    func `A Cache Flush faults as a read, by configuration as a write`(access: OpenPoints.CacheFlushAccess) throws {
        let fixture = try fixture { $0.cacheFlushAccess = access }
        try fixture.map(page: 20, writable: false)
        try fixture.unmap(page: 21)
        try fixture.enqueue(
            fixture.descriptor(.cacheFlush, record: 0, destination: fixture.page(20), size: 8192))
        fixture.run()
        #expect(fixture.status(0) == .pageFault)
        #expect(fixture.record(0).faultWasWrite == (access == .write))
        // A page that may not be written stops only what writes.
        #expect(fixture.record(0).bytesCompleted == (access == .write ? 0 : 4096))
        #expect(fixture.record(0).faultAddress.rawValue == fixture.page(access == .write ? 20 : 21))
    }

    @Test(arguments: OpenPoints.ErrorBytesCompleted.allCases)
    func `An error that is no page fault has Bytes Completed 0, by configuration its progress`(
        choice: OpenPoints.ErrorBytesCompleted
    ) throws {
        let fixture = try fixture { $0.errorBytesCompleted = choice }
        try fixture.mapNoMemory(page: 21)
        try fixture.enqueue(fixture.descriptor(.fill, record: 0, destination: fixture.page(20), size: 8192))
        fixture.run()
        #expect(fixture.status(0) == .hardwareErrorOnWrite)
        #expect(fixture.record(0).bytesCompleted == (choice == .progress ? 4096 : 0))
    }

    @Test func `Reset WQ of a disabled WQ succeeds, by configuration it fails with 0x32 and changes nothing`() throws {
        for choice in OpenPoints.ResetOfDisabledWorkQueue.allCases {
            let fixture = try fixture { $0.resetOfDisabledWorkQueue = choice }
            #expect(fixture.device.execute(.disableWorkQueues(1)) == .completed(.none))
            let configuration = fixture.device.workQueues[0].configuration
            let isRefused = choice == .notEnabled
            #expect(
                fixture.device.execute(.resetWorkQueues(1))
                    == .completed(isRefused ? .workQueueNotEnabled : .none))
            #expect((fixture.device.workQueues[0].configuration == configuration) == isRefused)
        }
    }

    @Test func `Reset WQ of an enabled WQ is not refused whatever the configuration`() throws {
        let fixture = try fixture { $0.resetOfDisabledWorkQueue = .notEnabled }
        #expect(fixture.device.execute(.resetWorkQueues(1)) == .completed(.none))
        #expect(fixture.device.workQueues[0].state == .disabled)
    }

    @Test(arguments: [(UInt16(0x100), CompletionStatus.success), (0x200, .invalidFlags)])
    func `Steering tags are for DSA 1 only`(version: UInt16, status: CompletionStatus) throws {
        let fixture = try fixture(version: version) { $0.steeringTags = .accepted }
        try fixture.enqueue(fixture.descriptor(.noOp, record: 0, flags: DescriptorFlags(rawValue: 1 << 5)))
        fixture.run()
        #expect(fixture.status(0) == status)
    }

    @Test(arguments: OpenPoints.ExpectedResult.allCases)
    func `Compare takes bit 0 of Expected Result, by configuration the byte`(
        choice: OpenPoints.ExpectedResult
    ) throws {
        let fixture = try fixture { $0.expectedResult = choice }
        for (slot, expected) in [UInt8(0), 1, 2].enumerated() {
            var compare = fixture.descriptor(
                .compare, record: slot, flags: .checkResult, source: fixture.page(20), destination: fixture.page(21),
                size: 64)
            compare.expectedResult = expected
            try fixture.enqueue(compare)
        }
        fixture.run()
        #expect(
            (0...2).map { fixture.status($0) } == [
                .success, .successFalsePredicate, choice == .lowBit ? .success : .successFalsePredicate,
            ])
    }
}

@Suite("Open points of operations")
struct OperationOpenPointTests {
    private func fixture(_ change: (inout OpenPoints) -> Void) throws -> DeviceFixture {
        var openPoints = OpenPoints()
        change(&openPoints)
        return try DeviceFixture.sharedQueue(openPoints: openPoints)
    }

    @Test(arguments: [0, 1, 63, 64, 100, 4096])
    func `A page fault divides an operation at the last byte before it, by configuration at a line`(offset: Int) throws
    {
        for choice in OpenPoints.PartialCompletion.allCases {
            let fixture = try fixture { $0.partialCompletion = choice }
            try fixture.unmap(page: 22)
            fixture.write([UInt8](repeating: 0xAA, count: 4096), at: fixture.page(21))
            let start = fixture.page(22) - UInt64(offset)
            try fixture.enqueue(
                fixture.descriptor(.fill, record: 0, source: ~0, destination: start, size: offset + 8))
            fixture.run()
            let done = choice == .everyByte ? offset : offset / 64 * 64
            #expect(fixture.status(0) == .pageFault)
            #expect(fixture.record(0).bytesCompleted == UInt32(done))
            #expect(fixture.record(0).faultAddress.rawValue == fixture.page(22))
            let rest = fixture.read(offset - done, at: start + UInt64(done))
            #expect(rest.allSatisfy { $0 == 0xAA }, "nothing behind Bytes Completed is written")
        }
    }

    @Test func `A backward move divides at a line from its end`() throws {
        let fixture = try fixture { $0.partialCompletion = .everyLine }
        try fixture.unmap(page: 21)
        // The source's page below the last 100 bytes cannot be read.
        try fixture.enqueue(
            fixture.descriptor(
                .memoryMove, record: 0, source: fixture.page(22) - 100, destination: fixture.page(22), size: 200))
        fixture.run()
        #expect(fixture.status(0) == .pageFault)
        #expect(fixture.record(0).result == 1)
        #expect(fixture.record(0).bytesCompleted == 64)
    }

    @Test func `A comparison sees every byte before the page, whatever the configuration`() throws {
        let fixture = try fixture { $0.partialCompletion = .everyLine }
        try fixture.unmap(page: 22)
        fixture.write([1], at: fixture.page(22) - 1)
        try fixture.enqueue(
            fixture.descriptor(
                .compare, record: 0, source: fixture.page(22) - 10, destination: fixture.page(24), size: 64))
        fixture.run()
        #expect(fixture.status(0) == .success)
        #expect(fixture.record(0).result == 1 && fixture.record(0).bytesCompleted == 9)
    }

    @Test(arguments: [(0, 0), (9, 8), (15, 8), (63, 56), (64, 64), (67, 67)])
    func `Compare Pattern tells the offset of the difference, by configuration the start of its pattern`(
        difference: Int, start: Int
    ) throws {
        for choice in OpenPoints.ComparePatternOffset.allCases {
            let fixture = try fixture { $0.comparePatternOffset = choice }
            fixture.write([1], at: fixture.page(20) + UInt64(difference))
            try fixture.enqueue(
                fixture.descriptor(.comparePattern, record: 0, source: fixture.page(20), size: 70))
            fixture.run()
            #expect(fixture.record(0).result == 1)
            #expect(fixture.record(0).bytesCompleted == UInt32(choice == .firstDifference ? difference : start))
        }
    }

    @Test func `An invalid interrupt handle shows in the record and in SWERROR, by configuration in the record only`()
        throws
    {
        for choice in OpenPoints.InterruptHandleError.allCases {
            var profile = DeviceProfile.dsa1
            profile.openPoints.interruptHandleError = choice
            let fixture = try DeviceFixture(profile: profile)
            try #require(fixture.device.enableUserInterrupts(true) == true)
            try fixture.enable([.shared()])
            var noOp = fixture.descriptor(.noOp, record: 0, flags: .requestCompletionInterrupt)
            noOp.completionInterruptHandle = .max
            try fixture.enqueue(noOp)
            fixture.run()
            #expect(fixture.status(0) == .invalidInterruptHandle)
            #expect(fixture.device.softwareError.isValid == (choice == .recordAndEvent))
            // Without a record there is the event alone.
            fixture.device.clearSoftwareError()
            noOp.flags = .requestCompletionInterrupt
            noOp.completionRecordAddress = LinearAddress(rawValue: 0)
            try fixture.enqueue(noOp)
            fixture.run()
            #expect(fixture.device.softwareError.code == .invalidInterruptHandle)
        }
    }
}
