import DSA
import DSASpec
import PCIe
import Testing

@Suite("Interrupt entries")
struct InterruptEntryTests {
    static let tables = [Portal.InterruptTable.msix, .ims]

    @Test func `A permission record has Ignore in bit 2, PASID Enable in bit 3 and the PASID in bits 31 to 12`() {
        let record = InterruptPermission(rawValue: 0xABCD_E008)
        #expect(record.pasid?.rawValue == 0xA_BCDE)
        #expect(!record.isIgnored)
        #expect(InterruptPermission(rawValue: 0xABCD_E004).pasid == nil)
        #expect(InterruptPermission(rawValue: 0xABCD_E004).isIgnored)
        #expect(InterruptPermission(rawValue: .max).rawValue == 0xFFFF_F00C)
        #expect(InterruptPermission(pasid: HostPASID(truncating: 0xA_BCDE)).rawValue == 0xABCD_E008)
        #expect(InterruptPermission(pasid: nil, isIgnored: true).rawValue == 4)
    }

    @Test func `After power-on every entry is masked, IMS entries point at 0xFEE00000, all else is 0`() throws {
        let fixture = try DeviceFixture()
        #expect(fixture.device.byteCount(of: .permissions) == 9 * 8)
        #expect(fixture.device.byteCount(of: .messages) == 9 * 16)
        #expect(fixture.device.byteCount(of: .pendingBits) == 8)
        #expect(fixture.device.byteCount(of: .messageStorage) == 2048 * 16)
        for index in 0..<9 {
            #expect(dwords(fixture, .messages, index * 4, 4) == [0, 0, 0, 1])
            #expect(dwords(fixture, .permissions, index * 2, 2) == [0, 0])
        }
        for index in [0, 1, 2047] {
            #expect(dwords(fixture, .messageStorage, index * 4, 4) == [0xFEE0_0000, 0, 0, 1])
        }
        #expect(dwords(fixture, .pendingBits, 0, 2) == [0, 0])
    }

    @Test func `Each dword of an entry keeps what is written, without reserved bits`() throws {
        let fixture = try DeviceFixture()
        for dword in 0..<4 {
            fixture.device.writeInterruptRegister(.messages, dword: 8 * 4 + dword, value: .max)
            fixture.device.writeInterruptRegister(.messageStorage, dword: 2047 * 4 + dword, value: .max)
        }
        for dword in 0..<2 { fixture.device.writeInterruptRegister(.permissions, dword: 8 * 2 + dword, value: .max) }
        for dword in 0..<2 { fixture.device.writeInterruptRegister(.pendingBits, dword: dword, value: .max) }
        #expect(dwords(fixture, .messages, 32, 4) == [0xFFFF_FFFC, .max, .max, 1])
        // Pending is read-only.
        #expect(dwords(fixture, .messageStorage, 2047 * 4, 4) == [0xFFFF_FFFC, .max, .max, 0xFFFF_F00D])
        #expect(dwords(fixture, .permissions, 16, 2) == [0xFFFF_F00C, 0])
        #expect(dwords(fixture, .pendingBits, 0, 2) == [0, 0])
        #expect(dwords(fixture, .messages, 28, 4) == [0, 0, 0, 1])
        #expect(dwords(fixture, .messageStorage, 2046 * 4, 4) == [0xFEE0_0000, 0, 0, 1])
    }

    @Test(arguments: InterruptRegisters.allCases)
    func `What lies beyond a table reads 0 and takes nothing`(range: InterruptRegisters) throws {
        let fixture = try DeviceFixture()
        let end = fixture.device.byteCount(of: range) / 4
        for dword in [end, end + 3, -1, .max, .min] {
            fixture.device.writeInterruptRegister(range, dword: dword, value: .max)
            #expect(fixture.device.readInterruptRegister(range, dword: dword) == 0)
        }
        #expect(fixture.device.interruptEntry(InterruptVector(.msix, 9)) == nil)
        #expect(fixture.device.interruptEntry(InterruptVector(.ims, 2048)) == nil)
        #expect(fixture.device.interruptEntry(InterruptVector(.ims, 2047)) == .imsPowerOn)
    }

    @Test(arguments: tables)
    func `A masked entry keeps its interrupt pending, and sends it once when the mask goes`(
        table: Portal.InterruptTable
    ) throws {
        let fixture = try DeviceFixture.interrupting()
        let vector = InterruptVector(table, 7)
        fixture.program(vector, isMasked: true)
        for slot in 0..<3 {
            try fixture.submit(fixture.interruptingNoOp(handle: 7, record: slot), through: table)
            #expect(fixture.status(slot) == .success)
        }
        #expect(fixture.device.vectorsSent.isEmpty)
        #expect(isPending(vector, fixture))
        fixture.program(vector)
        #expect(fixture.device.vectorsSent == [vector])
        #expect(!isPending(vector, fixture))
        fixture.program(vector, isMasked: true)
        fixture.program(vector)
        #expect(fixture.device.vectorsSent == [vector])
    }

    @Test func `The pending bit array has the vector's bit in its place`() throws {
        var profile = DeviceProfile.dsa1
        profile.msixVectorCount = 70
        let fixture = try DeviceFixture(profile: profile)
        try #require(fixture.device.enableUserInterrupts(true) == true)
        try fixture.enable([.shared()])
        for index in [31, 32, 69] {
            fixture.program(InterruptVector(.msix, UInt16(index)), isMasked: true)
            try fixture.submit(fixture.interruptingNoOp(handle: UInt16(index), record: 0))
        }
        #expect(dwords(fixture, .pendingBits, 0, 5) == [1 << 31, 1, 1 << 5, 0, 0])
    }

    @Test(arguments: tables, [true, false])
    func `Ignore drops interrupts, the descriptor knows nothing of it`(
        table: Portal.InterruptTable, isMasked: Bool
    ) throws {
        let fixture = try DeviceFixture.interrupting()
        let vector = InterruptVector(table, 4)
        fixture.program(vector, isMasked: isMasked, isIgnored: true)
        try fixture.submit(fixture.interruptingNoOp(handle: 4, record: 0), through: table)
        #expect(fixture.status(0) == .success)
        fixture.program(vector)
        #expect(fixture.device.vectorsSent.isEmpty)
        #expect(!isPending(vector, fixture))
    }

    @Test(arguments: tables)
    func `What was pending for one owner is dropped by Ignore before the next gets the entry`(
        table: Portal.InterruptTable
    ) throws {
        let fixture = try DeviceFixture.interrupting()
        let vector = InterruptVector(table, 4)
        fixture.program(vector, isMasked: true)
        try fixture.submit(fixture.interruptingNoOp(handle: 4, record: 0), through: table)
        fixture.program(vector, isIgnored: true)
        fixture.program(vector, pasid: DeviceFixture.pasids[1])
        #expect(fixture.device.vectorsSent.isEmpty)
        #expect(!isPending(vector, fixture))
    }

    @Test func `Reset Device clears permissions and IMS, the MSI-X table stays with what is pending`() throws {
        let fixture = try DeviceFixture.interrupting()
        fixture.program(InterruptVector(.msix, 1), isMasked: true)
        fixture.program(InterruptVector(.ims, 1), isMasked: true)
        try fixture.submit(fixture.interruptingNoOp(handle: 1, record: 0))
        try fixture.submit(fixture.interruptingNoOp(handle: 1, record: 1), through: .ims)
        #expect(fixture.device.execute(.resetDevice) == .completed(.none))
        let message = DeviceFixture.message(of: InterruptVector(.msix, 1))
        #expect(dwords(fixture, .messages, 4, 4) == [message.address32, 0, message.data, 1])
        #expect(dwords(fixture, .pendingBits, 0, 1) == [1 << 1])
        #expect(dwords(fixture, .permissions, 2, 1) == [0])
        #expect(fixture.device.interruptEntry(InterruptVector(.ims, 1)) == .imsPowerOn)
        #expect(fixture.device.areUserInterruptsEnabled == false)
    }

    private func dwords(_ fixture: DeviceFixture, _ range: InterruptRegisters, _ start: Int, _ count: Int) -> [UInt32] {
        (start..<start + count).map { fixture.device.readInterruptRegister(range, dword: $0) }
    }

    private func isPending(_ vector: InterruptVector, _ fixture: DeviceFixture) -> Bool {
        switch vector.table {
        case .msix:
            fixture.device.readInterruptRegister(.pendingBits, dword: Int(vector.index) / 32) >> (vector.index % 32) & 1
                == 1
        case .ims:
            fixture.device.readInterruptRegister(.messageStorage, dword: Int(vector.index) * 4 + 3) & 2 != 0
        }
    }
}
