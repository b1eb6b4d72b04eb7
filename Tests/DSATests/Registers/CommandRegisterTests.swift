import DSA
import DSASpec
import PCIe
import Testing

@Suite("CMD and CMDSTATUS")
struct CommandRegisterTests {
    @Test func `CMD starts a command and reads as 0, CMDSTATUS tells its end`() throws {
        let fixture = try DeviceFixture()
        #expect(fixture.command(1) == 0)
        #expect(fixture.read32(.command) == 0)
        #expect(fixture.read32(.generalStatus) == 1)
        #expect(fixture.command(1) == 0x10)
        #expect(fixture.command(2) == 0)
        #expect(fixture.command(2) == 0x31)
        #expect(fixture.read32(.generalStatus) == 0)
    }

    @Test(arguments: [0, 15, 16, 17, 31] as [UInt32])
    func `A code without command fails with 0x01`(code: UInt32) throws {
        let fixture = try DeviceFixture()
        #expect(fixture.command(code) == 0x01)
    }

    @Test func `Commands 13 and 14 are unsupported without CMDCAP`() throws {
        let fixture = try DeviceFixture()
        #expect(fixture.command(13) == 0x01)
        #expect(fixture.command(14) == 0x01)
    }

    @Test func `Operands: 0x04 for reserved bits, 0x02 for WQs that do not exist, 0x20 and 0x21 of Enable WQ`() throws {
        let fixture = try DeviceFixture.sharedQueue()
        for code: UInt32 in 1...5 { #expect(fixture.command(code, 0x8_0000) == 0x04) }
        #expect(fixture.command(6, 0x100) == 0x04)
        #expect(fixture.command(6, 8) == 0x02)
        #expect(fixture.command(6, 0xFF) == 0x02)
        #expect(fixture.command(6, 0) == 0x21)
        for code: UInt32 in 7...10 {
            #expect(fixture.command(code, 0x100) == 0x02)
            #expect(fixture.command(code, 0x1_0001) == 0x02)
            #expect(fixture.command(code, 0xF_0001) == 0x02)
        }
        for code: UInt32 in 7...9 { #expect(fixture.command(code, 0x2) == 0x32) }
        #expect(fixture.device.state == .enabled && fixture.device.workQueues[0].state == .enabled)
        #expect(fixture.command(2) == 0)
        #expect(fixture.command(6, 0) == 0x20)
    }

    @Test func `CMDSTATUS is active while the command waits, and a further one is lost with SWERROR 0x52`() throws {
        let fixture = try DeviceFixture.sharedQueue()
        fixture.holdEngines()
        try fixture.enqueue(fixture.noOp(record: 0))
        #expect(fixture.command(3) == 0x8000_0000)
        #expect(fixture.command(15) == 0x8000_0000)
        #expect(fixture.read32(.softwareError) == 0x5201)
        fixture.holdEngines(false)
        fixture.run()
        #expect(fixture.read32(.commandStatus) == 0)
        #expect(fixture.status(0) == .success)
    }

    @Test func `A command is a cause when it asked for it, at its end and also when it failed`() throws {
        let fixture = try DeviceFixture.sharedQueue()
        fixture.unmaskMiscellaneousVector()
        #expect(fixture.command(1) == 0x10)
        #expect(fixture.read32(.interruptCause) == 0)
        #expect(fixture.command(1, requestsInterrupt: true) == 0x10)
        #expect(fixture.read32(.interruptCause) == 2)
        fixture.write32(.interruptCause, 2)
        fixture.holdEngines()
        try fixture.enqueue(fixture.noOp(record: 0))
        fixture.command(3, requestsInterrupt: true)
        #expect(fixture.read32(.interruptCause) == 0)
        fixture.command(4, requestsInterrupt: true)
        #expect(fixture.read32(.interruptCause) == 0, "the lost command is none")
        fixture.holdEngines(false)
        fixture.run()
        #expect(fixture.read32(.interruptCause) == 2)
        #expect(fixture.miscellaneousInterruptCount == 2)
    }

    @Test func `Commands by value and by register leave the same CMDSTATUS`() throws {
        let fixture = try DeviceFixture.sharedQueue()
        #expect(fixture.device.execute(.disableWorkQueues(2)) == .completed(.workQueueNotEnabled))
        #expect(fixture.read32(.commandStatus) == 0x32)
        #expect(fixture.device.commandStatus.error == .workQueueNotEnabled)
        fixture.command(8, 1)
        #expect(fixture.device.commandStatus == CommandStatus(error: .none))
    }

    @Test func `Request Interrupt Handle answers the handle in bits 23-8, Release gives it back`() throws {
        var profile = DeviceProfile.dsa1
        profile.general = GeneralCapabilities(rawValue: profile.general.rawValue | 1 << 4)
        profile.interruptHandleCount = 2
        let fixture = try DeviceFixture(profile: profile)
        #expect(fixture.command(13, 5) == 0)
        #expect(fixture.command(13, 1 << 16 | 7) == 0)
        #expect(fixture.command(13, 6) == 0x100)
        #expect(fixture.command(13, 7) == 0x42)
        #expect(fixture.command(13, 9) == 0x41)
        #expect(fixture.command(13, 1 << 17) == 0x04)
        #expect(fixture.command(14, 1) == 0)
        #expect(fixture.command(14, 1) == 0x41)
        #expect(fixture.command(14, 1 << 19) == 0x04)
    }

    @Test func `Drain PASID and Abort PASID take all 20 bits`() throws {
        let fixture = try DeviceFixture.sharedQueue()
        fixture.holdEngines()
        try fixture.enqueue(fixture.noOp(record: 0))
        #expect(fixture.command(11, 0xF_FFFF) == 0, "nothing of that PASID is there")
        #expect(fixture.command(12, DeviceFixture.pasid.rawValue) == 0)
        fixture.holdEngines(false)
        fixture.run()
        #expect(fixture.status(0) == .none)
    }
}
