import DSA
import DSASpec
import PCIe
import Testing

@Suite("Drivers through registers alone")
struct DriverOrderTests {
    /// What the driver learns at its probe (dsa-device 8.2).
    private struct Capabilities {
        let workQueueCount: Int
        let engineCount: Int
        let groupCount: Int
        let readBufferCount: Int
        let totalSize: Int
        let transferShift: UInt32
        let batchShift: UInt32
        let groups: Int
        let workQueues: Int
        let workQueueStride: Int
    }

    /// The Linux driver's reading of the capability registers, in its order.
    private func readCapabilities(_ fixture: DeviceFixture) -> Capabilities {
        let general = fixture.read64(0x10)
        if general >> 4 & 1 == 1 { _ = fixture.read32(0xB0) }
        let groups = fixture.read64(0x30)
        let engines = fixture.read64(0x38)
        let queues = fixture.read64(0x20)
        for word in 0..<4 { _ = fixture.read64(0x40 + word * 8) }
        let offsets = fixture.read64(0x60)
        _ = fixture.read64(0x68)
        return Capabilities(
            workQueueCount: Int(queues >> 16 & 0xFF), engineCount: Int(engines & 0xFF),
            groupCount: Int(groups & 0xFF), readBufferCount: Int(groups >> 8 & 0xFF), totalSize: Int(queues & 0xFFFF),
            transferShift: UInt32(general >> 16 & 0x1F), batchShift: UInt32(general >> 21 & 0xF),
            groups: Int(offsets & 0xFFFF) << 8, workQueues: Int(offsets >> 16 & 0xFFFF) << 8,
            workQueueStride: 32 << Int(queues >> 24 & 0xF))
    }

    /// A command as the Linux driver issues it: with a completion interrupt, whose cause it acknowledges, and the whole
    /// status word as result.
    private func linuxCommand(_ fixture: DeviceFixture, _ code: UInt32, _ operand: UInt32 = 0) throws -> UInt32 {
        let status = fixture.command(code, operand, requestsInterrupt: true)
        let cause = fixture.read32(0x98)
        try #require(cause & 2 == 2, "the driver waits for this for ever")
        fixture.write32(0x98, cause)
        #expect(fixture.read32(0x98) == 0)
        return status
    }

    @Test func `Linux: probe, bind of the device, bind of a user WQ, work, an error, unbind`() throws {
        let fixture = try DeviceFixture()
        // Probe: reset, capabilities, tables; then the error interrupts are unmasked.
        #expect(fixture.read32(0x00) == 0x100)
        #expect(fixture.read32(0x90) & 3 == 0)
        #expect(try linuxCommand(fixture, 5) == 0)
        let found = readCapabilities(fixture)
        #expect(found.workQueueCount == 8 && found.engineCount == 4 && found.groupCount == 4)
        #expect(found.totalSize == 128 && found.readBufferCount == 96)
        #expect(found.transferShift == 31 && found.batchShift == 10)
        fixture.write32(0x88, fixture.read32(0x88) | 3)

        // Bind of dsa0: the whole configuration is written, WQCFG read-modify-write.
        let queue = found.workQueues + 1 * found.workQueueStride
        func configureQueue() {
            fixture.write32(queue, fixture.read32(queue) & ~0xFFFF | 16)
            fixture.write32(queue + 4, 15)
            // Shared: PASID Enable; priority 10.
            fixture.write32(queue + 8, fixture.read32(queue + 8) & ~0x3FFF_FFFF | 10 << 4 | 1 << 28)
            fixture.write32(queue + 12, 21 | 5 << 5)
            for dword in 4..<8 { fixture.write32(queue + dword * 4, fixture.read32(queue + dword * 4)) }
        }
        configureQueue()
        for group in 0..<found.groupCount {
            let entry = found.groups + group * 64
            for word in 0..<4 { fixture.write64(entry + word * 8, word == 0 && group == 0 ? 1 << 1 : 0) }
            fixture.write64(entry + 32, group == 0 ? 0b0101 : 0)
            // Traffic classes 1, all read buffers allowed.
            fixture.write64(entry + 40, 0b001_001 | UInt64(found.readBufferCount) << 20)
        }
        #expect(try linuxCommand(fixture, 1) == 0)
        #expect(fixture.read32(0x90) & 3 == 1)

        // Bind of wq0.1: its configuration again, then Enable WQ by index.
        configureQueue()
        #expect(try linuxCommand(fixture, 6, 1) == 0)
        #expect(fixture.read32(queue + 24) >> 30 == 1)

        // A client's work through the limited portal.
        fixture.write([1, 2, 3, 4], at: fixture.page(20))
        let move = fixture.descriptor(
            .memoryMove, record: 0, source: fixture.page(20), destination: fixture.page(30), size: 4)
        #expect(fixture.device.enqueue(move, to: .of(1, .limited)) == .successfulCompletion)
        fixture.run()
        #expect(fixture.status(0) == .success)
        #expect(fixture.read(4, at: fixture.page(30)) == [1, 2, 3, 4])

        // An error without record: cause, 32 bytes, written back.
        #expect(
            fixture.device.enqueue(fixture.descriptor(Opcode(rawValue: 0x3E), record: nil), to: .of(1, .limited))
                == .successfulCompletion)
        fixture.run()
        #expect(fixture.read32(0x98) == 1)
        let error = (0..<4).map { fixture.read64(0xC0 + $0 * 8) }
        #expect(error[0] & 0xFF_FF09 == 0x01_1009, "Valid, WQ Index Valid; 0x10; WQ 1")
        for (word, value) in error.enumerated() { fixture.write64(0xC0 + word * 8, value) }
        fixture.write32(0x98, 1)
        #expect(fixture.read32(0xC0) == 0)

        // Unbind of the WQ: drain, reset; of the device: disable, reset.
        #expect(try linuxCommand(fixture, 8, 1 << 1) == 0)
        #expect(try linuxCommand(fixture, 10, 1 << 1) == 0)
        #expect(fixture.read32(queue) == 16 && fixture.read32(queue + 24) >> 30 == 0)
        #expect(try linuxCommand(fixture, 2) == 0)
        #expect(try linuxCommand(fixture, 5) == 0)
        #expect(fixture.read32(queue) == 0)
        #expect(fixture.read64(found.groups) == 0)
    }

    @Test func `Linux: after a software halt the driver resets and enables the device again`() throws {
        let fixture = try DeviceFixture.sharedQueue()
        fixture.write32(0x88, 3)
        fixture.device.halt(until: .resetDevice)
        #expect(fixture.read32(0x98) == 1 << 4)
        fixture.write32(0x98, 1 << 4)
        #expect(fixture.read32(0x90) == 3, "state Halt, reset type Reset Device")
        #expect(try linuxCommand(fixture, 5) == 0)
        try fixture.enable([.shared()])
        try fixture.enqueue(fixture.noOp(record: 0))
        fixture.run()
        #expect(fixture.status(0) == .success)
    }

    @Test
    func `DPDK without a driver: dedicated WQs of priority 1, power-on read buffers, a batch that it sends itself`()
        throws
    {
        let fixture = try DeviceFixture()
        // Probe: a reset if the device is not Disabled, which it must be then.
        if fixture.read32(0x90) & 3 != 0 { fixture.command(2) }
        try #require(fixture.read32(0x90) & 3 == 0)
        let found = readCapabilities(fixture)
        #expect(found.groupCount <= found.engineCount)

        // All engines, WQs and groups start empty.
        for group in 0..<found.groupCount {
            let entry = found.groups + group * 64
            for word in 0..<5 { fixture.write64(entry + word * 8, 0) }
        }
        let used = 4
        for queue in 0..<found.workQueueCount {
            fixture.write32(found.workQueues + queue * found.workQueueStride, 0)
        }
        for engine in 0..<found.engineCount {
            let entry = found.groups + engine % found.groupCount * 64 + 32
            fixture.write64(entry, fixture.read64(entry) | 1 << UInt64(engine))
        }
        for queue in 0..<used {
            let entry = found.workQueues + queue * found.workQueueStride
            let group = found.groups + queue % found.groupCount * 64
            fixture.write64(group, fixture.read64(group) | 1 << UInt64(queue))
            fixture.write32(entry, UInt32(found.totalSize / used))
            fixture.write32(entry + 8, 1 << 4 | 1)
            fixture.write32(entry + 12, found.transferShift | found.batchShift << 5)
        }
        #expect(fixture.command(1) == 0)
        #expect(fixture.read32(0x90) & 3 == 1)
        for queue in 0..<used {
            #expect(fixture.command(6, UInt32(queue)) == 0)
            let entry = found.workQueues + queue * found.workQueueStride
            #expect(fixture.read32(entry + 24) >> 30 & 3 == 1)
        }

        // Without PASID the address is the function's own: nothing is bound to it here, so the device says so.
        fixture.device.post(fixture.noOp(record: 0), to: .of(3))
        fixture.run()
        #expect(fixture.read32(0xC0) & 0xFF09 == 0x1A09)
        fixture.write32(0xC0, 3)

        // With a PASID as under an IOMMU: disabled, configured, enabled again.
        let entry = found.workQueues + 3 * found.workQueueStride
        #expect(fixture.command(7, 1 << 3) == 0)
        fixture.write32(entry + 8, 1 << 28 | DeviceFixture.pasid.rawValue << 8 | 1 << 4 | 1)
        #expect(fixture.command(6, 3) == 0)

        // Two members, of which the first wants no record on success.
        fixture.write(Array(1...64), at: fixture.page(24))
        var quiet = fixture.descriptor(
            .memoryMove, record: 1, source: fixture.page(24), destination: fixture.page(30), size: 64)
        quiet.flags.remove(.requestCompletionRecord)
        let loud = fixture.descriptor(
            .memoryMove, record: 2, source: fixture.page(24), destination: fixture.page(31), size: 64)
        fixture.writeList([quiet, loud], at: fixture.page(20))
        fixture.device.post(fixture.batch(list: fixture.page(20), count: 2, record: 3), to: .of(3))
        fixture.run()
        #expect(fixture.status(3) == .success && fixture.record(3).bytesCompleted == 2)
        #expect(fixture.status(1) == .none, "CRAV without RCR writes no record on success")
        #expect(fixture.status(2) == .success)
        #expect(fixture.read(64, at: fixture.page(30)) == Array(1...64))
        #expect(fixture.read(64, at: fixture.page(31)) == Array(1...64))

        // A batch of one it sends as the descriptor itself.
        fixture.device.post(loud, to: .of(3))
        fixture.run()
        #expect(fixture.read32(0xC0) == 0)

        // Close: every WQ disabled, then the device.
        #expect(fixture.command(7, 0xF) == 0)
        #expect(fixture.command(2) == 0)
        #expect(fixture.read32(0x90) & 3 == 0)
    }
}
