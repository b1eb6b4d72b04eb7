import DSA
import DSASpec
import PCIe
import Testing

@Suite("Function level reset")
struct FunctionResetTests {
    /// Writes what software can write and leaves errors, causes and a command's end behind.
    private func spoil(_ fixture: DeviceFixture) throws {
        fixture.write32(.generalControl, 3)
        // The MSI-X table, which Reset Device leaves alone, a permission record and an IMS entry.
        let layout = fixture.device.profile.registerLayout
        for range in [InterruptRegisters.messages, .permissions, .messageStorage] {
            for dword in 0..<4 { fixture.write32(layout.offset(of: range) + dword * 4, 0x0000_0FF0) }
        }
        try fixture.enqueue(fixture.descriptor(Opcode(rawValue: 0x3E), record: nil))
        fixture.run()
        #expect(fixture.command(9, 0x80) == 0x32)
        #expect(fixture.read64(Register.softwareError.offset) & 1 == 1)
    }

    @Test(arguments: [HaltReset.functionLevel, .warm, .cold])
    func `It returns all of BAR0 to power-on, also what Reset Device leaves alone`(reset: HaltReset) throws {
        let fixture = try DeviceFixture.sharedQueue()
        let powerOn = try DeviceFixture(profile: fixture.device.profile).wholeImage
        try spoil(fixture)
        fixture.device.resetFunction(by: reset, restoring: fixture.device.function)
        #expect(fixture.wholeImage.changes(since: powerOn) == [])
        try fixture.enable([.shared()])
        try fixture.enqueue(fixture.noOp(record: 3))
        fixture.run()
        #expect(fixture.status(3) == .success)
    }

    @Test(arguments: HaltReset.allCases, [HaltReset.functionLevel, .warm, .cold])
    func `It ends a Halt that needs this reset or a lesser one, and no other`(
        needed: HaltReset, reset: HaltReset
    ) throws {
        let fixture = try DeviceFixture.sharedQueue()
        fixture.device.halt(until: needed)
        fixture.device.resetFunction(by: reset, restoring: fixture.device.function)
        let isEnough = reset >= needed
        #expect(fixture.read32(.generalStatus) == (isEnough ? 0 : 3 | UInt32(needed.rawValue) << 2))
        #expect(fixture.command(1) == (isEnough ? 0 : 0x05))
    }

    @Test func `What is in the device is abandoned, the active command fails, and a window on a thread ends first`()
        async throws
    {
        let fixture = try DeviceFixture.sharedQueue(pageCount: 80)
        for slot in 0..<2 {
            try fixture.enqueue(
                fixture.descriptor(
                    .memoryMove, record: slot, source: fixture.page(16), destination: fixture.page(48),
                    size: 100 << 10))
        }
        fixture.stepWithThreads()
        fixture.write32(.command, 3 << 20)
        fixture.device.resetFunction(by: .functionLevel, restoring: fixture.device.function)
        #expect(fixture.device.commandEnds == [.deviceHalted])
        #expect(fixture.read32(.generalStatus) == 2)
        #expect(fixture.device.enqueue(fixture.noOp(record: 2), to: .of(0)) == .requestRetryStatus)
        #expect(fixture.device.resetCount == 0)
        fixture.finishWindow(engine: try await fixture.runReadyWindow())
        fixture.run()
        #expect(fixture.read32(.generalStatus) == 0)
        #expect(fixture.device.resetCount == 1)
        #expect(!fixture.hasWork)
        let account = fixture.account(of: 0)
        #expect(account.ended == account.accepted)
        #expect(fixture.status(1) == .none && fixture.status(2) == .none)
        #expect(fixture.read32(.commandStatus) == 0)
    }

    @Test func `The host keeps what it set in configuration space`() throws {
        let fixture = try DeviceFixture()
        try #require(fixture.device.setPageRequests(isEnabled: true, allocation: 9) == true)
        let before = fixture.device.function
        fixture.device.resetFunction(by: .functionLevel, restoring: fixture.device.function)
        #expect(fixture.device.function == before)
        #expect(fixture.command(1) == 0)
    }
}

extension Device {
    /// How many resets have ended, as far as the effects were not taken.
    fileprivate var resetCount: Int {
        effects.count { if case .functionReset = $0 { true } else { false } }
    }
}
