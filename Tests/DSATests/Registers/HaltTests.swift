import DSA
import DSASpec
import PCIe
import Testing

/// A write to the function's configuration space.
struct FunctionChange: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let halts: Bool
    let change: @Sendable (inout FunctionSettings) -> Void

    init(_ name: String, halts: Bool = true, _ change: @escaping @Sendable (inout FunctionSettings) -> Void) {
        testDescription = name
        self.halts = halts
        self.change = change
    }

    static let all = [
        FunctionChange("bus mastering off") { $0.isBusMasterEnabled = false },
        FunctionChange("ATS off") { $0.isATSEnabled = false },
        FunctionChange("PASID off") { $0.isPASIDEnabled = false },
        FunctionChange("privileged mode off") { $0.isPrivilegedModeEnabled = false },
        FunctionChange("page requests on") {
            $0.isPageRequestEnabled = true
            $0.pageRequestAllocation = 8
        },
        FunctionChange("another page request allocation") { $0.pageRequestAllocation = 8 },
        FunctionChange("what it was", halts: false) { _ in },
        FunctionChange("another traffic class map", halts: false) { $0.trafficClasses = 3 },
    ]
}

@Suite("Halt")
struct HaltTests {
    private func change(_ fixture: DeviceFixture, _ change: (inout FunctionSettings) -> Void) {
        var settings = fixture.device.function
        change(&settings)
        fixture.device.pciConfigurationChanged(to: settings)
    }

    @Test(arguments: FunctionChange.all)
    func `A change of PCI configuration halts a device that is not Disabled, with SWERROR 0x51`(
        row: FunctionChange
    )
        throws
    {
        let fixture = try DeviceFixture.sharedQueue()
        fixture.write32(.generalControl, 3)
        change(fixture, row.change)
        #expect(fixture.read32(.generalStatus) == (row.halts ? 3 : 1))
        #expect(fixture.read32(.softwareError) == (row.halts ? 0x5101 : 0))
        #expect(fixture.read32(.interruptCause) == (row.halts ? 0x11 : 0))
        #expect(fixture.device.workQueues[0].state == (row.halts ? .disabled : .enabled))
    }

    @Test(arguments: FunctionChange.all)
    func `A Disabled device takes any PCI configuration`(row: FunctionChange) throws {
        let fixture = try DeviceFixture()
        change(fixture, row.change)
        #expect(fixture.read32(.generalStatus) == 0)
        #expect(fixture.read32(.softwareError) == 0)
    }

    @Test func `Halt is a cause when GENCTRL bit 1 is 1`() throws {
        let fixture = try DeviceFixture.sharedQueue()
        fixture.device.halt(until: .cold)
        #expect(fixture.read32(.interruptCause) == 0)
        #expect(fixture.read32(.generalStatus) == 0xF)
    }

    @Test func `In Halt submissions get Retry, posted writes are lost, commands fail with 0x05, WQs read as Disabled`()
        throws
    {
        let fixture = try DeviceFixture()
        try fixture.enable([.shared(), .dedicated()])
        change(fixture) { $0.isBusMasterEnabled = false }
        #expect(fixture.device.enqueue(fixture.noOp(record: 0), to: .of(0)) == .requestRetryStatus)
        fixture.device.post(fixture.noOp(record: 1), to: .of(1))
        fixture.run()
        #expect(fixture.status(0) == .none && fixture.status(1) == .none)
        for code: UInt32 in [1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 0, 31] { #expect(fixture.command(code) == 0x05) }
        #expect(fixture.read32(fixture.workQueueOffset(0) + 24) >> 30 == 0)
        #expect(fixture.read32(.generalStatus) == 3)
    }

    @Test func `Reset Device leaves a Halt of reset type 0`() throws {
        let fixture = try DeviceFixture.sharedQueue()
        let powerOn = try DeviceFixture(profile: fixture.device.profile).registerImage
        change(fixture) { $0.isBusMasterEnabled = false }
        #expect(fixture.command(5) == 0)
        fixture.write32(.softwareError, 3)
        #expect(fixture.registerImage.changes(since: powerOn) == [])
        #expect(fixture.command(1) == 0x12, "bus mastering is still off")
        change(fixture) { $0.isBusMasterEnabled = true }
        try fixture.enable([.shared()])
        try fixture.enqueue(fixture.noOp(record: 0))
        fixture.run()
        #expect(fixture.status(0) == .success)
    }

    @Test(arguments: [HaltReset.functionLevel, .warm, .cold])
    func `Reset Device does not leave a Halt of another type`(reset: HaltReset) throws {
        let fixture = try DeviceFixture.sharedQueue()
        fixture.device.halt(until: reset)
        #expect(fixture.command(5) == 0x05)
        #expect(fixture.read32(.generalStatus) == 3 | UInt32(reset.rawValue) << 2)
        fixture.device.halt(until: .resetDevice)
        #expect(fixture.read32(.generalStatus) == 3 | UInt32(reset.rawValue) << 2, "it is halted already")
    }

    @Test func `What is stored in WQs is abandoned, and a drain for it ends`() throws {
        let fixture = try DeviceFixture.sharedQueue()
        fixture.holdEngines()
        for slot in 0..<3 { try fixture.enqueue(fixture.noOp(record: slot)) }
        fixture.device.drain(.all, token: 7)
        fixture.device.halt(until: .resetDevice)
        #expect(fixture.device.drainEnds == [7])
        fixture.holdEngines(false)
        fixture.run()
        #expect((0..<3).allSatisfy { fixture.status($0) == .none })
        #expect(fixture.device.workQueues[0].counts.abandoned == 3)
    }

    @Test func `A command that is active ends with 0x05, and the halt stays`() throws {
        let fixture = try DeviceFixture.sharedQueue()
        fixture.holdEngines()
        try fixture.enqueue(fixture.noOp(record: 0))
        fixture.command(2, requestsInterrupt: true)
        fixture.device.halt(until: .resetDevice)
        #expect(fixture.read32(.commandStatus) == 0x05)
        #expect(fixture.read32(.interruptCause) == 2)
        #expect(fixture.device.commandEnds == [.deviceHalted])
        fixture.holdEngines(false)
        fixture.run()
        #expect(fixture.read32(.generalStatus) == 3)
        #expect(fixture.device.commandEnds == [.deviceHalted])
    }

    @Test func `Reset Device waits for a window that was out when the device halted`() async throws {
        let fixture = try DeviceFixture.sharedQueue(pageCount: 80)
        try fixture.enqueue(
            fixture.descriptor(
                .memoryMove, record: 0, source: fixture.page(16), destination: fixture.page(48), size: 100 << 10))
        fixture.stepWithThreads()
        fixture.device.halt(until: .resetDevice)
        fixture.write32(.command, 5 << 20)
        #expect(fixture.read32(.commandStatus) == 0x8000_0000)
        #expect(fixture.read32(.generalStatus) == 3)
        fixture.finishWindow(engine: try await fixture.runReadyWindow())
        fixture.run()
        #expect(fixture.read32(.commandStatus) == 0)
        #expect(fixture.read32(.generalStatus) == 0)
    }
}

/// What the host may have set wrong in configuration space, and what Enable Device says to it.
struct FunctionRefusal: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let error: UInt32
    let change: @Sendable (inout FunctionSettings) -> Void

    init(_ name: String, _ error: UInt32, _ change: @escaping @Sendable (inout FunctionSettings) -> Void) {
        testDescription = name
        self.error = error
        self.change = change
    }

    static let all = [
        FunctionRefusal("as it is", 0) { _ in },
        FunctionRefusal("bus mastering off", 0x12) { $0.isBusMasterEnabled = false },
        FunctionRefusal("page requests with no allocation", 0x13) { $0.isPageRequestEnabled = true },
        FunctionRefusal("page requests with the whole capacity", 0) {
            $0.isPageRequestEnabled = true
            $0.pageRequestAllocation = 512
        },
        FunctionRefusal("page requests with more than the capacity", 0x13) {
            $0.isPageRequestEnabled = true
            $0.pageRequestAllocation = 513
        },
        FunctionRefusal("an allocation without page requests", 0) { $0.pageRequestAllocation = 513 },
        FunctionRefusal("page requests without ATS", 0x1A) {
            $0.isPageRequestEnabled = true
            $0.pageRequestAllocation = 1
            $0.isATSEnabled = false
        },
        FunctionRefusal("no ATS, no page requests", 0) { $0.isATSEnabled = false },
        FunctionRefusal("privileged mode without PASID", 0x1B) { $0.isPASIDEnabled = false },
        FunctionRefusal("neither privileged mode nor PASID", 0) {
            $0.isPASIDEnabled = false
            $0.isPrivilegedModeEnabled = false
        },
    ]
}

@Suite("PCI function and Enable Device")
struct FunctionTests {
    @Test(arguments: FunctionRefusal.all)
    func `Enable Device checks the function's settings`(row: FunctionRefusal) throws {
        let fixture = try DeviceFixture()
        var settings = fixture.device.function
        row.change(&settings)
        fixture.device.pciConfigurationChanged(to: settings)
        #expect(fixture.command(1) == row.error)
    }

    @Test func `After power-on a function may nothing, and VC0 has all traffic classes`() {
        let settings = FunctionSettings()
        #expect(!settings.isBusMasterEnabled && !settings.isATSEnabled && !settings.isPASIDEnabled)
        #expect(!settings.isPrivilegedModeEnabled && !settings.isPageRequestEnabled)
        #expect(settings.pageRequestAllocation == 0 && settings.trafficClasses == 0xFF)
    }
}
