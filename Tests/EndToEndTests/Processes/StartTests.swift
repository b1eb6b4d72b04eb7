import Foundation
import Platform
import Protocol
import ProtocolMessages
import TestKit
import Testing

@Suite struct `Starting the daemon` {
    @Test func `With no configuration at all it serves in XDG_RUNTIME_DIR one device with a shared and a dedicated WQ`()
        throws
    {
        let directory = try TemporaryDirectory()
        var options = DaemonProcess.Options()
        options.namesPlaces = false
        options.environment["XDG_RUNTIME_DIR"] = directory.path
        let daemon = try DaemonProcess.start(options, in: directory)

        let client = try WireClient(path: directory.file("swqd/swqd.sock"))
        let devices = try client.call(.queryDevices(.init()), returning: WireQueryDevicesReturn.self).items
        #expect(devices.map(\.name) == ["dsa0"])
        let queues = devices[0].wqs.filter { $0.state == .enabled }
        #expect(queues.map(\.mode) == [.shared, .dedicated])
        var generator = SeededGenerator(seed: 8)
        try Submitter.hostUser(client).moveAndCheck(&generator)
        #expect(try WireClient(path: directory.file("swqd/admin.sock")).queryConnection().admin)

        try daemon.terminate()
        #expect(try daemon.waitForEnd() == .exited(0))
    }

    @Test func `A second daemon on the same socket is refused with 69, the first one serves on`() throws {
        let daemon = try DaemonProcess.start()
        let other = try TemporaryDirectory()
        let run = try ProgramRun.swqd([
            "--socket", daemon.socketPath, "--admin-socket", other.file("admin.sock"),
            "--state-dir", other.file("state"),
        ])
        #expect(run.end == .exited(69))
        #expect(run.errors.contains("\(daemon.process)"))
        #expect(try daemon.client().status().state == .running)
    }

    @Test func `A second daemon on the same state directory is refused with 69, the first one serves on`() throws {
        let daemon = try DaemonProcess.start()
        let other = try TemporaryDirectory()
        let run = try ProgramRun.swqd(["--socket", other.file("s"), "--state-dir", daemon.stateDirectory])
        #expect(run.end == .exited(69))
        #expect(!FileManager.default.fileExists(atPath: other.file("s")))
        #expect(try daemon.client().status().state == .running)
    }

    @Test func `After kill -9 a daemon takes over socket and state, and closes what was bound`() throws {
        let first = try DaemonProcess.start()
        let user = try Submitter.hostUser(try first.client())
        try first.kill()
        let second = try first.restarted()
        let events = try second.admin().history()
        #expect(events.map(\.kind).prefix(2) == [.alloc, .bind])
        let unbind = try #require(events.first { $0.kind == .unbind })
        #expect(unbind.ioasid == user.pasid)
        #expect(unbind.cause == .daemonRestart)
        #expect(try second.admin().ioasids().isEmpty)
        var generator = SeededGenerator(seed: 9)
        try Submitter.hostUser(try second.client()).moveAndCheck(&generator)
    }

    @Test func `Sockets that a service manager passes are served, a client that came before the daemon too`() throws {
        let directory = try TemporaryDirectory()
        let main = try Listener.unix(path: directory.file("activated.sock"), mode: 0o600)
        let admin = try Listener.unix(path: directory.file("activated-admin.sock"), mode: 0o600)
        var early = try ClientConnection.unix(path: directory.file("activated.sock"))

        var options = DaemonProcess.Options()
        options.inherited = [(main.descriptor.rawValue, "main"), (admin.descriptor.rawValue, "admin")]
        let daemon = try DaemonProcess.start(options, in: directory)
        try early.setReceiveTimeout(milliseconds: UInt32(Deadline.milliseconds))
        let greeting = try #require(try early.readLine())
        #expect(try ClientMessage(greeting).kind == .greeting)
        #expect(try WireClient(path: directory.file("activated-admin.sock")).queryConnection().admin)
        // In place of its own.
        #expect(!FileManager.default.fileExists(atPath: daemon.socketPath))
        #expect(!FileManager.default.fileExists(atPath: daemon.adminSocketPath))

        try daemon.terminate()
        #expect(try daemon.waitForEnd() == .exited(0))
        // The service manager's sockets outlive the daemon.
        #expect(FileManager.default.fileExists(atPath: directory.file("activated.sock")))
    }
}
