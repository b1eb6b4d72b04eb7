import DSA
import DSASpec
import PCIe
import Testing

@Suite("Miscellaneous interrupt")
struct MiscellaneousInterruptTests {
    private func causes(_ fixture: DeviceFixture) -> InterruptCause {
        InterruptCause(rawValue: fixture.read32(.interruptCause))
    }

    /// Lets SWERROR become valid, with GENCTRL bit 0 set: a cause of vector 0.
    private func makeError(_ fixture: DeviceFixture) throws {
        fixture.write32(.generalControl, GeneralControl.softwareErrorInterrupt.rawValue)
        fixture.device.clearSoftwareError()
        try fixture.submit(fixture.noOp(record: nil).with { $0.opcode = Opcode(rawValue: 0x3F) })
    }

    @Test func `Vector 0 carries the device's causes, whatever PASID its permission record has`() throws {
        for pasid in [nil, DeviceFixture.pasids[1]] {
            let fixture = try DeviceFixture.interrupting()
            fixture.program(.miscellaneous, pasid: pasid)
            try makeError(fixture)
            #expect(fixture.device.vectorsSent == [.miscellaneous])
            #expect(fixture.device.interruptsSent.first?.message == DeviceFixture.message(of: .miscellaneous))
            #expect(causes(fixture) == .softwareError)
        }
    }

    @Test func `Masked, vector 0 is pending and its cause is noted; ignored, only the cause is`() throws {
        let fixture = try DeviceFixture.interrupting()
        fixture.program(.miscellaneous, pasid: nil, isMasked: true)
        try makeError(fixture)
        #expect(fixture.device.vectorsSent.isEmpty)
        #expect(causes(fixture) == .softwareError)
        fixture.program(.miscellaneous, pasid: nil)
        #expect(fixture.device.vectorsSent == [.miscellaneous])

        let silent = try DeviceFixture.interrupting()
        silent.program(.miscellaneous, pasid: nil, isIgnored: true)
        try makeError(silent)
        silent.program(.miscellaneous, pasid: nil)
        #expect(silent.device.vectorsSent.isEmpty)
        #expect(causes(silent) == .softwareError)
    }

    @Test func `A descriptor may name vector 0 too, if the permission record admits it`() throws {
        let fixture = try DeviceFixture.interrupting()
        fixture.program(.miscellaneous)
        try fixture.submit(fixture.interruptingNoOp(handle: 0, record: 0))
        #expect(fixture.status(0) == .success)
        #expect(fixture.device.vectorsSent == [.miscellaneous])
        #expect(causes(fixture) == [])
    }

    @Test func `Revoked handles are INTCAUSE bit 31 and vector 0, which are cleared by writing 1`() throws {
        let fixture = try DeviceFixture.interrupting(handleCount: 4)
        fixture.program(.miscellaneous, pasid: nil)
        fixture.device.revokeInterruptHandles()
        #expect(causes(fixture) == [])
        guard case .completed(.none, _) = fixture.device.execute(.requestInterruptHandle(InterruptVector(.ims, 3)))
        else { throw NoHandle() }
        fixture.device.revokeInterruptHandles()
        #expect(causes(fixture).rawValue == 1 << 31)
        #expect(fixture.device.vectorsSent == [.miscellaneous])
        fixture.write32(.interruptCause, 1 << 31)
        #expect(causes(fixture) == [])
    }

    private struct NoHandle: Error {}

    @Test func `An occupancy interrupt is INTCAUSE bit 2 and goes out through its own entry alone`() throws {
        let fixture = try DeviceFixture.interrupting()
        fixture.program(.miscellaneous, pasid: nil)
        fixture.program(InterruptVector(.ims, 9), pasid: nil)
        // WQCFG of WQ 0: handle 9 of the IMS, then limit 3 and enable.
        fixture.write32(fixture.workQueueOffset(0) + 16, 1 << 16 | 9)
        fixture.write32(fixture.workQueueOffset(0) + 20, 1 << 16 | 3)
        #expect(causes(fixture) == .occupancy)
        #expect(fixture.device.vectorsSent == [InterruptVector(.ims, 9)])
        #expect(fixture.read32(fixture.workQueueOffset(0) + 24) >> 16 & 1 == 1)
        // Written 1, Generated is cleared, and set again at once: the WQ is still empty.
        fixture.write32(fixture.workQueueOffset(0) + 24, 1 << 16)
        #expect(fixture.device.vectorsSent == [InterruptVector(.ims, 9), InterruptVector(.ims, 9)])
    }

    @Test func `Without WQCAP bit 53 no occupancy interrupt fires, whatever WQCFG says`() throws {
        var profile = DeviceProfile.dsa1
        profile.workQueueFeatures.remove(.occupancyInterrupt)
        let fixture = try DeviceFixture(profile: profile)
        try fixture.enable([.shared()])
        fixture.program(InterruptVector(.ims, 9), pasid: nil)
        fixture.write32(fixture.workQueueOffset(0) + 16, 1 << 16 | 9)
        fixture.write32(fixture.workQueueOffset(0) + 20, 1 << 16 | 3)
        #expect(causes(fixture) == [])
        #expect(fixture.device.vectorsSent.isEmpty)
    }
}
