import DSASpec
import Glibc
import Platform
import Protocol
import ProtocolMessages
import SwiftProtobuf
import TestKit
import Testing

@Suite struct `Device nodes over the socket` {
    private let daemon: DaemonProcess
    private let admin: WireClient

    init() throws {
        daemon = try DaemonProcess.start()
        admin = try daemon.admin()
    }

    /// A process with a page of memory.
    private func process(_ capabilities: Set<WireClient.Capability> = []) throws -> (client: WireClient, memory: UInt64)
    {
        let client = try daemon.client(capabilities)
        try client.attachProcess()
        return (client, try client.allocateMemory(4096))
    }

    private func clients(_ queue: Int) throws -> String {
        guard case .value(let text) = try admin.readAttribute("sys/bus/dsa/devices/wq0.\(queue)/clients") else {
            throw TestFailure("no clients")
        }
        return String(text.dropLast())
    }

    private func kinds() throws -> [WireHistoryKind] { try admin.history().map(\.kind) }

    @Test func `An open binds the process, a close unbinds it, and the history has both before the replies`() throws {
        let (client, memory) = try process()
        let file = try client.opened("wq0.0")
        #expect(try kinds() == [.alloc, .bind])
        #expect(try clients(0) == "1")
        let reply = try client.enqcmd(.noOp(record: memory), to: file.portal)
        #expect(!reply.zf && !reply.hasException)
        #expect(try client.completion(at: memory).status == .success)
        try client.closeWQ(file.file)
        #expect(try kinds() == [.alloc, .bind, .unbind, .free])
        #expect(try admin.history().last?.cause == .request)
        #expect(try clients(0) == "0")
        // Neither the PASID nor the portal is left.
        #expect(try client.enqcmd(.noOp(record: memory), to: file.portal).hasException)
    }

    @Test func `Of two processes the second finds the dedicated WQ busy, until the first has closed it`() throws {
        let (first, memory) = try process()
        let (second, _) = try process()
        let file = try first.opened("wq0.1")
        #expect(try second.openWQ("wq0.1") == .errno(16))
        #expect(try first.openWQ("wq0.1") == .errno(16))
        #expect(try admin.workQueue(1).pasid == admin.ioasids().first?.ioasid)
        #expect(try !first.movdir64b(.noOp(record: memory), to: file.portal).hasException)
        #expect(try first.completion(at: memory).status == .success)
        try first.closeWQ(file.file)
        #expect(try !admin.workQueue(1).hasPasid)
        let (third, place) = try process()
        let again = try third.opened("wq0.1")
        #expect(try !third.movdir64b(.noOp(record: place), to: again.portal).hasException)
        #expect(try third.completion(at: place).status == .success)
    }

    @Test func `Several files of a process share its PASID, and the last one unbinds it`() throws {
        let (client, _) = try process()
        let files = [try client.opened("wq0.0"), try client.opened("wq0.0"), try client.opened("wq0.1")]
        #expect(try kinds() == [.alloc, .bind])
        #expect(try admin.ioasids().count == 1)
        #expect(try clients(0) == "2")
        for file in files.dropLast() { try client.closeWQ(file.file) }
        #expect(try kinds() == [.alloc, .bind])
        try client.closeWQ(files[2].file)
        #expect(try kinds() == [.alloc, .bind, .unbind, .free])
    }

    @Test func `A process that bind-process has bound stays bound when its files are closed`() throws {
        let (client, _) = try process()
        let pasid = try client.bindProcess()
        let file = try client.opened("wq0.0")
        try client.closeWQ(file.file)
        #expect(try admin.ioasids().map(\.ioasid) == [pasid])
        try client.unbindProcess()
        #expect(try kinds() == [.alloc, .bind, .unbind, .free])
    }

    @Test func `A mapping keeps the file open: with keepsPortal the WQ is busy until unmap-wq`() throws {
        let (client, memory) = try process()
        let file = try client.opened("wq0.1")
        #expect(try client.refusal(of: .unmapWq(.with { $0.file = file.file })).errorClass == "WrongState")
        try client.closeWQ(file.file, keepsPortal: true)
        #expect(try client.openWQ("wq0.1") == .errno(16))
        #expect(try !client.movdir64b(.noOp(record: memory), to: file.portal).hasException)
        #expect(try client.completion(at: memory).status == .success)
        #expect(try client.refusal(of: .pollWq(.with { $0.file = file.file })).errorClass == "WrongState")
        #expect(try client.refusal(of: .closeWq(.with { $0.file = file.file })).errorClass == "WrongState")
        try client.unmapWQ(file.file)
        #expect(try clients(1) == "0")
        #expect(try kinds() == [.alloc, .bind, .unbind, .free])
        #expect(try client.refusal(of: .unmapWq(.with { $0.file = file.file })).errorClass == "NotFound")
    }

    @Test func `A close waits for the descriptors of its file, and only its connection waits`() throws {
        let (client, memory) = try process([.outOfBand])
        let file = try client.opened("wq0.0")
        try admin.holdEngines()
        #expect(try !client.enqcmd(.noOp(record: memory), to: file.portal).zf)
        let close = try client.send(.closeWq(.with { $0.file = file.file }))
        #expect(try client.call(.queryStatus, outOfBand: true, returning: WireQueryStatusReturn.self).inFlight == 1)
        #expect(try clients(0) == "1")
        // Another process comes and goes meanwhile; its close comes behind on the device.
        let (other, _) = try process()
        #expect(try other.readAttribute("sys/bus/dsa/devices/wq0.0/size") == .value("96\n"))
        try admin.holdEngines(false)
        _ = try client.receive(close, returning: WireEmpty.self)
        #expect(try client.read(1, at: memory) == [CompletionStatus.success.rawValue])
        #expect(try clients(0) == "0")
    }

    @Test func `kill -9 of a client closes its files: counts fall, the dedicated WQ is free, the history says so`()
        async throws
    {
        try admin.subscribe("PROCESS_DESTROYED")
        let socket = daemon.socketPath
        await #expect(processExitsWith: .signal(SIGKILL)) { [socket = socket as String] in
            let client = try WireClient(path: socket)
            try client.attachProcess()
            let memory = try client.allocateMemory(4096)
            let shared = try client.opened("wq0.0")
            let dedicated = try client.opened("wq0.1")
            try client.closeWQ(dedicated.file, keepsPortal: true)
            _ = try client.enqcmd(.noOp(record: memory), to: shared.portal)
            _ = try client.movdir64b(.noOp(record: memory + 32), to: dedicated.portal)
            guard kill(getpid(), SIGKILL) == 0 else { throw SystemError.last("kill") }
        }
        _ = try admin.nextEvent("PROCESS_DESTROYED")
        #expect(try clients(0) == "0" && clients(1) == "0")
        #expect(try kinds() == [.alloc, .bind, .unbind, .free])
        #expect(try admin.history().last?.cause == .clientDied)
        #expect(try admin.ioasids().isEmpty)
        let (client, _) = try process()
        #expect(try client.opened("wq0.1").file == 0)
    }

    @Test func `detach closes the files of the connection, and those of another thread stay`() throws {
        let client = try daemon.client()
        let number = try client.attachProcess()
        let thread = try daemon.client()
        try thread.attachProcess(number)
        let kept = try thread.opened("wq0.0")
        let file = try client.opened("wq0.0")
        #expect(try client.pollWQ(kept.file) == false)
        try client.call(.detach)
        #expect(try clients(0) == "1")
        #expect(try kinds() == [.alloc, .bind])
        #expect(try thread.refusal(of: .pollWq(.with { $0.file = file.file })).errorClass == "NotFound")
        try thread.closeWQ(kept.file)
        #expect(try kinds() == [.alloc, .bind, .unbind, .free])
    }

    @Test func `Opens without node, without process and beyond the PASIDs say so`() throws {
        let (client, _) = try process()
        #expect(try client.openWQ("wq0.2") == .errno(2))
        #expect(try client.openWQ("../dsa/wq0.0") == .errno(2))
        #expect(try daemon.client().refusal(of: .openWq(.with { $0.wq = "wq0.0" })).errorClass == "PermissionDenied")
        let (stranger, _) = try process()
        let file = try client.opened("wq0.0")
        #expect(try stranger.refusal(of: .closeWq(.with { $0.file = file.file })).errorClass == "NotFound")

        let small = try DaemonProcess.start(.init(configuration: #"{"limits": {"hostPasidQuota": 1}}"#))
        let first = try small.client()
        try first.attachProcess()
        _ = try first.opened("wq0.0")
        let second = try small.client()
        try second.attachProcess()
        #expect(try second.openWQ("wq0.1") == .errno(28))
        _ = try first.opened("wq0.1")
    }

    @Test func `write submits descriptors without portal, and answers with the kernel's errnos`() throws {
        let (client, memory) = try process()
        let file = try client.opened("wq0.0")
        let records = (0..<3).map { memory + UInt64($0) * 32 }
        #expect(try client.writeWQ(file.file, records.map { .noOp(record: $0) }, rest: [1, 2, 3]) == .value(192))
        for record in records { #expect(try client.completion(at: record).status == .success) }
        #expect(try client.writeWQ(file.file, []) == .value(0))
        #expect(try client.writeWQ(file.file, [.noOp(record: memory + 8)]) == .errno(22))
        var batch = Descriptor.noOp(record: memory)
        batch.word0 = batch.word0 & 0xFF_FFFF_FFFF_FFFF | UInt64(Opcode.batch.rawValue) << 56
        #expect(try client.writeWQ(file.file, [batch]) == .errno(22))

        try admin.holdEngines()
        let many = (0..<90).map { _ in Descriptor.noOp(record: memory) }
        #expect(try client.writeWQ(file.file, many) == .value(80 * 64))
        #expect(try client.writeWQ(file.file, many) == .errno(11))
        try admin.holdEngines(false)
    }

    @Test func `poll reports a software error that the driver has captured, and sysfs shows it`() throws {
        let (client, memory) = try process()
        let file = try client.opened("wq0.1")
        #expect(try !client.pollWQ(file.file))
        try admin.holdEngines()
        for _ in 0...32 { _ = try client.movdir64b(.noOp(record: memory), to: file.portal) }
        #expect(try client.pollWQ(file.file))
        let errors = try client.readAttribute("sys/bus/dsa/devices/dsa0/errors")
        #expect(errors == .value(String(repeating: "00000000,", count: 7) + "00015309\n"))
        try admin.holdEngines(false)
    }

    @Test func `A WQ that is unbound under an open file ends its submissions, and the file closes`() throws {
        let (client, memory) = try process()
        let file = try client.opened("wq0.0")
        #expect(try client.writeAttribute("sys/bus/dsa/drivers/user/unbind", "wq0.0") == .value(5))
        #expect(try client.enqcmd(.noOp(record: memory), to: file.portal).zf)
        #expect(try client.openWQ("wq0.0") == .errno(2))
        try client.closeWQ(file.file)
        #expect(try kinds() == [.alloc, .bind, .unbind, .free])
    }
}
