import Daemon
import History
import Logging
import PCIe
import Platform
import Protocol
import ProtocolMessages
import Testing

@Suite struct `Configuration file` {
    /// Every member, each with a value other than its default.
    static let complete = """
        {
          "sockets": {"path": "/x/main", "mode": "0600", "adminPath": "/x/admin", "readOnlyPath": "/x/look",
            "group": "0"},
          "tcp": {"listen": "[::1]:7250", "tokenFile": "%/token"},
          "stateDir": "/x/state",
          "history": {"durability": "off", "retentionDays": 0, "retentionRows": "1000000000000"},
          "devices": [
            {"name": "first", "profile": "dsa2", "port": "down"},
            {
              "name": "second", "profile": "dsa1", "layout": "%/layout",
              "openPoints": {
                "checkOrder": "reversed", "missingFlags": "all_required", "cacheFlushAccess": "write",
                "steeringTags": "accepted_flags", "errorBytesCompleted": "progress",
                "resetOfDisabledWq": "not_enabled", "abortedTransfer": "abandoned", "expectedResult": "whole_byte",
                "partialCompletion": "every_line", "difTransferSize": "any_size", "deltaFragment": "fragment_refused",
                "applicationTagCompare": "stored_masked", "applicationTagReport": "tag_masked",
                "difStripNearby": "nearby_refused", "allFWithoutChecks": "skipped",
                "comparePatternOffset": "pattern_start", "interruptHandleError": "record_only",
                "wqcfgStride": 64
              },
              "capabilities": {"opcap": "production", "gencap": "0x915f0106"}
            }
          ],
          "limits": {
            "connections": 1, "lineBytes": 1024, "memoryPerClientBytes": "4096", "vms": 2, "processes": 3,
            "eventQueue": 4, "replyBytes": 4097, "portalsPerClient": 5, "hostPasidQuota": 6, "vmPasidQuota": 7,
            "drainTimeoutMs": 0, "interruptsPerClient": 8, "pageRequestTimeoutMs": 9,
            "ringSpinUs": 10, "engineThreads": 10
          },
          "logLevel": "warning",
          "pasidTranslationPolicy": "zf_set_and_skipped",
          "ports": [
            {"name": "rp", "kind": "root_port", "dmwrRouting": false, "egressBlocking": false},
            {"name": "up", "kind": "switch_upstream", "parent": "rp", "dmwrRouting": true, "egressBlocking": true},
            {"name": "down", "kind": "switch_downstream", "parent": "up", "dmwrRouting": true, "egressBlocking": true}
          ]
        }
        """

    private func loadComplete(in directory: borrowing ConfigurationDirectory) throws -> DaemonConfiguration {
        _ = try directory.write("token", "secret")
        _ = try directory.write("layout", LayoutText.device(groups: [LayoutText.group(0)]))
        return try load(file: Self.complete, in: directory)
    }

    @Test func `Every member reaches the daemon`() throws {
        let directory = try ConfigurationDirectory()
        let configuration = try loadComplete(in: directory)
        #expect(configuration.mainSocketPath == "/x/main")
        #expect(configuration.mainSocketMode == 0o600)
        #expect(configuration.mainSocketGroup == GroupID(rawValue: 0))
        #expect(configuration.adminSocketPath == "/x/admin")
        #expect(configuration.readOnlySocketPath == "/x/look")
        #expect(configuration.socketDirectory == nil)
        #expect(configuration.tcp?.endpoint == LoopbackEndpoint(family: .v6, port: 7250))
        #expect(configuration.stateDirectory == "/x/state")
        #expect(configuration.durability == .off)
        #expect(configuration.retentionDays == 0)
        #expect(configuration.retentionRows == 1_000_000_000_000)
        #expect(configuration.devices.map(\.name) == ["first", "second"])
        #expect(configuration.devices.map(\.workQueues.count) == [2, 1])
        #expect(configuration.limits.connections == 1)
        #expect(configuration.limits.lineBytes == 1024)
        #expect(configuration.limits.memoryPerClientBytes == 4096)
        #expect(configuration.limits.vms == 2)
        #expect(configuration.limits.processes == 3)
        #expect(configuration.limits.eventQueue == 4)
        #expect(configuration.limits.replyBytes == 4097)
        #expect(configuration.limits.portalsPerClient == 5)
        #expect(configuration.limits.hostPASIDQuota == 6)
        #expect(configuration.limits.vmPASIDQuota == 7)
        #expect(configuration.limits.drainTimeoutMilliseconds == 0)
        #expect(configuration.limits.interruptsPerClient == 8)
        #expect(configuration.limits.engineThreads == 10)
        #expect(configuration.limits.pageRequestTimeoutMilliseconds == 9)
        #expect(configuration.fabric.ports.map(\.name) == ["rp", "up", "down"])
        #expect(configuration.fabric.ports.map(\.parent) == [nil, 0, 1])
        #expect(configuration.fabric.ports.map(\.configuration.routesDMWr) == [false, true, true])
        #expect(configuration.fabric.ports.map(\.configuration.blocksDMWrEgress) == [false, true, true])
        #expect(configuration.devices.map(\.port) == [2, nil])
        #expect(configuration.limits.ringSpinMicroseconds == 10)
        #expect(configuration.logLevel == .warning)
        #expect(configuration.wireLimits == configuration.limits.wire)
    }

    @Test func `What is printed has every member and reads back as the same configuration`() throws {
        let directory = try ConfigurationDirectory()
        let configuration = try loadComplete(in: directory)
        let text = configuration.json
        let printed = try JSONValue(parsing: Array(text.utf8))
        #expect(members(of: printed) == members(of: try JSONValue(parsing: Array(Self.complete.utf8))))
        #expect(try load(file: text, in: directory).wire == configuration.wire)
        #expect(try load(file: text, in: directory).json == text)
    }

    @Test func `What is printed of the defaults has every member that has a value`() throws {
        let directory = try ConfigurationDirectory()
        let configuration = try load(in: directory)
        let text = configuration.json
        let without: Set = [
            "sockets.readOnlyPath", "sockets.group", "tcp", "tcp.listen", "tcp.tokenFile", "devices.layout",
            "devices.port", "ports", "ports.name", "ports.kind", "ports.parent", "ports.dmwrRouting",
            "ports.egressBlocking",
        ]
        let all = members(of: try JSONValue(parsing: Array(Self.complete.utf8)))
        #expect(members(of: try JSONValue(parsing: Array(text.utf8))) == all.subtracting(without))
        #expect(try load(file: text, in: directory).wire == configuration.wire)
        #expect(text.hasPrefix("{\n  \"sockets\": {\n    \"path\": \"/run/swqd/swqd.sock\",\n"))
        #expect(text.hasSuffix("\n}\n"))
    }

    @Test func `The example is valid and says what is the default anyway`() throws {
        let directory = try ConfigurationDirectory()
        let example = try ConfigurationSources(
            flags: [.configurationFile: checkoutPath + "/config/swqd.json"], environment: serviceEnvironment
        ).load()
        #expect(example.wire == (try load(in: directory).wire))
    }

    @Test func `The example of a topology is valid`() throws {
        let example = try ConfigurationSources(
            flags: [.configurationFile: checkoutPath + "/config/topologies/switch.json"],
            environment: serviceEnvironment
        ).load()
        #expect(example.devices.map(\.port) == [nil, 2, 3, 4])
        #expect(example.fabric.ports.map(\.configuration.routesDMWr) == [true, true, true, false, true])
        #expect(example.fabric.ports.map(\.configuration.blocksDMWrEgress) == [false, false, false, false, true])
    }

    @Test func `A group is found by name and by number`() throws {
        let directory = try ConfigurationDirectory()
        #expect(
            try load(file: #"{"sockets": {"group": "root"}}"#, in: directory).mainSocketGroup == GroupID(rawValue: 0))
        #expect(
            try load(file: #"{"sockets": {"group": "4294967294"}}"#, in: directory).mainSocketGroup
                == GroupID(rawValue: 4_294_967_294))
    }

    @Test(arguments: [("000", 0), ("777", 0o777), ("0666", 0o666)])
    func `A mode is octal`(_ text: String, _ mode: UInt32) throws {
        let directory = try ConfigurationDirectory()
        #expect(try load(file: #"{"sockets": {"mode": "\#(text)"}}"#, in: directory).mainSocketMode == mode)
    }

    @Test func `Reading does not change anything`() throws {
        let directory = try ConfigurationDirectory()
        _ = try load(flags: [.mainSocket: "%/no/main", .stateDirectory: "%/state"], in: directory)
        #expect(try directory.names() == [])
    }

    /// The paths of all members, those of arrays' elements without the index.
    private func members(of value: JSONValue, at path: String = "") -> Set<String> {
        switch value {
        case .object(let members):
            members.reduce(into: []) { paths, member in
                let inner = path.isEmpty ? member.name : "\(path).\(member.name)"
                paths.formUnion([inner])
                paths.formUnion(self.members(of: member.value, at: inner))
            }
        case .array(let elements):
            elements.reduce(into: []) { $0.formUnion(members(of: $1, at: path)) }
        case .null, .bool, .number, .string: []
        }
    }
}
