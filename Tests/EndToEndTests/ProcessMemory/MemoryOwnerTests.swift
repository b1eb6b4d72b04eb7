import DSASpec
import Glibc
import Platform
import Protocol
import ProtocolMessages
import TestKit
import Testing

/// A program whose memory the daemon reaches, in a process of its own.
private final class MemoryOwner {
    let child: ChildProcess
    private let lines: OwnedFD

    init(_ scenario: String, of daemon: DaemonProcess) throws {
        var numbers: [CInt] = [-1, -1]
        guard unsafe socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &numbers) == 0 else {
            throw SystemError.last("socketpair")
        }
        lines = OwnedFD(adopting: numbers[0])
        defer { close(numbers[1]) }
        var launch = ChildProcess.Launch(Programs.memoryClient, [daemon.socketPath, scenario])
        launch.descriptors = [numbers[1]]
        launch.standardError = daemon.directory.file("client")
        child = try ChildProcess(launch)
    }

    /// What the program says next, without the end of the line.
    func line() throws -> String {
        var text: [UInt8] = []
        while text.last != UInt8(ascii: "\n") {
            var polled = pollfd(fd: lines.rawValue, events: Int16(POLLIN), revents: 0)
            guard unsafe poll(&polled, 1, Deadline.milliseconds) == 1 else {
                throw TestFailure("the program is silent")
            }
            var byte: UInt8 = 0
            guard unsafe read(lines.rawValue, &byte, 1) == 1 else {
                throw TestFailure("the program has ended: \(String(decoding: text, as: UTF8.self))")
            }
            text.append(byte)
        }
        return String(decoding: text.dropLast(), as: UTF8.self)
    }
}

/// What the owner of the memory does must be harmless to the daemon and to all others.
@Suite struct `The owner of the memory` {
    private let daemon: DaemonProcess
    private let admin: WireClient

    init() throws {
        daemon = try DaemonProcess.start()
        admin = try daemon.admin()
        try admin.enableBlockOnFault()
        try admin.subscribe("PROCESS_DESTROYED")
    }

    /// Waits until the process of a program is gone, and checks that its PASID was unbound and that the history says
    /// so.
    private func expectUnbound() throws {
        _ = try admin.nextEvent("PROCESS_DESTROYED")
        #expect(try admin.ioasids().isEmpty)
        let kinds = try admin.history().map(\.kind)
        #expect(kinds.contains(.unbind))
        let queue = try admin.workQueue()
        #expect(queue.occupancy == 0)
        #expect(queue.accepted == queue.completed + queue.abandoned)
    }

    /// Another client moves bytes of its own memory.
    private func expectService() throws {
        let client = try daemon.client()
        try client.attachOwnMemory()
        try client.bindProcess()
        let portal = try client.mapPortal()
        let memory = try OwnMemory(pageCount: 8)
        memory.write(Array(repeating: 0, count: memory.byteCount))
        for round in 0..<20 {
            memory.write(Array(repeating: 0, count: 32))
            memory.write(Array(repeating: UInt8(round + 1), count: 5000), at: 4096)
            let move = Descriptor.memoryMove(
                from: memory.address(4096), to: memory.address(4 * 4096), count: 5000, record: memory.address())
            try #require(!client.enqcmd(move, to: portal).zf)
            #expect(try memory.completion(at: 0).status == .success)
            #expect(memory.read(5000, at: 4 * 4096) == memory.read(5000, at: 4096))
        }
        try client.call(.detach)
        _ = try admin.nextEvent("PROCESS_DESTROYED")
    }

    @Test func `is killed in the middle of a move: its PASID is unbound, and the history says so`() throws {
        let owner = try MemoryOwner("move", of: daemon)
        #expect(try owner.line() == "moving")
        try owner.child.send(signal: SIGKILL)
        try expectUnbound()
        try expectService()
    }

    @Test(Kernel.requiresMissingPages)
    func `keeps its pages back: no other client waits, and its end frees all`() throws {
        let owner = try MemoryOwner("stall", of: daemon)
        #expect(try owner.line() == "stalled")
        try expectService()
        try owner.child.send(signal: SIGKILL)
        try expectUnbound()
        try expectService()
    }

    @Test(Kernel.requiresMissingPages)
    func `keeps its pages back for too long: its descriptors are abandoned`() throws {
        let impatient = try DaemonProcess.start(
            .init(configuration: #"{"limits": {"pageRequestTimeoutMs": 50}}"#))
        let admin = try impatient.admin()
        try admin.enableBlockOnFault()
        let owner = try MemoryOwner("stall", of: impatient)
        #expect(try owner.line() == "stalled")
        var queue = try admin.workQueue()
        while queue.abandoned < 8 {
            sched_yield()
            queue = try admin.workQueue()
        }
        #expect(queue.accepted == queue.completed + queue.abandoned)
        #expect(try admin.ioasids().count == 1)
    }

    @Test func `unmaps its memory under way: each operation ends at the exact page, or was through`() throws {
        let owner = try MemoryOwner("unmap", of: daemon)
        #expect(try owner.line().hasPrefix("ended with"))
        #expect(try owner.child.waitForEnd() == .exited(0))
        try expectUnbound()
    }

    @Test func `executes another program: that is not written to, and the PASID is unbound`() throws {
        let owner = try MemoryOwner("exec", of: daemon)
        #expect(try owner.line() == "executing")
        try expectUnbound()
        #expect(!owner.child.hasEnded)
        try expectService()
    }

    @Test func `is one of 64 programs on one WQ, which answers Retry`() throws {
        let owners = try (0..<64).map { _ in try MemoryOwner("crowd", of: daemon) }
        for owner in owners { #expect(try owner.line() == "moved") }
        for owner in owners { #expect(try owner.child.waitForEnd() == .exited(0)) }
        for _ in owners { _ = try admin.nextEvent("PROCESS_DESTROYED") }
        let queue = try admin.workQueue()
        #expect(queue.completed == 64 * 50)
        #expect(try admin.ioasids().isEmpty)
    }
}
