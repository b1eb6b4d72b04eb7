import ProtocolMessages
import TestKit
import Testing

@testable import Protocol

@Suite("Schema walker")
struct SchemaWalkerTests {
    private static let noop = String(repeating: "A", count: 86) + "=="

    /// Whether arguments are refused, and where.
    private func verdict(_ command: String, _ arguments: String) -> String? {
        guard let refusal = refusal(#"{"execute": "\#(command)", "arguments": \#(arguments)}"#) else { return nil }
        return "\(refusal.error.errorClass.rawValue) \(refusal.error.path ?? "-")"
    }

    @Test(arguments: [
        ("destroy-vm", #"{"vm": 4294967295}"#),
        ("destroy-vm", #"{"vm": 0}"#),
        ("alloc-memory", #"{"size": "4096", "vm": 1, "address": "0xFfFf000000000000"}"#),
        ("alloc-memory", #"{"size": 4096}"#),
        ("map-portal", #"{"device": "dsa0", "wq": 0, "portal": "unlimited", "interruptTable": "ims"}"#),
        ("enqcmd", #"{"destination": "0x40", "descriptor": "\#(Self.noop)"}"#),
        ("enqcmd", #"{"source": "0x0", "destination": "0x40"}"#),
        ("write-memory", #"{"address": "0x0", "data": "Pz8\/"}"#),
        ("create-vm", #"{"name": "\u00e9\ud83d\ude00\n"}"#),
        ("subscribe-events", #"{"events": ["*", "IOASID_BIND"]}"#),
        ("subscribe-events", #"{}"#),
        ("x-engine-hold", #"{"device": "dsa0", "hold": false}"#),
        ("query-history", #"{"asOf": "2026-02-28T23:59:59.123456789Z", "after": "0"}"#),
        ("device-command", #"{"device": "dsa0", "command": "drain_all", "operand": "0xfffff"}"#),
    ])
    func `What the definition allows is accepted`(command: String, arguments: String) {
        #expect(verdict(command, arguments) == nil)
    }

    @Test(
        arguments: [
            ("destroy-vm", #"{"vm": 4294967296}"#, "vm"),
            ("destroy-vm", #"{"vm": 99999999999999999999999}"#, "vm"),
            ("destroy-vm", #"{"vm": -1}"#, "vm"),
            ("destroy-vm", #"{"vm": 1.0}"#, "vm"),
            ("destroy-vm", #"{"vm": 1e0}"#, "vm"),
            ("destroy-vm", #"{"vm": "1"}"#, "vm"),
            ("destroy-vm", #"{"vm": true}"#, "vm"),
            ("destroy-vm", #"{"vm": null}"#, "vm"),
            ("destroy-vm", #"{"vm": [1]}"#, "vm"),
            ("destroy-vm", #"{"vm": 1, "vm": 1}"#, "vm"),
            ("destroy-vm", #"{}"#, "vm"),
            ("destroy-vm", #"{"VM": 1}"#, "VM"),
            ("create-vm", #"{"pasid_quota": 1}"#, "pasid_quota"),
            ("create-vm", #"{"pasidQuot\u0061": 1}"#, #"pasidQuot\u0061"#),
            ("create-vm", #"{"pasidQuota": 1048576}"#, "pasidQuota"),
            ("create-vm", #"{"name": ""}"#, "name"),
            ("create-vm", #"{"name": "\u0000"}"#, "name"),
            ("create-vm", #"{"name": "\#(String(repeating: "x", count: 65))"}"#, "name"),
            ("alloc-memory", #"{"size": ""}"#, "size"),
            ("alloc-memory", #"{"size": "04096"}"#, "size"),
            ("alloc-memory", #"{"size": "-4096"}"#, "size"),
            ("alloc-memory", #"{"size": 4095}"#, "size"),
            ("alloc-memory", #"{"size": 4096, "address": "0x"}"#, "address"),
            ("alloc-memory", #"{"size": 4096, "address": "0X1000"}"#, "address"),
            ("alloc-memory", #"{"size": 4096, "address": "1000"}"#, "address"),
            ("alloc-memory", #"{"size": 4096, "address": "0x1000g"}"#, "address"),
            ("alloc-memory", #"{"size": 4096, "address": "0x00000000000001000"}"#, "address"),
            ("read-msr", #"{"msr": "0x100000000"}"#, "msr"),
            ("map-portal", #"{"device": "dsa0", "wq": 0, "portal": "LIMITED"}"#, "portal"),
            ("map-portal", #"{"device": "dsa0", "wq": 0, "portal": 1}"#, "portal"),
            ("device-command", #"{"device": "dsa0", "command": "unspecified"}"#, "command"),
            ("enqcmd", #"{"destination": "0x40", "descriptor": "AAAA"}"#, "descriptor"),
            ("enqcmd", #"{"destination": "0x40", "descriptor": "\#(String(Self.noop.dropLast(2)))"}"#, "descriptor"),
            ("enqcmd", #"{"destination": "0x40", "descriptor": "\#(String(Self.noop.dropLast(3)))B=="}"#, "descriptor"),
            ("enqcmd", #"{"destination": "0x40", "descriptor": "\#("-" + Self.noop.dropFirst())"}"#, "descriptor"),
            ("enqcmd", #"{"destination": "0x40", "descriptor": "\#("=" + Self.noop.dropFirst())"}"#, "descriptor"),
            ("enqcmd", #"{"destination": "0x40", "descriptor": "\u0041\#(Self.noop.dropFirst())"}"#, "descriptor"),
            ("enqcmd", #"{"destination": "0x40"}"#, nil),
            ("enqcmd", #"{"destination": "0x40", "source": "0x0", "descriptor": "\#(Self.noop)"}"#, nil),
            ("x-engine-hold", #"{"device": "dsa0", "hold": 1}"#, "hold"),
            ("subscribe-events", #"{"events": "*"}"#, "events"),
            ("subscribe-events", #"{"events": ["*", ["*"]]}"#, "events[1]"),
            (
                "subscribe-events",
                #"{"events": [\#([String](repeating: #""*""#, count: 65).joined(separator: ","))]}"#, "events"
            ),
            ("query-history", #"{"asOf": "2026-02-29T00:00:00Z"}"#, "asOf"),
            ("query-history", #"{"asOf": "2026-01-01T00:00:00+01:00"}"#, "asOf"),
            ("query-history", #"{"after": "9223372036854775808"}"#, "after"),
        ] as [(String, String, String?)])
    func `What the definition does not allow is refused, and the path names it`(
        command: String, arguments: String, member: String?
    ) {
        #expect(verdict(command, arguments) == "InvalidArgument " + (member.map { "arguments.\($0)" } ?? "arguments"))
    }

    @Test func `An unknown member's error lists the members that exist`() {
        let error = refusal(#"{"execute": "create-vm", "arguments": {"nam": "x"}}"#)?.error
        #expect(error?.description.contains("name, pasidQuota") == true)
    }

    @Test(arguments: UInt64(0)..<32)
    func `Mutated requests are refused or decoded, never half accepted`(seed: UInt64) {
        // What the walker accepts, the decoder must accept: its refusal would come without a path.
        var generator = SeededGenerator(seed: seed)
        let lines = [
            #"{"execute": "alloc-memory", "arguments": {"size": "4096", "vm": 1, "address": "0x1000"}, "id": 1}"#,
            #"{"execute": "map-portal", "arguments": {"device": "dsa\u0030", "wq":0, "portal": "limited"}, "id": "a"}"#,
            #"{"execute": "enqcmd", "arguments": {"destination": "0x40", "descriptor": "\#(Self.noop)"}}"#,
            #"{"execute": "subscribe-events", "arguments": {"events": ["*", "\ud83d\ude00"]}}"#,
            #"{"execute": "query-history", "arguments": {"asOf": "2026-02-28T23:59:59.5Z", "limit":7, "kind":"bind"}}"#,
            #"{"execute": "x-engine-hold", "arguments": {"device": "dsa0", "hold": true}}"#,
        ].map { Array($0.utf8) }
        let alphabet = Array("{}[]\",:0123456789.-+eExXaAfFuU\\/= \ttrue=null".utf8)
        for _ in 0..<500 {
            var line = lines.randomElement(using: &generator)!
            for _ in 0..<Int.random(in: 1...3, using: &generator) where !line.isEmpty {
                let index = Int.random(in: 0..<line.count, using: &generator)
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: line.remove(at: index)
                case 1: line.insert(alphabet.randomElement(using: &generator)!, at: index)
                default: line[index] = alphabet.randomElement(using: &generator)!
                }
            }
            guard let envelope = try? RequestEnvelope(line.span, in: 0..<line.count) else { continue }
            let text = String(decoding: line, as: UTF8.self)
            #expect(throws: Never.self, "seed \(seed): \(text)") { try envelope.request() }
        }
    }
}

@Suite("Configuration file")
struct ConfigurationFileTests {
    @Test func `A full configuration is read`() throws {
        let text = """
            {
              "sockets": {"path": "/run/swqd/swqd.sock", "mode": "0660", "group": "dsa"},
              "tcp": {"listen": "127.0.0.1:7250", "tokenFile": "/etc/swqd/token"},
              "stateDir": "/var/lib/swqd",
              "history": {"durability": "normal", "retentionDays": 30, "retentionRows": "1000000"},
              "devices": [{"profile": "dsa1"}, {"name": "dsa7", "profile": "dsa2", "layout": "dsa7.conf"}],
              "limits": {"connections": 64, "lineBytes": 65536},
              "logLevel": "debug",
              "pasidTranslationPolicy": "zf_set_and_skipped"
            }
            """
        let configuration = try ConfigurationFile.parse(Array(text.utf8))
        #expect(configuration.devices.count == 2)
        #expect(configuration.devices[1].profile == .dsa2)
        #expect(configuration.history.retentionRows == 1_000_000)
        #expect(configuration.limits.hasConnections && !configuration.limits.hasVms)
    }

    @Test func `An empty object is a configuration`() throws {
        #expect(throws: Never.self) { try ConfigurationFile.parse(Array("{}".utf8)) }
    }

    @Test(arguments: [
        (#"{"devices": [{"profile": "dsa1"}, {"profile": "dsa3"}]}"#, "devices[1].profile"),
        (#"{"limits": {"lineBytes": 1}}"#, "limits.lineBytes"),
        (#"{"limits": {"lineBytes": 1024, "lineBytes": 1024}}"#, "limits.lineBytes"),
        (#"{"sockets": {"pathh": "x"}}"#, "sockets.pathh"),
        (#"{"sockets": []}"#, "sockets"),
        (#"{"devices": {}}"#, "devices"),
        (#"{"pasidTranslationPolicy": "lazy"}"#, "pasidTranslationPolicy"),
        (#"{"stateDir": "/tmp\u0000/x"}"#, "stateDir"),
        ("", ""),
        ("{} {}", ""),
    ])
    func `A configuration error names the path`(text: String, path: String) {
        let error = #expect(throws: SchemaViolation.self) { try ConfigurationFile.parse(Array(text.utf8)) }
        #expect(error?.path == path)
    }

    @Test func `A configuration that is not UTF-8 is refused`() {
        let error = #expect(throws: SchemaViolation.self) { try ConfigurationFile.parse([0x7b, 0xff, 0x7d]) }
        #expect(error?.kind == .syntax)
    }
}
