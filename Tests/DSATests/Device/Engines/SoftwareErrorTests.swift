import DSA
import DSASpec
import PCIe
import Testing

@Suite("SWERROR")
struct SoftwareErrorTests {
    private func badOpcode(_ fixture: DeviceFixture, _ opcode: UInt8, pasid: HostPASID) -> Descriptor {
        fixture.descriptor(Opcode(rawValue: opcode), pasid: pasid, record: nil)
    }

    @Test func `It names the WQ, PASID, privilege and operation of the descriptor`() throws {
        let fixture = try DeviceFixture()
        try fixture.enable([.shared(), .shared(), .shared()])
        try fixture.enqueue(
            badOpcode(fixture, 0x3E, pasid: DeviceFixture.pasids[2]).with { $0.firstDword |= 1 << 31 }, to: 2)
        fixture.run()
        let error = fixture.device.softwareError
        #expect(error.isValid && error.isDescriptorValid && !error.overflow)
        #expect(error.code == .unsupportedOperation)
        #expect(error.workQueue == 2)
        #expect(error.pasid == DeviceFixture.pasids[2])
        #expect(error.isPrivileged)
        #expect(error.opcode == Opcode(rawValue: 0x3E))
        #expect(error.batchIndex == nil)
        #expect(error.faultAddress.rawValue == 0 && !error.faultWasWrite)
        // Valid, Descriptor Valid, WQ Index Valid, Priv; code; WQ; operation; PASID 13 (dsa-device 5.3).
        #expect(error.word0 == 0x0000_0D3E_0002_104D)
    }

    @Test func `It tells a fault's address and direction`() throws {
        for isWrite in [false, true] {
            let fixture = try DeviceFixture.sharedQueue()
            try fixture.unmap(page: 25)
            try fixture.enqueue(
                fixture.descriptor(
                    .memoryMove, record: nil, source: fixture.page(isWrite ? 20 : 25),
                    destination: fixture.page(isWrite ? 25 : 20), size: 64))
            fixture.run()
            let error = fixture.device.softwareError
            #expect(error.code == .pageFault)
            #expect(error.isFault)
            #expect(error.faultWasWrite == isWrite)
            #expect(error.faultAddress.rawValue == fixture.page(25))
        }
    }

    @Test func `A list that faults without a record address is recorded as 0x06`() throws {
        let fixture = try DeviceFixture.sharedQueue()
        try fixture.unmap(page: 25)
        try fixture.enqueue(fixture.batch(list: fixture.page(25), count: 2, record: nil))
        fixture.run()
        #expect(fixture.device.softwareError.code == .batchListPageFault)
        #expect(fixture.device.softwareError.opcode == .batch)
        #expect(fixture.device.softwareError.batchIndex == nil)
        #expect(fixture.device.softwareError.faultAddress.rawValue == fixture.page(25))
    }

    @Test func `A member's error carries its place in the batch`() throws {
        let fixture = try DeviceFixture.sharedQueue()
        fixture.writeList(
            [fixture.noOp(record: 1), fixture.noOp(record: 2), badOpcode(fixture, 0x3D, pasid: DeviceFixture.pasid)],
            at: fixture.page(20))
        try fixture.enqueue(fixture.batch(list: fixture.page(20), count: 3, record: 0))
        fixture.run()
        #expect(fixture.device.softwareError.batchIndex == 2)
        #expect(fixture.device.softwareError.opcode == Opcode(rawValue: 0x3D))
        #expect(fixture.status(0) == .batchError)
    }

    @Test func `While it is valid a further error sets Overflow and nothing else`() throws {
        let fixture = try DeviceFixture.sharedQueue()
        try fixture.enqueue(badOpcode(fixture, 0x3E, pasid: DeviceFixture.pasid))
        fixture.run()
        let first = fixture.device.softwareError
        try fixture.enqueue(badOpcode(fixture, 0x3D, pasid: DeviceFixture.pasids[1]))
        fixture.run()
        var expected = first
        expected.overflow = true
        #expect(fixture.device.softwareError == expected)
    }

    @Test func `Its changes are reported, and a flood of errors makes two reports`() throws {
        let fixture = try DeviceFixture.sharedQueue()
        for _ in 0..<100 {
            try fixture.enqueue(badOpcode(fixture, 0x3E, pasid: DeviceFixture.pasid))
            fixture.run()
        }
        #expect(fixture.device.softwareErrorCount == 2)
        fixture.device.effects.removeAll()
        fixture.device.clearSoftwareError()
        #expect(!fixture.device.softwareError.isValid && !fixture.device.softwareError.overflow)
        try fixture.enqueue(badOpcode(fixture, 0x3D, pasid: DeviceFixture.pasid))
        fixture.run()
        #expect(fixture.device.softwareErrorCount == 1)
        #expect(fixture.device.softwareError.opcode == Opcode(rawValue: 0x3D))
        #expect(!fixture.device.softwareError.overflow)
    }
}
