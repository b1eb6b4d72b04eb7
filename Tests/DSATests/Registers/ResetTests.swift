import DSA
import DSASpec
import PCIe
import Testing

@Suite("Reset values")
struct ResetTests {
    /// Everything that software can write, written.
    private func spoil(_ fixture: DeviceFixture) {
        fixture.write32(.generalConfiguration, 0x1005)
        fixture.write32(.generalControl, 3)
        for queue in 0..<8 {
            for dword in 0..<8 { fixture.write32(fixture.workQueueOffset(queue) + dword * 4, 0x0101_0101) }
        }
        for group in 0..<4 {
            for qword in 0..<8 { fixture.write64(fixture.groupOffset(group) + qword * 8, 0x0101_0101_0101_0101) }
        }
    }

    @Test func `Reset Device returns every register to power-on`() throws {
        let fixture = try DeviceFixture()
        let powerOn = fixture.registerImage
        spoil(fixture)
        #expect(fixture.registerImage.changes(since: powerOn) != [])
        #expect(fixture.command(5) == 0)
        #expect(fixture.registerImage.changes(since: powerOn) == [])
    }

    @Test func `Reset Device clears INTCAUSE and keeps SWERROR and CMDSTATUS`() throws {
        let fixture = try DeviceFixture.sharedQueue()
        fixture.write32(.generalControl, 1)
        try fixture.enqueue(fixture.descriptor(Opcode(rawValue: 0x3E), record: nil))
        fixture.run()
        let error = fixture.read64(0xC0)
        #expect(error & 1 == 1)
        #expect(fixture.read32(.interruptCause) == 1)
        #expect(fixture.command(5) == 0)
        #expect(fixture.read64(0xC0) == error)
        #expect(fixture.read32(.interruptCause) == 0)
        #expect(fixture.command(5, requestsInterrupt: true) == 0)
        #expect(fixture.read32(.interruptCause) == 2, "the reset's own end comes after it")
    }

    @Test func `Reset WQ returns all of WQCFG but the size to power-on, the other WQs keep theirs`() throws {
        let fixture = try DeviceFixture()
        let powerOn = (0..<8).map { fixture.read32(fixture.workQueueOffset(2) + $0 * 4) }
        spoil(fixture)
        let before = fixture.registerImage
        #expect(fixture.command(10, 4) == 0)
        let entry = fixture.workQueueOffset(2)
        #expect(fixture.read32(entry) == 0x0101)
        #expect((1..<8).map { fixture.read32(entry + $0 * 4) } == Array(powerOn[1...]))
        var expected = before
        for dword in 0..<8 { expected.dwords[entry / 4 + dword] = dword == 0 ? 0x0101 : powerOn[dword] }
        #expect(fixture.registerImage.changes(since: expected) == [])
    }

    @Test func `OPCFG is OPCAP after power-on and after Reset WQ`() throws {
        var profile = DeviceProfile.dsa1
        profile.workQueueFeatures.insert(.operationConfiguration)
        let fixture = try DeviceFixture(profile: profile)
        let entry = fixture.workQueueOffset(0) + 32
        #expect(fixture.read64(entry) == DeviceProfile.dsa1.operations.bits)
        fixture.write64(entry, 1)
        #expect(fixture.read64(entry) == 1)
        #expect(fixture.command(10, 1) == 0)
        #expect(fixture.read64(entry) == DeviceProfile.dsa1.operations.bits)
    }

    @Test func `Disable Device and Disable WQ change states alone`() throws {
        let fixture = try DeviceFixture()
        spoil(fixture)
        for queue in 0..<8 { fixture.write32(fixture.workQueueOffset(queue), 0) }
        for group in 0..<4 {
            for qword in [0, 4, 5] {
                fixture.write64(fixture.groupOffset(group) + qword * 8, qword == 5 ? 0x600_0000 : 0)
            }
        }
        fixture.write32(.generalConfiguration, 0x1060)
        let before = fixture.registerImage
        #expect(fixture.command(1) == 0)
        #expect(fixture.command(2) == 0)
        #expect(fixture.registerImage.changes(since: before) == [])
    }
}
