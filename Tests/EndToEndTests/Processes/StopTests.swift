import DSASpec
import Foundation
import Platform
import Protocol
import ProtocolMessages
import SwiftProtobuf
import TestKit
import Testing

@Suite struct `Stopping the daemon` {
    @Test func `SIGTERM takes no further work, completes what was accepted, flushes and exits with 0`() throws {
        let daemon = try DaemonProcess.start()
        let admin = try daemon.admin()
        let user = try Submitter.hostUser(try daemon.client())
        // Memory that outlives the daemon shows what it did last.
        let file = try MemoryFile.create(name: "outlives", byteCount: 8192, seals: .shrink)
        let base = try user.client.attachSharedMemory(file)
        let memory = try SharedMemory.adopt(file, byteCountMax: 8192).map()
        var generator = SeededGenerator(seed: 10)
        let bytes = generator.bytes(2048)
        unsafe memory.bytes.copyBytes(from: bytes)
        try admin.holdEngines()
        _ = try user.submitAccepted { _ in .memoryMove(from: base, to: base + 4096, count: 2048, record: base + 8160) }

        try daemon.terminate()
        try daemon.waitForNotification("STOPPING=1")
        #expect(try admin.status().state == .stopping)
        #expect(throws: WireClient.Refusal.self) { _ = try user.submit() }
        let refusal = try user.client.refusal(of: .enqcmd(.init(.noOp(record: base + 8128), to: user.portal)))
        #expect(refusal.errorClass == "ShuttingDown")
        #expect(unsafe memory.bytes[8160] == 0)

        try admin.holdEngines(false)
        let shutdown = try user.client.nextEvent("SHUTDOWN").decode(WireShutdownEvent.self)
        #expect(shutdown.reason == .signalReceived)
        try user.client.waitForClose()
        #expect(try daemon.waitForEnd() == .exited(0))
        #expect(unsafe memory.bytes[8160] == CompletionStatus.success.rawValue)
        #expect(unsafe memory.bytes[4096..<6144].elementsEqual(bytes))
        #expect(!FileManager.default.fileExists(atPath: daemon.socketPath))

        // The history is whole: what was bound has ended with the daemon, not with its next start.
        let next = try daemon.restarted()
        let unbind = try #require(try next.admin().history(.with { $0.kind = .unbind }).first)
        #expect(unbind.ioasid == user.pasid)
        #expect(unbind.cause == .daemonStop)
    }

    @Test func `A stop waits for a drain no longer than the configuration allows`() throws {
        let daemon = try DaemonProcess.start(.init(configuration: #"{"limits": {"drainTimeoutMs": 0}}"#))
        try daemon.admin().holdEngines()
        let user = try Submitter.hostUser(try daemon.client())
        _ = try user.submitAccepted()
        try daemon.terminate()
        #expect(try daemon.waitForEnd() == .exited(0))
    }

    @Test func `The command shutdown stops the daemon as SIGTERM does`() throws {
        let daemon = try DaemonProcess.start()
        let client = try daemon.client()
        try daemon.admin().call(.shutdown)
        let event = try client.nextEvent("SHUTDOWN").decode(WireShutdownEvent.self)
        #expect(event.reason == .commandShutdown)
        try client.waitForClose()
        #expect(try daemon.waitForEnd() == .exited(0))
    }
}
