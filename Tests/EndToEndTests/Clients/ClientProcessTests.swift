import Glibc
import Platform
import Protocol
import ProtocolMessages
import SwiftProtobuf
import TestKit
import Testing

/// What a connection holds belongs to the process and the program that made it, not to whoever has the socket.
@Suite struct `The process behind a connection` {
    /// Its socket, which a program that is executed keeps, and a client that uses it.
    private static func connect(_ path: String) throws -> (socket: CInt, client: WireClient) {
        let connection = try ClientConnection.unix(path: path)
        // A duplicate is not closed by an exec.
        let socket = dup(connection.socket.descriptor.rawValue)
        guard socket >= 0 else { throw SystemError.last("dup") }
        let client = try WireClient(connection)
        try client.negotiate()
        return (socket, client)
    }

    /// Starts a process that keeps `socket` and writes into `pipe` what the daemon says there until it closes it; this
    /// process exits.
    private static func leave(_ socket: CInt, to pipe: String) throws -> Never {
        // It waits for as long as it takes, unlike this process.
        var never = timeval(tv_sec: 0, tv_usec: 0)
        let size = socklen_t(MemoryLayout<timeval>.size)
        guard unsafe setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &never, size) == 0 else {
            throw SystemError.last("setsockopt")
        }
        // The heir gets nothing else: whoever waits for the end of this process waits for the end of its pipes.
        for number in 3..<CInt(clamping: try DescriptorLimit.current().soft) { _ = fcntl(number, F_SETFD, FD_CLOEXEC) }
        var launch = ChildProcess.Launch("/bin/sh", ["-c", #"exec cat <&3 >"$0""#, pipe])
        launch.descriptors = [socket]
        // Dropped with this process, it lives on.
        let heir = try ChildProcess(launch)
        withExtendedLifetime(heir) { exit(EXIT_SUCCESS) }
    }

    @Test func `Its exit ends what the connection held, although a child has the socket`() async throws {
        let daemon = try DaemonProcess.start()
        let admin = try daemon.admin()
        try admin.subscribe("PROCESS_DESTROYED", "VM_DESTROYED")
        let pipe = try Pipe(in: daemon.directory)
        await #expect(processExitsWith: .success) {
            [path = daemon.socketPath as String, pipe = pipe.path as String] in
            let (socket, client) = try Self.connect(path)
            _ = try Submitter.hostUser(client)
            try Self.leave(socket, to: pipe)
        }
        try expectFarewell(pipe, "has exited")
        try expectEverythingEnded(admin, "PROCESS_DESTROYED")
    }

    @Test func `The exit of a VM's creator ends the VM, although a child has the socket`() async throws {
        let daemon = try DaemonProcess.start()
        let admin = try daemon.admin()
        try admin.subscribe("PROCESS_DESTROYED", "VM_DESTROYED")
        let pipe = try Pipe(in: daemon.directory)
        await #expect(processExitsWith: .success) {
            [path = daemon.socketPath as String, pipe = pipe.path as String] in
            let (socket, client) = try Self.connect(path)
            try client.bindGuestPASID(5, vm: try client.createVM())
            try Self.leave(socket, to: pipe)
        }
        try expectFarewell(pipe, "has exited")
        try expectEverythingEnded(admin, "VM_DESTROYED")
    }

    @Test(Kernel.requiresPageMaps)
    func `Its exec ends what the connection held, although the new program has the socket`() async throws {
        let daemon = try DaemonProcess.start()
        let admin = try daemon.admin()
        try admin.subscribe("PROCESS_DESTROYED", "VM_DESTROYED")
        let pipe = try Pipe(in: daemon.directory)
        await #expect(processExitsWith: .success) {
            [path = daemon.socketPath as String, pipe = pipe.path as String] in
            let (socket, client) = try Self.connect(path)
            _ = try Submitter.hostUser(client)
            // The same process ends, with success, when the daemon has closed the connection.
            guard dup2(socket, 3) == 3 else { throw SystemError.last("dup2") }
            let words: [String] = ["sh", "-c", #"exec cat <&3 >"$0""#, pipe]
            var arguments: [UnsafeMutablePointer<CChar>?] = unsafe words.map { unsafe strdup($0) } + [nil]
            unsafe execv("/bin/sh", &arguments)
            throw SystemError.last("execv")
        }
        try expectFarewell(pipe, "has executed another program")
        try expectEverythingEnded(admin, "PROCESS_DESTROYED")
    }

    @Test func `A connection that holds nothing outlives its process`() async throws {
        let daemon = try DaemonProcess.start()
        let pipe = try Pipe(in: daemon.directory)
        let admin = try daemon.admin()
        await #expect(processExitsWith: .success) {
            [path = daemon.socketPath as String, pipe = pipe.path as String] in
            let (socket, _) = try Self.connect(path)
            try Self.leave(socket, to: pipe)
        }
        let connections = try admin.status().connections
        #expect(connections == 2)
        try admin.call(.shutdown)
        #expect(try daemon.waitForEnd() == .exited(0))
        #expect(!(try pipe.readToEnd()).contains("has exited"))
    }

    /// The last line of the connection is an error that says why it ends.
    private func expectFarewell(_ pipe: Pipe, _ reason: String) throws {
        let line = try #require(try pipe.readToEnd().split(separator: "\n").last)
        guard case .error("WrongState", let description, _) = try ClientMessage(Array(line.utf8)).kind else {
            throw TestFailure("the last line is \(line)")
        }
        #expect(description.contains(reason))
    }

    /// Nothing is bound any more, and the history says why.
    private func expectEverythingEnded(_ admin: WireClient, _ event: String) throws {
        _ = try admin.nextEvent(event)
        #expect(try admin.status().connections == 1)
        #expect(try admin.ioasids().isEmpty)
        let events = try admin.history()
        #expect(events.map(\.kind) == [.alloc, .bind, .unbind, .free])
        #expect(events.suffix(2).allSatisfy { $0.cause == .clientDied })
    }
}
