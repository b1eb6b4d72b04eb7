import DSASpec
import Platform
import Protocol
import ProtocolMessages
import SwiftProtobuf
import TestKit
import Testing

@Suite struct `Waiting for completion records` {
    private let daemon: DaemonProcess
    private let admin: WireClient
    private let user: Submitter

    init() throws {
        daemon = try DaemonProcess.start()
        admin = try daemon.admin()
        user = try .hostUser(try daemon.client([.outOfBand]))
    }

    private func wait(_ address: UInt64, timeout: UInt32?) -> Request {
        .umwait(
            .with {
                $0.address = Hexadecimal.text(address)
                if let timeout { $0.timeoutMs = timeout }
            })
    }

    @Test func `UMWAIT returns when the device writes the byte, and not before`() throws {
        try admin.holdEngines()
        let record = try user.submitAccepted()
        let waiting = try user.client.send(wait(record, timeout: nil))
        // It waits: what came behind it has not been answered, what overtakes it has.
        let behind = try user.client.send(.queryVersion)
        #expect(try user.client.read(1, at: record, outOfBand: true) == [0])
        try admin.holdEngines(false)
        let reply = try user.client.receive(waiting, returning: WireUmwaitReturn.self)
        #expect(reply.changed)
        #expect(reply.value == UInt32(CompletionStatus.success.rawValue))
        _ = try user.client.receive(behind)
    }

    @Test func `UMWAIT returns when another connection of the process writes the byte`() throws {
        let address = try user.reserve(64)
        let waiting = try user.client.send(wait(address, timeout: nil))
        let thread = try daemon.client()
        try thread.attachProcess(user.owner)
        try thread.write([7], at: address)
        #expect(try user.client.receive(waiting, returning: WireUmwaitReturn.self).value == 7)
    }

    @Test(arguments: [0, 1]) func `UMWAIT that runs out says that nothing changed`(_ timeout: UInt32) throws {
        let reply = try user.client.call(
            wait(try user.reserve(64), timeout: timeout), returning: WireUmwaitReturn.self)
        #expect(!reply.changed)
        #expect(reply.value == 0)
    }

    @Test func `UMWAIT on memory that is not there is refused`() throws {
        #expect(try user.client.refusal(of: wait(0x1000, timeout: 0)).errorClass == "NotFound")
    }

    @Test func `Shared memory is the same bytes for client and device`() throws {
        let request = try user.client.send(.createSharedMemory(.with { $0.size = 8192 }))
        let region = try user.client.receive(request, returning: WireSharedMemoryReturn.self)
        let memory = try SharedMemory.adopt(try user.client.takeDescriptor(), byteCountMax: 8192).map()
        let base = try #require(Hexadecimal.value(region.address))
        var generator = SeededGenerator(seed: 2)
        let bytes = generator.bytes(4000)
        unsafe memory.bytes.copyBytes(from: bytes)
        let record = try user.submitAccepted {
            .memoryMove(from: base, to: base + 4096, count: 4000, record: $0)
        }
        #expect(try user.client.completion(at: record).status == .success)
        #expect(unsafe memory.bytes[4096..<8096].elementsEqual(bytes))
        #expect(unsafe memory.bytes[8096...].allSatisfy { $0 == 0 })
    }

    @Test func `Memory that the client shares is the same bytes for client and device`() throws {
        let file = try MemoryFile.create(name: "client", byteCount: 8192, seals: .shrink)
        let base = try user.client.attachSharedMemory(file)
        let memory = try SharedMemory.adopt(file, byteCountMax: 8192).map()
        let record = try user.submitAccepted {
            .fill(0x0123_4567_89AB_CDEF, to: base + 8, count: 16, record: $0)
        }
        #expect(try user.client.completion(at: record).status == .success)
        #expect(unsafe memory.bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self) == 0)
        #expect(unsafe memory.bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self) == 0x0123_4567_89AB_CDEF)
        #expect(unsafe memory.bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self) == 0x0123_4567_89AB_CDEF)
        #expect(unsafe memory.bytes.loadUnaligned(fromByteOffset: 24, as: UInt64.self) == 0)
    }
}
