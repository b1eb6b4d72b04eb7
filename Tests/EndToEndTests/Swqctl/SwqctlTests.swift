import DSASpec
import Glibc
import Platform
import Protocol
import ProtocolMessages
import SwiftProtobuf
import TestKit
import Testing

/// The program `swqctl`, as its users start it.
@Suite struct `swqctl` {
    private let daemon: DaemonProcess
    private let admin: WireClient
    private let user: Submitter

    init() throws {
        daemon = try DaemonProcess.start()
        admin = try daemon.admin()
        user = try Submitter.hostUser(try daemon.client())
    }

    /// Runs a command that must succeed.
    private func output(_ arguments: String...) throws -> String {
        let run = try ProgramRun.swqctl(arguments, on: daemon)
        #expect(run.end == .exited(0) && run.errors == "", "\(arguments): \(run.end) \(run.errors)")
        return run.output
    }

    @Test func `--json prints the bodies of the replies`() throws {
        let status = try WireQueryStatusReturn(jsonString: try output("status", "--json"))
        #expect(status.processes == 1 && status.boundIoasids == 1)
        let devices = try JSONValue(parsing: Array(try output("devices", "--json").utf8))
        #expect(devices.elements.map { $0["name"]?.text } == ["dsa0"])
        let ioasids = try JSONValue(parsing: Array(try output("ioasids", "--json").utf8))
        #expect(ioasids.elements.map { $0["ioasid"]?.unsigned } == [UInt64(user.pasid)])
        let sets = try JSONValue(parsing: Array(try output("ioasid-sets", "--json").utf8))
        #expect(sets.elements.map { $0["count"]?.unsigned } == [1])
        let memory = try JSONValue(parsing: Array(try output("memory", "--json").utf8))
        #expect(memory.elements.count == 2, "the memory and the portal")
        let version = try JSONValue(parsing: Array(try output("version", "--json").utf8))
        #expect(version["package"]?.text == "swqd \(ProjectVersion.text)")
    }

    @Test func `Without --json it prints tables`() throws {
        #expect(try output("status").contains("running"))
        let devices = try output("devices", "dsa0")
        #expect(devices.hasPrefix("DEVICE") && devices.contains("shared") && devices.contains("dedicated"))
        #expect(try output("ioasids").split(separator: "\n").count == 2)
        #expect(try output("ioasid-sets").hasPrefix("SET"))
        #expect(try output("memory").contains("portal"))
        #expect(try output("version") == "swqctl \(ProjectVersion.text)\nswqd \(ProjectVersion.text)\n")
        #expect(try output("--version") == "swqctl \(ProjectVersion.text)\n")
    }

    @Test func `Admin commands change the device over the admin socket beside the main one`() throws {
        _ = try output("engine", "hold", "dsa0")
        _ = try user.submitAccepted()
        #expect(try admin.workQueue().occupancy == 1)
        _ = try output("wq", "set", "dsa0/0", "--threshold", "1")
        #expect(try user.submit().isRetry)
        _ = try output("wq", "abort", "dsa0/0")
        #expect(try admin.workQueue().abandoned == 1)
        _ = try output("engine", "release", "dsa0")
        _ = try output("device", "drain", "dsa0", "--pasid", "\(user.pasid)")
        _ = try output("wq", "disable", "dsa0/0")
        #expect(try admin.workQueue().state == .disabled)
        _ = try output("wq", "enable", "dsa0/0")
        #expect(try admin.workQueue().state == .enabled)
        _ = try user.client.completion(at: try user.submitAccepted())
    }

    @Test func `registers prints what a driver finds through BAR0, by name`() throws {
        let text = try output("registers", "dsa0")
        #expect(text.hasPrefix("OFFSET  REGISTER"))
        let rows = text.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
        #expect(rows.contains(["0x10", "GENCAP", "8", "0x40915f0107"]))
        #expect(rows.contains(["0x90", "GENSTS", "4", "0x1"]))
        #expect(!text.contains("CMDSTATUS"), "it reads as 0")
        let all = try JSONValue(parsing: Array(try output("registers", "dsa0", "--all", "--json").utf8))
        let names = all.elements.compactMap { $0["register"]?.text }
        #expect(names.contains("CMDSTATUS") && names.contains("GRPCFG[3]") && names.contains("WQCFG[7]"))
        let queue = all.elements.first { $0["register"]?.text == "WQCFG[0]" }
        #expect(
            queue?["value"]?.elements.first?.text
                == Hexadecimal.text(
                    UInt64(try admin.workQueue().threshold) << 32 | UInt64(try admin.workQueue().size)))
    }

    @Test func `shutdown --wait returns when the daemon has ended its work`() throws {
        _ = try output("shutdown", "--wait")
        #expect(try daemon.waitForEnd() == .exited(0))
    }

    @Test func `What the daemon or the device refuses ends with status 1 and says why`() throws {
        let refused = try ProgramRun.swqctl(["devices", "dsa9"], on: daemon)
        #expect(refused.end == .exited(1))
        #expect(refused.output == "" && refused.errors.contains("NotFound") && refused.errors.contains("dsa9"))
        let device = try ProgramRun.swqctl(["device", "enable", "dsa0"], on: daemon)
        #expect(device.end == .exited(1) && device.errors.contains("0x10"), "\(device.errors)")
    }

    @Test func `Without a daemon it ends with status 2`() throws {
        let run = try ProgramRun(.init(Programs.swqctl, ["status", "--socket", daemon.directory.file("nobody")]))
        #expect(run.end == .exited(2))
        #expect(run.output == "" && run.errors.contains("nobody"))
    }

    @Test func `raw prints each reply as it came, and ends with status 1 if any was an error`() throws {
        let reply = try JSONValue(parsing: Array(try output("raw", "query-version").utf8))
        #expect(reply["return"]?["package"]?.text == "swqd \(ProjectVersion.text)")
        let echoed = try output("raw", #"{"execute": "query-version", "id": {"a": [1, 2.50]}}"#)
        #expect(echoed.contains(#""id":{"a": [1, 2.50]}"#) || echoed.contains(#""id": {"a": [1, 2.50]}"#))
        let refused = try ProgramRun.swqctl(["raw", "map-portal", #"{"device": "dsa0", "wq": 8}"#], on: daemon)
        #expect(refused.end == .exited(1))
        #expect(refused.output.contains(#""class":"#))
    }

    @Test func `events prints the events that it is asked for, as they come`() throws {
        let pipe = try Pipe(in: daemon.directory)
        var launch = ChildProcess.Launch(
            Programs.swqctl, ["events", "ioasid-bind", "--count", "2", "--json", "--socket", daemon.socketPath])
        launch.standardOutput = pipe.path
        let program = try ChildProcess(launch)
        // Nobody but the program knows when it has subscribed: binds follow one another until it has seen two.
        let client = try daemon.client()
        let vm = try client.createVM()
        var binds = 0
        while !program.hasEnded {
            try client.bindGuestPASID(1, vm: vm)
            try client.unbindGuestPASID(1, vm: vm)
            binds += 1
            guard binds < 100_000 else { throw TestFailure("no event is printed") }
        }
        #expect(try program.waitForEnd() == .exited(0))
        let lines = try pipe.readToEnd().split(separator: "\n")
        #expect(lines.count == 2)
        for line in lines { #expect(line.contains(#""event""#) && line.contains("IOASID_BIND")) }
    }

    @Test func `explain needs no daemon: status 0 for what is valid, 3 with each rule for what is not`() throws {
        let valid = Descriptor.memoryMove(from: 0x1000, to: 0x2000, count: 16, record: 0x3000)
        let accepted = try ProgramRun(.init(Programs.swqctl, ["explain", Base64Text.encode(valid.bytes)]))
        #expect(accepted.end == .exited(0))
        #expect(accepted.output.contains("valid: no rule is broken"))

        // Flag 15, a record at no multiple of 32, byte 63.
        var invalid = valid
        invalid.word0 |= 1 << (32 + 15)
        invalid.word1 |= 8
        invalid.word7 |= 0xAB << 56
        let refused = try ProgramRun(.init(Programs.swqctl, ["explain", Base64Text.encode(invalid.bytes), "--json"]))
        #expect(refused.end == .exited(3))
        let failures = try JSONValue(parsing: Array(refused.output.utf8))["failures"]?.elements ?? []
        let rules: [CheckRule] = [.completionRecordMisaligned, .undefinedFlag, .reservedByte]
        #expect(failures.map { $0["rule"]?.text } == rules.map(\.identifier))

        let nonsense = try ProgramRun(.init(Programs.swqctl, ["explain", "xyz"]))
        #expect(nonsense.end == .exited(64))
    }
}

extension JSONValue {
    /// The elements of an array.
    fileprivate var elements: [JSONValue] {
        if case .array(let elements) = self { elements } else { [] }
    }
}
