import DSA
import DSASpec
import PCIe
import Testing

@Suite("Interrupt handles")
struct InterruptHandleTests {
    /// The handle of an entry, given out.
    private func request(_ vector: InterruptVector, _ fixture: DeviceFixture) throws -> UInt16 {
        guard case .completed(.none, let handle) = fixture.device.execute(.requestInterruptHandle(vector)) else {
            throw NoHandle()
        }
        return handle
    }

    private struct NoHandle: Error {}

    @Test func `Commands 13 and 14 are decoded with index and table`() throws {
        #expect(try DeviceCommand(code: 13, operand: 0x0_0005) == .requestInterruptHandle(InterruptVector(.msix, 5)))
        #expect(
            try DeviceCommand(code: 13, operand: 0x1_FFFF) == .requestInterruptHandle(InterruptVector(.ims, 0xFFFF)))
        #expect(try DeviceCommand(code: 14, operand: 0x1_0005) == .releaseInterruptHandle(5, .ims))
        #expect(try DeviceCommand(code: 14, operand: 0x0_0005) == .releaseInterruptHandle(5, .msix))
        for reserved in [UInt32(1 << 17), 1 << 18, 1 << 19] {
            #expect(throws: CommandError.nonZeroReservedOperand) { try DeviceCommand(code: 13, operand: reserved) }
            #expect(throws: CommandError.nonZeroReservedOperand) { try DeviceCommand(code: 14, operand: reserved) }
        }
        #expect(DeviceCommand.requestInterruptHandle(InterruptVector(.ims, 1)).code == 13)
        #expect(DeviceCommand.releaseInterruptHandle(1, .ims).code == 14)
    }

    @Test func `Without CMDCAP the commands do not exist and the index is the handle`() throws {
        let fixture = try DeviceFixture.interrupting()
        fixture.program(InterruptVector(.msix, 1))
        let unsupported = CommandStart.completed(.unsupportedCommand)
        #expect(fixture.device.execute(.requestInterruptHandle(InterruptVector(.msix, 1))) == unsupported)
        #expect(fixture.device.execute(.releaseInterruptHandle(1, .msix)) == unsupported)
        try fixture.submit(fixture.interruptingNoOp(handle: 1, record: 0))
        #expect(fixture.status(0) == .success)
    }

    @Test(arguments: [Portal.InterruptTable.msix, .ims])
    func `With CMDCAP a descriptor needs a handle that was given, until it is released`(
        table: Portal.InterruptTable
    ) throws {
        let fixture = try DeviceFixture.interrupting(handleCount: 4)
        let vector = InterruptVector(table, 6)
        fixture.program(vector)
        try fixture.submit(fixture.interruptingNoOp(handle: 0, record: 0), through: table)
        #expect(fixture.status(0) == .invalidInterruptHandle)

        let handle = try request(vector, fixture)
        #expect(try request(vector, fixture) == handle)
        try fixture.submit(fixture.interruptingNoOp(handle: handle, record: 1), through: table)
        #expect(fixture.status(1) == .success)
        #expect(fixture.device.vectorsSent == [vector])
        // The index is no handle, nor is the same number a handle of the other table.
        try fixture.submit(fixture.interruptingNoOp(handle: 6, record: 2), through: table)
        try fixture.submit(
            fixture.interruptingNoOp(handle: handle, record: 3), through: table == .msix ? .ims : .msix)
        #expect(fixture.status(2) == .invalidInterruptHandle)
        #expect(fixture.status(3) == .invalidInterruptHandle)

        #expect(fixture.device.execute(.releaseInterruptHandle(handle, table)) == .completed(.none))
        try fixture.submit(fixture.interruptingNoOp(handle: handle, record: 4), through: table)
        #expect(fixture.status(4) == .invalidInterruptHandle)
        #expect(fixture.device.vectorsSent == [vector])
    }

    @Test func `A handle's entry must still be of the descriptor's PASID`() throws {
        let fixture = try DeviceFixture.interrupting(handleCount: 4)
        fixture.program(InterruptVector(.msix, 3), pasid: DeviceFixture.pasids[1])
        let handle = try request(InterruptVector(.msix, 3), fixture)
        try fixture.submit(fixture.interruptingNoOp(handle: handle, record: 0))
        try fixture.submit(fixture.interruptingNoOp(handle: handle, pasid: DeviceFixture.pasids[1], record: 1))
        #expect(fixture.status(0) == .invalidInterruptHandle)
        #expect(fixture.status(1) == .success)
    }

    @Test func `0x41 answers an entry that does not exist, 0x42 the want of handles`() throws {
        let fixture = try DeviceFixture.interrupting(handleCount: 2)
        let invalid = CommandStart.completed(.invalidInterruptIndex)
        #expect(fixture.device.execute(.requestInterruptHandle(InterruptVector(.msix, 9))) == invalid)
        #expect(fixture.device.execute(.requestInterruptHandle(InterruptVector(.ims, 2048))) == invalid)
        #expect(fixture.device.execute(.releaseInterruptHandle(0, .msix)) == invalid)
        #expect(fixture.device.execute(.releaseInterruptHandle(.max, .ims)) == invalid)
        let first = try request(InterruptVector(.msix, 1), fixture)
        let second = try request(InterruptVector(.msix, 2), fixture)
        #expect(first != second)
        let exhausted = CommandStart.completed(.noInterruptHandle)
        #expect(fixture.device.execute(.requestInterruptHandle(InterruptVector(.msix, 3))) == exhausted)
        // The other table has its own.
        #expect(try request(InterruptVector(.ims, 3), fixture) < 2)
        #expect(fixture.device.execute(.releaseInterruptHandle(first, .msix)) == .completed(.none))
        #expect(try request(InterruptVector(.msix, 3), fixture) == first)
        #expect(CommandError.invalidInterruptIndex.rawValue == 0x41)
        #expect(CommandError.noInterruptHandle.rawValue == 0x42)
    }

    @Test func `A released handle is not given out again while others are free`() throws {
        let fixture = try DeviceFixture.interrupting(handleCount: 8)
        let first = try request(InterruptVector(.msix, 1), fixture)
        #expect(fixture.device.execute(.releaseInterruptHandle(first, .msix)) == .completed(.none))
        for index in 2...8 { #expect(try request(InterruptVector(.msix, UInt16(index)), fixture) != first) }
        #expect(try request(InterruptVector(.msix, 1), fixture) == first)
    }

    @Test func `Revoked handles end with 0x19 until they are requested again`() throws {
        let fixture = try DeviceFixture.interrupting(handleCount: 4)
        fixture.program(InterruptVector(.msix, 3))
        let handle = try request(InterruptVector(.msix, 3), fixture)
        fixture.device.revokeInterruptHandles()
        try fixture.submit(fixture.interruptingNoOp(handle: handle, record: 0))
        #expect(fixture.status(0) == .invalidInterruptHandle)
        let fresh = try request(InterruptVector(.msix, 3), fixture)
        #expect(fresh != handle)
        try fixture.submit(fixture.interruptingNoOp(handle: fresh, record: 1))
        #expect(fixture.status(1) == .success)
        #expect(fixture.device.vectorsSent.last == InterruptVector(.msix, 3))
    }

    @Test func `A descriptor that had passed its checks delivers though its handle is revoked meanwhile`() throws {
        let fixture = try DeviceFixture.interrupting(handleCount: 4)
        fixture.program(InterruptVector(.msix, 3))
        let handle = try request(InterruptVector(.msix, 3), fixture)
        let descriptor = fixture.descriptor(
            .fill, record: 0, flags: .requestCompletionInterrupt, destination: fixture.page(20), size: 4096 * 40
        ).with { $0.completionInterruptHandle = handle }
        let portal = Portal(workQueue: 0, limit: .unlimited, interruptTable: .msix)
        try #require(fixture.device.enqueue(descriptor, to: portal) == .successfulCompletion)
        fixture.stepWithThreads()
        guard let window = unsafe fixture.device.takeReadyWindow() else { throw DeviceFixture.NoReadyWindow() }
        fixture.device.revokeInterruptHandles()
        unsafe Transfer.run(&window.window.pointee)
        unsafe fixture.finishWindow(engine: window.engine)
        fixture.run()
        #expect(fixture.device.vectorsSent.last == InterruptVector(.msix, 3))
    }

    @Test func `Reset Device takes all handles back`() throws {
        let fixture = try DeviceFixture.interrupting(handleCount: 1)
        let handle = try request(InterruptVector(.ims, 3), fixture)
        #expect(fixture.device.execute(.resetDevice) == .completed(.none))
        #expect(
            fixture.device.execute(.releaseInterruptHandle(handle, .ims)) == .completed(.invalidInterruptIndex))
    }
}
