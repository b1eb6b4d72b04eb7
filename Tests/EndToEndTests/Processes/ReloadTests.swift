import ProtocolMessages
import TestKit
import Testing

@Suite struct `Reloading the configuration` {
    private static let opened = "connection opened"

    @Test func `SIGHUP applies a new log level, and READY comes again`() throws {
        let daemon = try DaemonProcess.start(.init(configuration: #"{"logLevel": "info"}"#))
        let client = try daemon.client()
        #expect(!daemon.log.contains(Self.opened))
        try daemon.directory.write(#"{"logLevel": "debug"}"#, to: "swqd.json")
        try daemon.reload()
        _ = try daemon.client()
        #expect(daemon.log.contains(Self.opened))
        #expect(try client.status().state == .running)
    }

    @Test func `SIGHUP applies a new retention`() throws {
        let daemon = try DaemonProcess.start(.init(configuration: #"{"history": {"retentionRows": 0}}"#))
        let client = try daemon.client()
        let vm = try client.createVM()
        func bindAndUnbind() throws {
            try client.bindGuestPASID(1, vm: vm)
            try client.unbindGuestPASID(1, vm: vm)
        }
        for _ in 0..<20 { try bindAndUnbind() }
        #expect(try client.history().count == 80)
        try daemon.directory.write(#"{"history": {"retentionRows": 4}}"#, to: "swqd.json")
        try daemon.reload()
        // Deleting goes on beside the work; each pass is caused by a write.
        var count = 80
        for _ in 0..<200 where count > 20 {
            try bindAndUnbind()
            count = try client.history().count
        }
        #expect(count <= 20)
    }

    @Test func `A configuration that is wrong changes nothing, and the daemon says why`() throws {
        let daemon = try DaemonProcess.start(.init(configuration: #"{"logLevel": "debug"}"#))
        try daemon.directory.write(#"{"logLevel": "loud"}"#, to: "swqd.json")
        try daemon.reload()
        #expect(daemon.log.contains("not reloaded"))
        #expect(daemon.log.contains("logLevel"))
        let lines = daemon.log.split(separator: "\n").count { $0.contains(Self.opened) }
        _ = try daemon.client()
        #expect(daemon.log.split(separator: "\n").count { $0.contains(Self.opened) } == lines + 1)
    }
}
