import DSA
import DSASpec
import PCIe
import Testing

/// A row of dsa-device table 5.1 that lets the WQ be enabled, and the status of a descriptor that meets a missing page.
struct FaultRow: Sendable, CustomTestStringConvertible {
    let hasPageRequests: Bool
    let isBlockOnFaultEnabled: Bool
    let blocksOnFault: Bool
    /// `nil`: a page request goes out and decides.
    let status: CompletionStatus?

    var testDescription: String {
        "PRS \(hasPageRequests), WQ BOF Enable \(isBlockOnFaultEnabled), BOF \(blocksOnFault)"
    }

    static let all = [
        FaultRow(hasPageRequests: true, isBlockOnFaultEnabled: true, blocksOnFault: true, status: nil),
        FaultRow(hasPageRequests: true, isBlockOnFaultEnabled: true, blocksOnFault: false, status: .pageFault),
        FaultRow(hasPageRequests: true, isBlockOnFaultEnabled: false, blocksOnFault: true, status: .invalidFlags),
        FaultRow(hasPageRequests: true, isBlockOnFaultEnabled: false, blocksOnFault: false, status: .pageFault),
        FaultRow(hasPageRequests: false, isBlockOnFaultEnabled: false, blocksOnFault: true, status: .invalidFlags),
        FaultRow(hasPageRequests: false, isBlockOnFaultEnabled: false, blocksOnFault: false, status: .pageFault),
    ]
}

/// An operation and one of its buffers: page 20, 24 or 28, two pages long.
struct BlockedBuffer: Sendable, CustomTestStringConvertible {
    let opcode: Opcode
    let page: Int
    let isWritten: Bool

    var testDescription: String { "\(opcode) at page \(page)" }

    static let all = [
        BlockedBuffer(opcode: .memoryMove, page: 20, isWritten: false),
        BlockedBuffer(opcode: .memoryMove, page: 24, isWritten: true),
        BlockedBuffer(opcode: .fill, page: 24, isWritten: true),
        BlockedBuffer(opcode: .compare, page: 20, isWritten: false),
        BlockedBuffer(opcode: .compare, page: 24, isWritten: false),
        BlockedBuffer(opcode: .comparePattern, page: 20, isWritten: false),
        BlockedBuffer(opcode: .dualcast, page: 20, isWritten: false),
        BlockedBuffer(opcode: .dualcast, page: 24, isWritten: true),
        BlockedBuffer(opcode: .dualcast, page: 28, isWritten: true),
        BlockedBuffer(opcode: .crcGeneration, page: 20, isWritten: false),
        BlockedBuffer(opcode: .copyWithCRC, page: 20, isWritten: false),
        BlockedBuffer(opcode: .copyWithCRC, page: 24, isWritten: true),
        BlockedBuffer(opcode: .cacheFlush, page: 24, isWritten: false),
    ]

    func descriptor(_ fixture: DeviceFixture, flags: DescriptorFlags) -> Descriptor {
        var descriptor = fixture.descriptor(opcode, record: 0, flags: flags, size: 8192)
        if opcode != .fill, opcode != .cacheFlush {
            descriptor.sourceAddress = LinearAddress(rawValue: fixture.page(20))
        }
        if opcode != .comparePattern, opcode != .crcGeneration {
            descriptor.destinationAddress = LinearAddress(rawValue: fixture.page(24))
        }
        if opcode == .dualcast { descriptor.destination2Address = LinearAddress(rawValue: fixture.page(28)) }
        return descriptor
    }
}

@Suite("Block On Fault")
struct BlockOnFaultTests {
    private func move(_ fixture: DeviceFixture, pages: Int = 4, flags: DescriptorFlags = .blockOnFault) -> Descriptor {
        fixture.descriptor(
            .memoryMove, record: 0, flags: flags, source: fixture.page(20), destination: fixture.page(30),
            size: pages * 4096)
    }

    @Test(arguments: FaultRow.all)
    func `Table 5_1: what becomes of a fault follows from PRS, WQ BOF Enable and BOF`(row: FaultRow) throws {
        let fixture = try DeviceFixture()
        try #require(fixture.device.setPageRequests(isEnabled: row.hasPageRequests, allocation: 1) == true)
        var queue = WorkQueueConfiguration.shared()
        queue.blockOnFaultEnable = row.isBlockOnFaultEnabled
        try fixture.enable([queue])
        try fixture.unmap(page: 21)
        try fixture.enqueue(move(fixture, flags: row.blocksOnFault ? .blockOnFault : []))
        fixture.run()
        #expect(fixture.status(0) == row.status ?? .none)
        #expect(fixture.pageRequests.count == (row.status == nil ? 1 : 0))
        if row.status == .invalidFlags { #expect(fixture.record(0).invalidFlags == .blockOnFault) }
    }

    @Test func `A request names the page, the access, the address space and the privilege`() throws {
        let fixture = try DeviceFixture.askingForPages()
        try fixture.unmap(page: 30)
        try fixture.enqueue(
            fixture.descriptor(
                .fill, pasid: DeviceFixture.pasids[2], record: nil, flags: .blockOnFault,
                destination: fixture.page(30) + 100, size: 50
            ).with { $0.firstDword |= 1 << 31 })
        fixture.run()
        let expected = PageRequest(
            requester: DeviceFixture.requester, pasid: DeviceFixture.pasids[2],
            address: LinearAddress(rawValue: fixture.page(30)), isWrite: true, isPrivileged: true,
            group: PageRequestGroup(truncating: 0))
        #expect(fixture.device.sentPageRequests == [expected])
        #expect(fixture.pageRequests == [expected])
    }

    @Test func `What lies before the fault is done before the request goes out`() throws {
        let fixture = try DeviceFixture.askingForPages()
        fixture.fill(pages: 20..<24)
        try fixture.unmap(page: 32)
        try fixture.enqueue(move(fixture))
        fixture.run()
        #expect(fixture.read(8192, at: fixture.page(30)) == fixture.read(8192, at: fixture.page(20)))
        #expect(fixture.read(4096, at: fixture.page(33)) == [UInt8](repeating: 0, count: 4096))
        #expect(fixture.status(0) == .none)
        #expect(fixture.pageRequests.map(\.isWrite) == [true])
        try fixture.bringPage(32)
        #expect(fixture.status(0) == .success)
        #expect(fixture.record(0).bytesCompleted == 0)
        #expect(fixture.read(4 * 4096, at: fixture.page(30)) == fixture.read(4 * 4096, at: fixture.page(20)))
    }

    @Test(arguments: BlockedBuffer.all)
    func `A missing page of any buffer gives 0x03 without BOF, and 0x01 with BOF once it is there`(
        buffer: BlockedBuffer
    ) throws {
        for missing in [buffer.page, buffer.page + 1] {
            let fixture = try DeviceFixture.askingForPages()
            try fixture.unmap(page: missing)
            try fixture.enqueue(buffer.descriptor(fixture, flags: []))
            fixture.run()
            #expect(fixture.status(0) == .pageFault)
            #expect(fixture.record(0).faultAddress.rawValue == fixture.page(missing))
            #expect(fixture.record(0).faultWasWrite == buffer.isWritten)
            #expect(fixture.record(0).bytesCompleted == UInt32(missing - buffer.page) * 4096)

            fixture.write([UInt8](repeating: 0, count: 32), at: fixture.recordAddress(0))
            try fixture.enqueue(buffer.descriptor(fixture, flags: .blockOnFault))
            fixture.run()
            #expect(fixture.status(0) == .none)
            #expect(fixture.pageRequests.map(\.isWrite) == [buffer.isWritten])
            try fixture.bringPage(missing)
            #expect(fixture.status(0) == .success)
        }
    }

    @Test func `Every missing page of every buffer is asked for, one at a time`() throws {
        let fixture = try DeviceFixture.askingForPages()
        fixture.fill(pages: 20..<24)
        for page in 20..<24 {
            try fixture.unmap(page: page)
            try fixture.unmap(page: page + 10)
        }
        try fixture.enqueue(move(fixture))
        fixture.run()
        for page in 20..<24 {
            try fixture.bringPage(page)
            try fixture.bringPage(page + 10)
        }
        #expect(fixture.status(0) == .success)
        #expect(fixture.device.sentPageRequests.count == 8)
        #expect(fixture.read(4 * 4096, at: fixture.page(30)) == fixture.read(4 * 4096, at: fixture.page(20)))
    }

    @Test func `A page that may only be read is asked for when it is to be written`() throws {
        let fixture = try DeviceFixture.askingForPages()
        fixture.fill(pages: 20..<24)
        try fixture.map(page: 31, writable: false)
        try fixture.enqueue(move(fixture))
        fixture.run()
        #expect(fixture.pageRequests.map(\.isWrite) == [true])
        try fixture.bringPage(31)
        #expect(fixture.status(0) == .success)
    }

    @Test func `A move that runs from its end asks for the last missing page first`() throws {
        let fixture = try DeviceFixture.askingForPages()
        fixture.fill(pages: 20..<24)
        let before = fixture.read(4 * 4096, at: fixture.page(20))
        try fixture.unmap(page: 21)
        try fixture.unmap(page: 23)
        try fixture.enqueue(
            fixture.descriptor(
                .memoryMove, record: 0, flags: .blockOnFault, source: fixture.page(20),
                destination: fixture.page(20) + 100, size: 4 * 4096))
        fixture.run()
        try fixture.bringPage(23)
        try fixture.bringPage(21)
        #expect(fixture.status(0) == .success)
        #expect(fixture.read(4 * 4096, at: fixture.page(20) + 100) == before)
    }

    @Test func `The page of a CRC seed is asked for, and the CRC is that of an undisturbed run`() throws {
        let fixture = try DeviceFixture.askingForPages()
        fixture.write(Array("123456789".utf8), at: fixture.page(20))
        fixture.write([0x78, 0x56, 0x34, 0x12], at: fixture.page(25))
        try fixture.unmap(page: 25)
        try fixture.enqueue(
            fixture.descriptor(
                .crcGeneration, record: 0, flags: [.blockOnFault, .readCRCSeed], source: fixture.page(20), size: 9
            ).with { $0.crcSeedAddress = LinearAddress(rawValue: fixture.page(25)) })
        fixture.run()
        try fixture.bringPage(25)
        #expect(fixture.status(0) == .success)
        #expect(fixture.record(0).crcValue == 0x27D8_7B6A)
    }

    @Test(arguments: [PageResponseCode.invalidRequest, .responseFailure])
    func `A refused request ends with 0x04 and what was done before`(code: PageResponseCode) throws {
        let fixture = try DeviceFixture.askingForPages()
        fixture.fill(pages: 20..<24)
        try fixture.unmap(page: 32)
        try fixture.enqueue(move(fixture))
        fixture.run()
        // An answer counts, not what the tables say meanwhile.
        try fixture.map(page: 32, writable: true)
        try fixture.answer(code)
        #expect(fixture.status(0) == .pageRequestFailed)
        #expect(fixture.record(0).faultAddress.rawValue == fixture.page(32))
        #expect(fixture.record(0).faultWasWrite)
        #expect(fixture.record(0).bytesCompleted == 8192)
        #expect(fixture.read(8192, at: fixture.page(30)) == fixture.read(8192, at: fixture.page(20)))
        #expect(fixture.read(4096, at: fixture.page(32)) == [UInt8](repeating: 0, count: 4096))
    }

    @Test func `A refused request of a reverse move reports its direction`() throws {
        let fixture = try DeviceFixture.askingForPages()
        try fixture.unmap(page: 20)
        try fixture.enqueue(
            fixture.descriptor(
                .memoryMove, record: 0, flags: .blockOnFault, source: fixture.page(20),
                destination: fixture.page(21), size: 8192))
        fixture.run()
        try fixture.answer(.invalidRequest)
        #expect(fixture.status(0) == .pageRequestFailed)
        #expect(fixture.record(0).result == 1)
        #expect(fixture.record(0).bytesCompleted == 4096)
    }

    @Test func `Without a record address a refused request is in SWERROR`() throws {
        let fixture = try DeviceFixture.askingForPages()
        try fixture.unmap(page: 30)
        try fixture.enqueue(
            fixture.descriptor(.fill, record: nil, flags: .blockOnFault, destination: fixture.page(30), size: 64))
        fixture.run()
        try fixture.answer(.invalidRequest)
        #expect(fixture.device.softwareError.code == .pageRequestFailed)
        #expect(fixture.device.softwareError.faultWasWrite)
        #expect(fixture.device.softwareError.faultAddress.rawValue == fixture.page(30))
    }

    @Test func `Success without the page is asked again, and too often ends with 0x04`() throws {
        let fixture = try DeviceFixture.askingForPages(retryLimit: 3)
        try fixture.unmap(page: 31)
        try fixture.enqueue(move(fixture))
        fixture.run()
        for _ in 0..<3 {
            #expect(fixture.status(0) == .none)
            try fixture.answer(.success)
        }
        #expect(fixture.status(0) == .pageRequestFailed)
        #expect(fixture.record(0).bytesCompleted == 4096)
        #expect(fixture.device.sentPageRequests.count == 3)
    }

    @Test func `Progress between two faults starts the count of attempts anew`() throws {
        let fixture = try DeviceFixture.askingForPages(retryLimit: 2)
        for page in 20..<24 { try fixture.unmap(page: page) }
        try fixture.enqueue(move(fixture))
        fixture.run()
        for page in 20..<24 {
            try fixture.answer(.success)
            #expect(fixture.status(0) == .none)
            try fixture.bringPage(page)
        }
        #expect(fixture.status(0) == .success)
    }

    @Test func `An error of the translation that is no page fault ends without a request`() throws {
        let fixture = try DeviceFixture.askingForPages()
        try fixture.enqueue(
            fixture.descriptor(
                .fill, record: 0, flags: .blockOnFault, destination: 0x8000_0000_0000_0000, size: 64))
        fixture.run()
        #expect(fixture.status(0) == .translationError)
        #expect(fixture.device.sentPageRequests.isEmpty)
    }

    @Test func `A member waits alone, and a fence behind it waits with it`() throws {
        let fixture = try DeviceFixture.askingForPages()
        fixture.fill(pages: 20..<21)
        try fixture.unmap(page: 30)
        let copy = fixture.descriptor(
            .memoryMove, record: 1, flags: .blockOnFault, source: fixture.page(20), destination: fixture.page(30),
            size: 64)
        let fenced = fixture.descriptor(
            .memoryMove, record: 2, flags: .fence, source: fixture.page(30), destination: fixture.page(40), size: 64)
        fixture.writeList([copy, fenced], at: fixture.page(50))
        try fixture.enqueue(fixture.batch(list: fixture.page(50), count: 2, record: 0))
        fixture.run()
        #expect(fixture.status(1) == .none && fixture.status(2) == .none && fixture.status(0) == .none)
        try fixture.bringPage(30)
        #expect(fixture.status(1) == .success && fixture.status(2) == .success && fixture.status(0) == .success)
        #expect(fixture.read(64, at: fixture.page(40)) == fixture.read(64, at: fixture.page(20)))
    }

    @Test func `A refused member fails the batch and abandons what is fenced behind it`() throws {
        let fixture = try DeviceFixture.askingForPages()
        try fixture.unmap(page: 30)
        let fill = fixture.descriptor(
            .fill, record: 1, flags: .blockOnFault, destination: fixture.page(30), size: 64)
        let fenced = fixture.noOp(record: 2).with { $0.flags.insert(.fence) }
        fixture.writeList([fill, fenced], at: fixture.page(50))
        try fixture.enqueue(fixture.batch(list: fixture.page(50), count: 2, record: 0))
        fixture.run()
        try fixture.answer(.invalidRequest)
        #expect(fixture.status(1) == .pageRequestFailed)
        #expect(fixture.status(2) == .none)
        #expect(fixture.status(0) == .batchError)
        #expect(fixture.record(0).bytesCompleted == 1)
    }
}
