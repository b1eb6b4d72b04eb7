import DSA
import DSASpec
import PCIe
import Testing

/// A register of table 7.1 with what a DSA 1.0 part shows after power-on and lets software write.
struct RegisterExpectation: Sendable, CustomTestStringConvertible {
    let register: Register
    /// Power-on value, as dwords.
    let reset: [UInt32]
    /// Bits that a write of ones sets while the device is Disabled.
    let writable: UInt32
    /// Bits that a write of ones sets while the device is Enabled.
    let writableEnabled: UInt32

    init(_ register: Register, _ reset: [UInt32], writable: UInt32 = 0, enabled: UInt32 = 0) {
        self.register = register
        self.reset = reset
        self.writable = writable
        writableEnabled = enabled
    }

    var testDescription: String { register.name }

    static let all = [
        RegisterExpectation(.version, [0x100]),
        RegisterExpectation(.generalCapabilities, [0x915F_0107, 0x40]),
        RegisterExpectation(.workQueueCapabilities, [0x0008_0080, 0x3B_0000]),
        RegisterExpectation(.groupCapabilities, [0x3_6004, 0]),
        RegisterExpectation(.engineCapabilities, [4, 0]),
        RegisterExpectation(.operationCapabilities, [0x003F_03FF, 1, 0, 0, 0, 0, 0, 0]),
        RegisterExpectation(.tableOffsets, [0x0008_0006, 0x0100_0004, 0x0090_0020, 0]),
        RegisterExpectation(.generalConfiguration, [96], writable: 0x10FF),
        RegisterExpectation(.generalControl, [0], writable: 3, enabled: 3),
        RegisterExpectation(.generalStatus, [0]),
        RegisterExpectation(.interruptCause, [0]),
        RegisterExpectation(.commandStatus, [0]),
        RegisterExpectation(.commandCapabilities, [0]),
        RegisterExpectation(.softwareError, [0, 0, 0, 0, 0, 0, 0, 0]),
        RegisterExpectation(.eventLogConfiguration, [0, 0, 0, 0]),
        RegisterExpectation(.eventLogStatus, [0, 0]),
        RegisterExpectation(.interDomainCapabilities, [0, 0]),
        RegisterExpectation(.interDomainBitmap, [0, 0]),
        RegisterExpectation(.dsaCapabilities0, [0, 0]),
        RegisterExpectation(.dsaCapabilities1, [0, 0]),
        RegisterExpectation(.dsaCapabilities2, [0, 0]),
    ]
}

@Suite("Registers")
struct RegisterAccessTests {
    @Test(arguments: RegisterExpectation.all)
    func `A DSA 1.0 part shows the power-on values of table 7.1`(row: RegisterExpectation) throws {
        let fixture = try DeviceFixture()
        #expect(row.reset.count * 4 == row.register.byteCount)
        for (index, value) in row.reset.enumerated() {
            #expect(fixture.read32(row.register.offset + index * 4) == value, "dword \(index)")
        }
    }

    @Test(arguments: RegisterExpectation.all)
    func `Writable bits are those of table 7.1 while the device is Disabled`(row: RegisterExpectation) throws {
        let fixture = try DeviceFixture()
        try expect(row, takes: row.writable, fixture, row.reset)
    }

    @Test(arguments: RegisterExpectation.all)
    func `Writable bits are those of table 7.1 while the device is Enabled`(row: RegisterExpectation) throws {
        let fixture = try DeviceFixture.sharedQueue(engineCount: 4)
        var reset = row.reset
        if row.register == .generalStatus { reset = [1] }
        try expect(row, takes: row.writableEnabled, fixture, reset)
    }

    /// Writes ones and zeros in every size and at every place of the register.
    private func expect(
        _ row: RegisterExpectation, takes writable: UInt32, _ fixture: DeviceFixture, _ reset: [UInt32]
    ) throws {
        for size in [1, 2, 4, 8] {
            for value in [UInt64.max, 0] {
                for (index, old) in reset.enumerated() {
                    fixture.write32(row.register.offset + index * 4, old)
                }
                for offset in stride(from: 0, to: row.register.byteCount, by: size) {
                    fixture.write(row.register.offset + offset, size, value)
                }
                for (index, old) in reset.enumerated() {
                    let now = fixture.read32(row.register.offset + index * 4)
                    let expected = index == 0 ? old & ~writable | UInt32(truncatingIfNeeded: value) & writable : old
                    #expect(now == expected, "dword \(index), \(size) bytes of \(value)")
                }
            }
        }
    }

    @Test func `Every naturally aligned read gives its part of the register`() throws {
        let fixture = try DeviceFixture.sharedQueue()
        fixture.write32(.generalControl, 3)
        for offset in stride(from: 0, to: 0x1000, by: 8) {
            let whole = fixture.read64(offset)
            for size in [1, 2, 4] {
                for part in stride(from: 0, to: 8, by: size) {
                    let expected = whole >> UInt64(part * 8) & (1 << UInt64(size * 8) - 1)
                    #expect(fixture.read(offset + part, size) == expected, "\(size) bytes at \(offset + part)")
                }
            }
        }
    }

    @Test func `A write changes its own bytes alone`() throws {
        let fixture = try DeviceFixture()
        let entry = fixture.workQueueOffset(2)
        fixture.write64(entry + 8, 0x0000_015F_1123_45A1)
        fixture.write(entry + 9, 1, 0xFFFF_FF67)
        #expect(fixture.read64(entry + 8) == 0x0000_015F_1123_67A1, "bits above the size do not count")
        fixture.write(entry + 10, 2, 0x0155)
        #expect(fixture.read64(entry + 8) == 0x0000_015F_0155_67A1)
        fixture.write(entry + 12, 1, 0x14)
        #expect(fixture.read64(entry + 8) == 0x0000_0114_0155_67A1)
    }

    @Test func `Misaligned accesses, other sizes and offsets beyond BAR0 are refused and change nothing`() throws {
        let fixture = try DeviceFixture()
        let before = fixture.registerImage
        let end = fixture.device.profile.registerLayout.byteCount
        let bad: [(Int, Int, RegisterAccessError)] = [
            (0x80, 0, .unsupportedSize), (0x80, 3, .unsupportedSize), (0x80, 16, .unsupportedSize),
            (0x80, -1, .unsupportedSize), (0x81, 2, .misaligned), (0x82, 4, .misaligned), (0x84, 8, .misaligned),
            (end, 1, .outOfRange), (end + 8, 8, .outOfRange), (-8, 8, .outOfRange), (.max, 1, .outOfRange),
            (.min, 8, .outOfRange),
        ]
        for (offset, size, error) in bad {
            #expect(throws: error) { try fixture.device.readRegister(at: offset, byteCount: size) }
            #expect(throws: error) { try fixture.device.writeRegister(at: offset, byteCount: size, value: .max) }
        }
        #expect(fixture.registerImage.changes(since: before) == [])
        #expect(fixture.read(end - 8, 8) == 0)
    }

    @Test func `Interrupt tables are written in any size, and PBA and reserved dwords are read-only`() throws {
        let fixture = try DeviceFixture()
        fixture.write64(0x4010, 0x0000_0001_FEE0_1004)
        fixture.write(0x4018, 2, 0x1234)
        fixture.write(0x401A, 1, 0x56)
        #expect(fixture.read64(0x4010) == 0x0000_0001_FEE0_1004)
        #expect(fixture.read64(0x4018) == 0x0000_0001_0056_1234)
        fixture.write64(0x408, 0xFFFF_FFFF_0001_2308)
        #expect(fixture.read64(0x408) == 0x0001_2008, "bits 11:8 are reserved")
        fixture.write64(0x5000, .max)
        #expect(fixture.read64(0x5000) == 0)
        let storage = Int(fixture.read64(0x60) >> 48) << 8
        #expect(fixture.read64(storage + 16 * 2047) == 0xFEE0_0000)
        #expect(fixture.read64(storage + 16 * 2047 + 8) == 0x0000_0001_0000_0000)
        fixture.write(storage + 16 * 2047 + 13, 1, 0x23)
        #expect(fixture.read32(storage + 16 * 2047 + 12) == 0x2001, "bits 11:8 are reserved")
    }

    @Test func `Unlisted space reads 0 and ignores writes`() throws {
        let fixture = try DeviceFixture()
        let before = fixture.registerImage
        let layout = fixture.device.profile.registerLayout
        for offset in stride(from: 0, to: layout.byteCount, by: 4) where layout.place(at: offset) == .unlisted {
            fixture.write32(offset, .max)
            #expect(fixture.read32(offset) == 0)
        }
        #expect(fixture.registerImage.changes(since: before) == [])
    }

    @Test func `CMDCAP is there with GENCAP bit 4 only`() throws {
        var profile = DeviceProfile.dsa1
        profile.general = GeneralCapabilities(rawValue: profile.general.rawValue | 1 << 4)
        let fixture = try DeviceFixture(profile: profile)
        #expect(fixture.read32(.commandCapabilities) == 0x1FFE)
        profile.interruptHandleCount = 4
        let other = try DeviceFixture(profile: profile)
        #expect(other.read32(.commandCapabilities) == 0x7FFE)
    }

    @Test func `ENGCAP tells descriptors in progress with GRPCAP bit 18 only`() throws {
        var profile = DeviceProfile.dsa1
        profile.groupFeatures.insert(.progressLimits)
        let fixture = try DeviceFixture(profile: profile)
        #expect(fixture.read64(0x38) == 0x10_8004)
    }

    @Test func `With an event log GENCFG has bit 13 and GENCTRL bit 2`() throws {
        var profile = DeviceProfile.dsa1
        profile.general = GeneralCapabilities(rawValue: profile.general.rawValue | 1 << 13)
        let fixture = try DeviceFixture(profile: profile)
        fixture.write32(.generalConfiguration, .max)
        fixture.write32(.generalControl, .max)
        #expect(fixture.read32(.generalConfiguration) == 0x30FF)
        #expect(fixture.read32(.generalControl) == 7)
    }

    @Test func `EVLCFG is written while the device is Disabled, EVLSTATUS takes Head at any time`() throws {
        let fixture = try DeviceFixture(profile: .dsa2)
        fixture.write64(0xE0, .max)
        fixture.write64(0xE8, .max)
        #expect(fixture.read64(0xE0) == 0xFFFF_FFFF_FFFF_F003)
        #expect(fixture.read64(0xE8) == 0x0000_000F_FFFF_FFFF)
        fixture.write64(0xE0, 0x1234_5000)
        fixture.write(0xE8, 2, 64)
        fixture.write32(0xEC, 0)
        #expect(fixture.read64(0xE8) == 0xFFFF_0040)
        #expect(fixture.read64(0xE0) == 0x1234_5000)
        #expect(fixture.command(1) == 0)
        for offset in [0xE0, 0xE8] { fixture.write64(offset, 0) }
        #expect(fixture.read64(0xE0) == 0x1234_5000 && fixture.read64(0xE8) == 0xFFFF_0040)
        fixture.write64(0xF0, .max)
        #expect(fixture.read64(0xF0) == 0xFFFF, "Tail is read-only, ones do not set Interrupt Pending")
        fixture.write(0xF1, 1, 0)
        #expect(fixture.read64(0xF0) == 0xFF)
        fixture.write32(0xF4, 0)
        #expect(fixture.read64(0xF0) == 0xFF)
    }
}

@Suite("SWERROR and INTCAUSE")
struct WriteOneToClearTests {
    private func badOpcode(_ fixture: DeviceFixture) throws {
        try fixture.enqueue(fixture.descriptor(Opcode(rawValue: 0x3E), record: nil))
        fixture.run()
    }

    @Test func `SWERROR shows the 32 bytes of the error, and a write of ones to Valid clears it`() throws {
        let fixture = try DeviceFixture.sharedQueue()
        try fixture.unmap(page: 25)
        try fixture.enqueue(
            fixture.descriptor(
                .memoryMove, record: nil, source: fixture.page(25), destination: fixture.page(20), size: 64))
        fixture.run()
        // Valid, Descriptor Valid, WQ Index Valid; code 3; WQ 0; operation 3; PASID 11.
        #expect(fixture.read64(0xC0) == 0x0000_0B03_0000_030D)
        #expect(fixture.read64(0xC8) == 0)
        #expect(fixture.read64(0xD0) == fixture.page(25))
        #expect(fixture.read64(0xD8) == 0)
        fixture.write64(0xC8, .max)
        fixture.write(0xC1, 1, 0xFF)
        #expect(fixture.read64(0xC0) == 0x0000_0B03_0000_030D, "only bits 1:0 are written")
        fixture.write(0xC0, 1, 0)
        #expect(fixture.read64(0xC0) == 0x0000_0B03_0000_030D, "zeros clear nothing")
        fixture.write(0xC0, 1, 1)
        #expect((0..<4).allSatisfy { fixture.read64(0xC0 + $0 * 8) == 0 })
    }

    @Test func `Valid and Overflow are cleared one by one`() throws {
        let fixture = try DeviceFixture.sharedQueue()
        for _ in 0..<2 { try badOpcode(fixture) }
        #expect(fixture.read32(.softwareError) & 3 == 3)
        fixture.write32(.softwareError, 2)
        #expect(fixture.read32(.softwareError) & 3 == 1)
        try badOpcode(fixture)
        #expect(fixture.read32(.softwareError) & 3 == 3)
        fixture.write32(.softwareError, 1)
        #expect(fixture.read32(.softwareError) == 2)
        try badOpcode(fixture)
        #expect(fixture.read32(.softwareError) & 3 == 3, "Overflow stays until it is cleared")
        #expect(fixture.device.softwareError.code == .unsupportedOperation)
    }

    @Test func `Linux clears SWERROR by writing back the 32 bytes it read`() throws {
        let fixture = try DeviceFixture.sharedQueue()
        for _ in 0..<2 { try badOpcode(fixture) }
        for offset in stride(from: 0xC0, to: 0xE0, by: 8) { fixture.write64(offset, fixture.read64(offset)) }
        #expect(fixture.read32(.softwareError) == 0)
    }

    @Test func `An error is a cause when it makes SWERROR valid and GENCTRL bit 0 is 1`() throws {
        let fixture = try DeviceFixture.sharedQueue()
        fixture.unmaskMiscellaneousVector()
        try badOpcode(fixture)
        #expect(fixture.read32(.interruptCause) == 0)
        #expect(fixture.miscellaneousInterruptCount == 0)
        fixture.write32(.softwareError, 3)
        fixture.write32(.generalControl, 1)
        try badOpcode(fixture)
        #expect(fixture.read32(.interruptCause) == 1)
        #expect(fixture.miscellaneousInterruptCount == 1)
        try badOpcode(fixture)
        #expect(fixture.miscellaneousInterruptCount == 1, "Overflow is no cause")
        fixture.write32(.interruptCause, 0x8000_003E)
        #expect(fixture.read32(.interruptCause) == 1, "ones clear their own bits alone")
        fixture.write32(.interruptCause, 1)
        #expect(fixture.read32(.interruptCause) == 0)
    }
}
