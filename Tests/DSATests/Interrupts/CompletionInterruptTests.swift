import DSA
import DSASpec
import PCIe
import Testing

/// A row of dsa-device 6.7: the PASIDs of an entry and of a descriptor, and whether the one may use the other.
struct PermissionRow: Sendable, CustomTestStringConvertible {
    let entry: HostPASID?
    let descriptor: HostPASID?
    let isGranted: Bool

    var testDescription: String {
        "entry of \(entry.map { "\($0.rawValue)" } ?? "none"), descriptor of"
            + " \(descriptor.map { "\($0.rawValue)" } ?? "none")"
    }

    static let all = [
        PermissionRow(entry: DeviceFixture.pasids[0], descriptor: DeviceFixture.pasids[0], isGranted: true),
        PermissionRow(entry: DeviceFixture.pasids[1], descriptor: DeviceFixture.pasids[0], isGranted: false),
        PermissionRow(entry: nil, descriptor: DeviceFixture.pasids[0], isGranted: false),
        PermissionRow(entry: DeviceFixture.pasids[0], descriptor: nil, isGranted: false),
        PermissionRow(entry: nil, descriptor: nil, isGranted: true),
    ]
}

@Suite("Completion interrupts")
struct CompletionInterruptTests {
    static let tables = [Portal.InterruptTable.msix, .ims]

    @Test(arguments: tables)
    func `The portal chooses the table that the handle indexes, and the entry sends its message`(
        table: Portal.InterruptTable
    ) throws {
        let fixture = try DeviceFixture.interrupting()
        let vector = InterruptVector(table, 5)
        fixture.program(vector)
        // The entry of the other table would do for nobody.
        fixture.program(InterruptVector(table == .msix ? .ims : .msix, 5), pasid: DeviceFixture.pasids[2])
        try fixture.submit(fixture.interruptingNoOp(handle: 5, record: 0), through: table)
        #expect(fixture.status(0) == .success)
        let sent = try #require(fixture.device.interruptsSent.first)
        #expect(fixture.device.interruptsSent.count == 1)
        #expect(sent.vector == vector)
        #expect(sent.message == DeviceFixture.message(of: vector))
        #expect(sent.pasid == DeviceFixture.pasid)
    }

    @Test(arguments: PermissionRow.all, tables)
    func `D-10: a descriptor interrupts only through an entry of its PASID, else it ends with 0x19 before execution`(
        row: PermissionRow, table: Portal.InterruptTable
    ) throws {
        let fixture = try DeviceFixture.interrupting(queue: .dedicated(pasid: row.descriptor))
        fixture.program(InterruptVector(table, 3), pasid: row.entry)
        let isBound = row.descriptor != nil
        // Without a PASID no record can be written here, so that its end shows in SWERROR.
        let descriptor = fixture.descriptor(
            .noOp, record: isBound ? 0 : nil, flags: .requestCompletionInterrupt
        ).with { $0.completionInterruptHandle = 3 }
        fixture.device.post(descriptor, to: Portal(workQueue: 0, limit: .limited, interruptTable: table))
        fixture.run()
        #expect(fixture.device.vectorsSent == (row.isGranted ? [InterruptVector(table, 3)] : []))
        if isBound { #expect(fixture.status(0) == (row.isGranted ? .success : .invalidInterruptHandle)) }
        #expect(fixture.device.softwareError.isValid == !row.isGranted)
        if !row.isGranted { #expect(fixture.device.softwareError.code == .invalidInterruptHandle) }
    }

    @Test func `0x19 comes before any data moves`() throws {
        let fixture = try DeviceFixture.interrupting()
        let descriptor = fixture.descriptor(
            .fill, record: 0, flags: .requestCompletionInterrupt, source: .max, destination: fixture.page(20), size: 64
        ).with { $0.completionInterruptHandle = 2 }
        try fixture.submit(descriptor)
        #expect(fixture.status(0) == .invalidInterruptHandle)
        #expect(fixture.record(0).bytesCompleted == 0)
        #expect(fixture.read(64, at: fixture.page(20)).allSatisfy { $0 == 0 })
    }

    @Test(arguments: tables)
    func `A handle behind the end of its table ends with 0x19`(table: Portal.InterruptTable) throws {
        let fixture = try DeviceFixture.interrupting()
        let count: UInt16 = table == .msix ? 9 : 2048
        fixture.program(InterruptVector(table, count - 1))
        try fixture.submit(fixture.interruptingNoOp(handle: count - 1, record: 0), through: table)
        try fixture.submit(fixture.interruptingNoOp(handle: count, record: 1), through: table)
        try fixture.submit(fixture.interruptingNoOp(handle: .max, record: 2), through: table)
        #expect(fixture.status(0) == .success)
        #expect(fixture.status(1) == .invalidInterruptHandle)
        #expect(fixture.status(2) == .invalidInterruptHandle)
        #expect(fixture.device.vectorsSent == [InterruptVector(table, count - 1)])
    }

    @Test(arguments: [true, false])
    func `A user's interrupt needs GENCFG User-mode Interrupts Enable, a supervisor's does not`(isUser: Bool) throws {
        let fixture = try DeviceFixture.interrupting(userInterrupts: false)
        fixture.program(InterruptVector(.msix, 1))
        var descriptor = fixture.interruptingNoOp(handle: 1, record: 0)
        if !isUser { descriptor.firstDword |= 1 << 31 }
        try fixture.submit(descriptor)
        #expect(fixture.status(0) == (isUser ? .invalidFlags : .success))
        if isUser { #expect(fixture.record(0).invalidFlags == .requestCompletionInterrupt) }
        #expect(fixture.device.vectorsSent.isEmpty == isUser)
    }

    @Test func `User-mode Interrupts Enable is written while the device is Disabled only`() throws {
        let fixture = try DeviceFixture.interrupting()
        #expect(fixture.device.enableUserInterrupts(false) == false)
        #expect(fixture.device.areUserInterruptsEnabled == true)
        _ = fixture.device.execute(.disableDevice)
        #expect(fixture.device.enableUserInterrupts(false) == true)
        #expect(fixture.device.areUserInterruptsEnabled == false)
    }

    @Test func `The record is written before the interrupt is sent`() throws {
        let fixture = try DeviceFixture.interrupting()
        fixture.program(InterruptVector(.msix, 1))
        let descriptor = fixture.interruptingNoOp(handle: 1, record: 0)
        let portal = Portal(workQueue: 0, limit: .unlimited, interruptTable: .msix)
        try #require(fixture.device.enqueue(descriptor, to: portal) == .successfulCompletion)
        var seen: [(status: CompletionStatus, interrupts: Int)] = []
        repeat { seen.append((fixture.status(0), fixture.device.interruptsSent.count)) } while fixture.stepOnce()
        seen.append((fixture.status(0), fixture.device.interruptsSent.count))
        #expect(seen.allSatisfy { $0.interrupts == 0 || $0.status == .success })
        #expect(seen.last?.interrupts == 1)
    }

    @Test func `What reports an error in place of a record comes before the interrupt`() throws {
        let fixture = try DeviceFixture.interrupting()
        fixture.program(InterruptVector(.msix, 1))
        try fixture.unmap(page: 0)
        try fixture.submit(fixture.interruptingNoOp(handle: 1, record: 0))
        #expect(fixture.device.softwareError.code == .completionRecordPageFault)
        let order = fixture.device.effects.map { if case .interrupt = $0 { "interrupt" } else { "error" } }
        #expect(order == ["error", "interrupt"])
    }

    @Test func `A descriptor without RCR that ends well interrupts without a record`() throws {
        let fixture = try DeviceFixture.interrupting()
        fixture.program(InterruptVector(.msix, 1))
        try fixture.submit(fixture.interruptingNoOp(handle: 1, record: nil))
        #expect(fixture.device.vectorsSent == [InterruptVector(.msix, 1)])
        #expect(fixture.device.recordCount == 0)
        #expect(!fixture.device.softwareError.isValid)
    }

    /// What a descriptor that fails a check looks like, and whether its interrupt is delivered all the same.
    struct Failure: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let status: CompletionStatus
        let isDelivered: Bool
        let change: @Sendable (inout Descriptor) -> Void

        static let all = [
            Failure(testDescription: "opcode", status: .unsupportedOperation, isDelivered: true) {
                $0.opcode = Opcode(rawValue: 0x3F)
            },
            Failure(testDescription: "flag", status: .invalidFlags, isDelivered: true) { $0.flags.insert(.fence) },
            Failure(testDescription: "reserved byte", status: .nonZeroReserved, isDelivered: true) {
                $0.transferSize = 1
            },
            Failure(testDescription: "misaligned record", status: .completionRecordMisaligned, isDelivered: true) {
                $0.completionRecordAddress = $0.completionRecordAddress.advanced(by: 8)
            },
            Failure(testDescription: "handle", status: .invalidInterruptHandle, isDelivered: false) {
                $0.completionInterruptHandle = 2
            },
            Failure(testDescription: "opcode and handle", status: .unsupportedOperation, isDelivered: false) {
                $0.opcode = Opcode(rawValue: 0x3F)
                $0.completionInterruptHandle = 2
            },
            Failure(testDescription: "opcode, handle out of range", status: .unsupportedOperation, isDelivered: false) {
                $0.opcode = Opcode(rawValue: 0x3F)
                $0.completionInterruptHandle = 0xFFFF
            },
        ]
    }

    @Test(arguments: Failure.all)
    func `A failed check suppresses the interrupt only if it concerns its delivery`(failure: Failure) throws {
        let fixture = try DeviceFixture.interrupting()
        fixture.program(InterruptVector(.msix, 1))
        try fixture.submit(fixture.interruptingNoOp(handle: 1, record: 0).with(failure.change))
        // A record that is misaligned cannot tell.
        let isRecordWritten = failure.status != .completionRecordMisaligned
        #expect((isRecordWritten ? fixture.status(0) : fixture.device.softwareError.code) == failure.status)
        #expect(fixture.device.vectorsSent == (failure.isDelivered ? [InterruptVector(.msix, 1)] : []))
    }

    @Test func `A user who may not interrupt does not by failing for something else first`() throws {
        let fixture = try DeviceFixture.interrupting(userInterrupts: false)
        fixture.program(InterruptVector(.msix, 1))
        try fixture.submit(
            fixture.interruptingNoOp(handle: 1, record: 0).with { $0.opcode = Opcode(rawValue: 0x3F) })
        #expect(fixture.status(0) == .unsupportedOperation)
        #expect(fixture.device.vectorsSent.isEmpty)
    }

    @Test func `A descriptor that ends with a fault of its data interrupts`() throws {
        let fixture = try DeviceFixture.interrupting()
        fixture.program(InterruptVector(.msix, 1))
        try fixture.unmap(page: 20)
        let descriptor = fixture.descriptor(
            .fill, record: 0, flags: .requestCompletionInterrupt, destination: fixture.page(20), size: 8
        ).with { $0.completionInterruptHandle = 1 }
        try fixture.submit(descriptor)
        #expect(fixture.status(0) == .pageFault)
        #expect(fixture.device.vectorsSent == [InterruptVector(.msix, 1)])
    }

    @Test func `Members of a batch interrupt each for itself, by the table of its portal, before it does`() throws {
        let fixture = try DeviceFixture.interrupting()
        for index in 1...3 { fixture.program(InterruptVector(.ims, UInt16(index))) }
        let members = [
            fixture.interruptingNoOp(handle: 2, pasid: DeviceFixture.pasids[2], record: 1),
            fixture.noOp(record: 2),
            fixture.interruptingNoOp(handle: 9, record: 3),
            fixture.interruptingNoOp(handle: 3, record: 4),
        ]
        fixture.writeList(members, at: fixture.page(20))
        let batch = fixture.batch(list: fixture.page(20), count: 4, record: 0).with {
            $0.flags.insert(.requestCompletionInterrupt)
            $0.completionInterruptHandle = 1
        }
        try fixture.submit(batch, through: .ims)
        #expect(fixture.status(3) == .invalidInterruptHandle)
        #expect(fixture.status(0) == .batchError)
        #expect(fixture.device.vectorsSent.map(\.index) == [2, 3, 1])
        #expect(fixture.device.vectorsSent.allSatisfy { $0.table == .ims })
    }

    @Test func `Members abandoned behind a fence do not interrupt, and neither does what an abort abandons`() throws {
        let fixture = try DeviceFixture.interrupting()
        fixture.program(InterruptVector(.msix, 1))
        let members = [
            fixture.descriptor(Opcode(rawValue: 0x3F), record: 1),
            fixture.interruptingNoOp(handle: 1, record: 2).with { $0.flags.insert(.fence) },
            fixture.interruptingNoOp(handle: 1, record: 3),
        ]
        fixture.writeList(members, at: fixture.page(20))
        try fixture.submit(fixture.batch(list: fixture.page(20), count: 3, record: 0))
        #expect(fixture.status(0) == .batchError)
        #expect(fixture.device.vectorsSent.isEmpty)

        fixture.holdEngines()
        try fixture.submit(fixture.interruptingNoOp(handle: 1, record: 4))
        _ = fixture.device.execute(.abortAll)
        fixture.holdEngines(false)
        fixture.run()
        #expect(fixture.device.workQueues[0].counts.abandoned == 1)
        #expect(fixture.device.vectorsSent.isEmpty)
    }

    @Test func `D-10: an entry that changed hands while the descriptor ran stays silent`() throws {
        let fixture = try DeviceFixture.interrupting()
        fixture.program(InterruptVector(.msix, 1))
        let size = 4096 * 40
        let descriptor = fixture.descriptor(
            .fill, record: 0, flags: .requestCompletionInterrupt, destination: fixture.page(20), size: size
        ).with { $0.completionInterruptHandle = 1 }
        let portal = Portal(workQueue: 0, limit: .unlimited, interruptTable: .msix)
        try #require(fixture.device.enqueue(descriptor, to: portal) == .successfulCompletion)
        fixture.stepWithThreads()
        guard let window = unsafe fixture.device.takeReadyWindow() else { throw DeviceFixture.NoReadyWindow() }
        fixture.program(InterruptVector(.msix, 1), pasid: DeviceFixture.pasids[1])
        unsafe Transfer.run(&window.window.pointee)
        unsafe fixture.finishWindow(engine: window.engine)
        fixture.run()
        #expect(fixture.status(0) == .success)
        #expect(fixture.device.vectorsSent.isEmpty)
    }

    @Test func `The batch's interrupt is its own, whatever its last member named`() throws {
        let fixture = try DeviceFixture.interrupting()
        fixture.program(InterruptVector(.msix, 1))
        fixture.program(InterruptVector(.msix, 2), isMasked: true)
        fixture.writeList(
            [fixture.noOp(record: 1), fixture.interruptingNoOp(handle: 7, record: 2)], at: fixture.page(20))
        let batch = fixture.batch(list: fixture.page(20), count: 2, record: 0).with {
            $0.flags.insert(.requestCompletionInterrupt)
            $0.completionInterruptHandle = 1
        }
        try fixture.submit(batch)
        #expect(fixture.status(2) == .invalidInterruptHandle)
        #expect(fixture.device.vectorsSent == [InterruptVector(.msix, 1)])
    }
}
