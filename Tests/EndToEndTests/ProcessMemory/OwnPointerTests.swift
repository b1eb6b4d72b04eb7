import DSASpec
import Glibc
import PCIe
import Protocol
import ProtocolMessages
import SwiftProtobuf
import TestKit
import Testing

/// Descriptors with the program's own pointers: here the program is the test itself.
@Suite struct `The program's own memory` {
    private let daemon: DaemonProcess
    private let client: WireClient
    private let portal: UInt64
    private let memory: OwnMemory
    private let pasid: UInt32

    init() throws {
        daemon = try DaemonProcess.start()
        try daemon.admin().enableBlockOnFault()
        client = try daemon.client()
        try client.attachOwnMemory()
        pasid = try client.bindProcess()
        portal = try client.mapPortal()
        memory = try OwnMemory(pageCount: 1024)
    }

    /// Page 0 is for records.
    private func submit(_ descriptor: Descriptor) throws {
        let reply = try client.enqcmd(descriptor, to: portal)
        try #require(!reply.zf && !reply.hasException)
    }

    private func page(_ number: Int) -> UInt64 { memory.address(number * 4096) }

    @Test func `Memory Move copies between pointers of the program`() throws {
        var generator = SeededGenerator(seed: 1)
        let bytes = generator.bytes(3 * 4096 + 17)
        memory.write(bytes, at: 4096 + 5)
        memory.write(Array(repeating: 0, count: 5 * 4096), at: 8 * 4096)
        memory.write(Array(repeating: 0, count: 32))
        try submit(
            .memoryMove(from: page(1) + 5, to: page(8) + 9, count: UInt32(bytes.count), record: page(0)))
        let record = try memory.completion(at: 0)
        #expect(record.status == .success)
        #expect(record.bytesCompleted == 0)
        #expect(memory.read(bytes.count, at: 8 * 4096 + 9) == bytes)
        #expect(memory.read(9, at: 8 * 4096) == Array(repeating: 0, count: 9))
    }

    @Test func `A page that was never touched is a fault without Block On Fault, and none with it`() throws {
        memory.write(Array(repeating: 7, count: 2 * 4096), at: 4096)
        memory.write(Array(repeating: 0, count: 64))
        var move = Descriptor.memoryMove(from: page(1), to: page(10) + 100, count: 8192, record: page(0))
        memory.write(Array(repeating: 1, count: 4096), at: 10 * 4096)
        try submit(move)
        let record = try memory.completion(at: 0)
        #expect(record.status == .pageFault)
        #expect(record.faultWasWrite)
        #expect(record.bytesCompleted == 4096 - 100)
        #expect(record.faultAddress.rawValue == page(11))

        move.flags.insert(.blockOnFault)
        move.completionRecordAddress = LinearAddress(rawValue: page(0) + 32)
        try submit(move)
        #expect(try memory.completion(at: 32).status == .success)
        #expect(memory.read(8192, at: 10 * 4096 + 100) == Array(repeating: 7, count: 8192))
    }

    @Test func `A page that cannot be had ends Block On Fault as a refused page request does`() throws {
        memory.write(Array(repeating: 7, count: 4 * 4096), at: 4096)
        memory.write(Array(repeating: 0, count: 64))
        try memory.protect(page: 3, PROT_NONE)
        var move = Descriptor.memoryMove(from: page(1) + 8, to: page(10), count: 4 * 4096 - 8, record: page(0))
        move.flags.insert(.blockOnFault)
        try submit(move)
        let record = try memory.completion(at: 0)
        #expect(record.status == .pageRequestFailed)
        #expect(!record.faultWasWrite)
        #expect(record.bytesCompleted == 2 * 4096 - 8)
        #expect(record.faultAddress.rawValue == page(3))

        try memory.protect(page: 3, PROT_READ)
        var fill = Descriptor.fill(0x1122, to: page(2), count: 8192, record: page(0) + 32)
        fill.flags.insert(.blockOnFault)
        try submit(fill)
        let second = try memory.completion(at: 32)
        #expect(second.status == .pageRequestFailed)
        #expect(second.faultWasWrite)
        #expect(second.bytesCompleted == 4096)
    }

    @Test func `A batch reads its list and its members work on the program's memory`() throws {
        memory.write(Array(repeating: 0, count: 4096))
        var list: [UInt8] = []
        for index in 0..<40 {
            memory.write(Array(repeating: UInt8(index), count: 100), at: 4096 * 2 + index * 100)
            list +=
                Descriptor.memoryMove(
                    from: page(2) + UInt64(index * 100), to: page(20) + UInt64(index * 100), count: 100,
                    record: page(0) + UInt64(64 + index * 32)
                ).bytes
        }
        memory.write(Array(repeating: 0, count: 4096), at: 20 * 4096)
        memory.write(list, at: 4096)
        try submit(.batch(list: page(1), count: 40, record: page(0)))
        let record = try memory.completion(at: 0)
        #expect(record.status == .success)
        #expect(record.bytesCompleted == 40)
        #expect(memory.read(4000, at: 20 * 4096) == memory.read(4000, at: 2 * 4096))
        for index in 0..<40 { #expect(memory.read(1, at: 64 + index * 32) == [1]) }
    }

    @Test func `A record that cannot be written is reported by SWERROR`() throws {
        let admin = try daemon.admin()
        try admin.subscribe("SOFTWARE_ERROR")
        try memory.protect(page: 5, PROT_READ)
        try submit(.noOp(record: page(5)))
        let error = try admin.nextEvent("SOFTWARE_ERROR").decode(WireSoftwareErrorEvent.self).error
        #expect(error.code == UInt32(CompletionStatus.completionRecordPageFault.rawValue))
        #expect(error.pasid == pasid)
    }

    @Test func `A long operation takes many turns`() throws {
        let large = try OwnMemory(pageCount: 16 * 1024)
        memory.write(Array(repeating: 0, count: 64))
        var fill = Descriptor.fill(0x0102_0304_0506_0708, to: large.address(), count: 64 << 20, record: page(0))
        fill.flags.insert(.blockOnFault)
        try submit(fill)
        #expect(try memory.completion(at: 0).status == .success)
        #expect(large.read(8, at: (64 << 20) - 8) == [8, 7, 6, 5, 4, 3, 2, 1])
    }

    @Test func `Commands on memory are refused: the program has its own`() throws {
        #expect(try client.refusal(of: .allocMemory(.with { $0.size = 4096 })).errorClass == "WrongState")
        #expect(
            try client.refusal(
                of: .readMemory(
                    .with {
                        $0.address = "0x1000"
                        $0.size = 1
                    })
            ).errorClass
                == "WrongState")
    }
}
