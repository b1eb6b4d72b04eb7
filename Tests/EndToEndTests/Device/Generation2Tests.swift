import DSASpec
import Foundation
import PCIe
import Protocol
import ProtocolMessages
import SwiftProtobuf
import TestKit
import Testing

/// A daemon with `config/dsa2.json`, whose device an admin sets up through registers as a driver of a DSA 2.0 part
/// does, and a user whose memory holds the event log.
@Suite struct `A DSA 2_0 device over the socket` {
    /// Nothing is mapped here, and nobody serves the user's page requests.
    private static let nowhere: UInt64 = 0x6100_0000

    private let daemon: DaemonProcess
    private let admin: WireClient
    private let user: Submitter
    private let log: UInt64

    init() throws {
        let file = URL(fileURLWithPath: #filePath).appending(path: "../../../../config/dsa2.json").standardized
        daemon = try DaemonProcess.start(.init(configuration: try String(contentsOf: file, encoding: .utf8)))
        admin = try daemon.admin()
        user = try Submitter.hostUser(try daemon.client())
        log = try user.client.allocateMemory(4096, at: 0x5000_0000)
        try setUp()
    }

    /// Reset Device, then EVLCFG, GENCFG, one WQ without Cache Flush in OPCFG, and the enables.
    private func setUp() throws {
        #expect(try command(5) == 0)
        try admin.writeRegister(Register.eventLogConfiguration.offset, size: 8, log | 1)
        try admin.writeRegister(Register.eventLogConfiguration.offset + 8, size: 8, 64 | UInt64(user.pasid) << 16)
        try admin.writeRegister(Register.generalConfiguration.offset, 1 << 13 | 1 << 12 | 96)
        let offsets = try admin.readRegister(0x60, size: 8)
        let (groups, queues) = (Int(offsets & 0xFFFF) << 8, Int(offsets >> 16 & 0xFFFF) << 8)
        try admin.writeRegister(queues, 16)
        try admin.writeRegister(queues + 4, 16)
        try admin.writeRegister(queues + 8, 1 << 28 | 10 << 4)
        try admin.writeRegister(queues + 12, 21 | 5 << 5)
        let operations = try admin.readRegister(0x40, size: 8)
        try admin.writeRegister(queues + 32, size: 8, operations & ~(1 << 0x20))
        try admin.writeRegister(groups, size: 8, 1)
        try admin.writeRegister(groups + 32, size: 8, 1)
        #expect(try command(1) == 0)
        #expect(try command(6, 0) == 0)
    }

    /// Writes CMD and polls CMDSTATUS.
    private func command(_ code: UInt64, _ operand: UInt64 = 0) throws -> UInt64 {
        try admin.writeRegister(0xA0, code << 20 | operand)
        while true {
            let status = try admin.readRegister(0xA8)
            if status >> 31 == 0 { return status }
        }
    }

    /// Runs one descriptor and returns its record.
    private func run(_ opcode: Opcode, _ change: (inout Descriptor) -> Void) throws -> CompletionRecord {
        let record = try user.submitAccepted {
            var descriptor = Descriptor.noOp(record: $0)
            descriptor.opcode = opcode
            change(&descriptor)
            return descriptor
        }
        return try user.client.completion(at: record)
    }

    /// Waits until the device has executed what was submitted before.
    private func drain() throws {
        #expect(try command(3) == 0)
    }

    /// Entry `index` of the log, as the user reads it from its memory.
    private func entry(_ index: Int) throws -> EventLogEntry {
        let bytes = try user.client.read(64, at: log + UInt64(index) * 64)
        return unsafe bytes.withUnsafeBytes { unsafe EventLogEntry(loading: $0.baseAddress!) }
    }

    private var logStatus: EventLogStatus {
        get throws { EventLogStatus(rawValue: try admin.readRegister(Register.eventLogStatus.offset, size: 8)) }
    }

    @Test func `Its registers are those of a DSA 2_0 part`() throws {
        #expect(try admin.readRegister(0) == 0x200)
        #expect(try admin.readRegister(0x10, size: 8) == GeneralCapabilities.dsa2.rawValue)
        #expect(try admin.readRegister(0x40, size: 8) >> 0x0A & 1 == 1)
        // WQCAP: entries of 64 bytes, OPCFG, ATS Disable and PRS Disable; GRPCAP: limits of what is in progress.
        let queues = try admin.readRegister(0x20, size: 8)
        #expect(queues >> 24 & 0xF == 1)
        #expect([50, 54, 55].allSatisfy { queues >> $0 & 1 == 1 })
        #expect(try admin.readRegister(0x30, size: 8) >> 18 & 1 == 1)
    }

    @Test func `An error without a record is in the event log, and Head says that it was read`() throws {
        let reply = try user.client.enqcmd(
            {
                var descriptor = Descriptor()
                descriptor.opcode = Opcode(rawValue: 0x3F)
                return descriptor
            }(), to: user.portal)
        #expect(!reply.zf)
        try drain()
        let entry = try entry(0)
        #expect(entry.code == .unsupportedOperation)
        #expect(entry.error.pasid.rawValue == user.pasid)
        #expect(try logStatus.tail == 1 && logStatus.head == 0)
        #expect(try admin.readRegister(0xC0, size: 8) == 0, "SWERROR has nothing of it")
        try admin.writeRegister(Register.eventLogStatus.offset, 1)
        #expect(try logStatus.head == 1)
    }

    @Test func `A record that cannot be written is in the event log, and its owner writes it from there`() throws {
        let reply = try user.client.enqcmd(.noOp(record: Self.nowhere), to: user.portal)
        #expect(!reply.zf)
        try drain()
        let entry = try entry(0)
        #expect(entry.code == .completionRecordPageFault)
        #expect(entry.word2 == Self.nowhere)
        #expect(entry.pending.requiresRecord && !entry.pending.requiresInterrupt)
        #expect(entry.pending.operand == .completionRecord)
        #expect(entry.record == CompletionRecord(status: .success))
        // What a driver does: bytes 1 to 31, then the status.
        let address = try user.client.allocateMemory(4096, at: Self.nowhere)
        let bytes = try user.client.read(32, at: log + 32)
        try user.client.write(Array(bytes[1...]), at: address + 1)
        try user.client.write([bytes[0]], at: address)
        #expect(try user.client.completion(at: address).status == .success)
    }

    @Test func `CRC64 and a pattern of 16 bytes`() throws {
        let data = try user.reserve(64)
        try user.client.write(Array("123456789".utf8), at: data)
        let crc = try run(.crcGeneration) {
            $0.flags.insert(.crc64)
            $0.sourceAddress = LinearAddress(rawValue: data)
            $0.transferSize = 9
        }
        #expect(crc.crc64Value == 0xAE8B_1486_0A79_9888)
        let target = try user.reserve(64)
        let fill = try run(.fill) {
            $0.flags.insert(.widePattern)
            $0.fillPattern = 0x0706_0504_0302_0100
            $0.fillPatternHigh = 0x0F0E_0D0C_0B0A_0908
            $0.destinationAddress = LinearAddress(rawValue: target)
            $0.transferSize = 20
        }
        #expect(fill.status == .success)
        #expect(try user.client.read(21, at: target) == Array(0...15) + [0, 1, 2, 3, 0])
    }

    @Test func `Translation Fetch touches a region, and a fault names its operand`() throws {
        let mapped = try run(.translationFetch) {
            $0.sourceAddress = LinearAddress(rawValue: log)
            $0.transferSize = 4096
        }
        #expect(mapped == CompletionRecord(status: .success))
        let faulting = try run(.translationFetch) {
            $0.flags.insert(.useStride)
            $0.sourceAddress = LinearAddress(rawValue: log)
            $0.transferSize = 3 * 4096
            $0.regionStride = 4096
        }
        #expect(faulting.status == .pageFault)
        #expect(faulting.bytesCompleted == 4096)
        #expect(faulting.faultOperand == .source)
        let move = try run(.memoryMove) {
            $0.sourceAddress = LinearAddress(rawValue: log)
            $0.destinationAddress = LinearAddress(rawValue: Self.nowhere)
            $0.transferSize = 8
        }
        #expect(move.status == .pageFault && move.faultWasWrite)
        #expect(move.faultOperand == .destination)
    }

    @Test func `OPCFG leaves out an operation that OPCAP has`() throws {
        let address = log
        let flush = try run(.cacheFlush) {
            $0.destinationAddress = LinearAddress(rawValue: address)
            $0.transferSize = 64
        }
        #expect(flush.status == .unsupportedOperation)
        #expect(try run(.noOp) { _ in }.status == .success)
    }

    @Test func `A batch whose list faults goes on with Batch Error, and its end tells of both parts`() throws {
        let page = try user.client.allocateMemory(4096, at: 0x6000_0000)
        let records = try user.reserve(4 * 32)
        var members = (0..<4).map { Descriptor.noOp(record: records + UInt64($0) * 32) }
        members[0].opcode = Opcode(rawValue: 0x3F)
        // The first two end the page; behind it nothing is mapped.
        try user.client.write(members[0].bytes + members[1].bytes, at: page + 4096 - 128)
        let first = try run(.batch) {
            $0.descriptorListAddress = LinearAddress(rawValue: page + 4096 - 128)
            $0.descriptorCount = 4
        }
        #expect(first.status == .batchListPageFault)
        #expect(first.bytesCompleted == 2 && first.result == 1)
        #expect(first.faultAddress.rawValue == page + 4096)
        #expect(try user.client.completion(at: records).status == .unsupportedOperation)

        let next = try user.client.allocateMemory(4096, at: page + 4096)
        try user.client.write(members[2].bytes + members[3].bytes, at: next)
        let second = try run(.batch) {
            $0.flags.insert(.batchError)
            $0.descriptorListAddress = LinearAddress(rawValue: next)
            $0.descriptorCount = 2
        }
        #expect(second.status == .batchError)
        #expect(second.bytesCompleted == 2 && second.result == 1)
        for index in 1..<4 {
            #expect(try user.client.completion(at: records + UInt64(index) * 32).status == .success)
        }
    }
}
