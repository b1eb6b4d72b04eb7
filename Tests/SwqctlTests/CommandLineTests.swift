import ArgumentParser
import Protocol
import ProtocolMessages
import Testing

@testable import swqctl

@Suite struct `Command line` {
    private func parse<Command>(_ arguments: String..., as type: Command.Type = Command.self) throws -> Command {
        try #require(try Swqctl.parseAsRoot(arguments) as? Command)
    }

    @Test func `Options of the connection may stand before or after the command`() throws {
        let before = try parse("--socket", "/x", "--json", "status", as: StatusCommand.self)
        let after = try parse("status", "--json", "--socket", "/x", as: StatusCommand.self)
        for command in [before, after] {
            #expect(try command.connection.address(needsAdmin: false, environment: [:]) == .unix(["/x"]))
            #expect(command.output.json)
        }
    }

    @Test func `The admin socket is used by commands that need it and by those that ask for it`() throws {
        let plain = try parse("ioasids", "--socket", "/d/s", as: IOASIDsCommand.self).connection
        #expect(try plain.address(needsAdmin: true, environment: [:]) == .unix(["/d/admin.sock"]))
        let asking = try parse("ioasids", "--admin", "--socket", "/d/s", as: IOASIDsCommand.self).connection
        #expect(try asking.address(needsAdmin: false, environment: [:]) == .unix(["/d/admin.sock"]))
        let naming = try parse("ioasids", "--admin-socket", "/a", as: IOASIDsCommand.self).connection
        #expect(try naming.address(needsAdmin: false, environment: [:]) == .unix(["/a"]))
    }

    @Test(arguments: [
        ["frobnicate"], ["status", "extra"], ["status", "--tcp", "127.0.0.1:1"], ["status", "--token-file", "/t"],
        ["status", "--tcp", "127.0.0.1:1", "--token-file", "/t", "--socket", "/s"],
        ["status", "--tcp", "127.0.0.1:1", "--token-file", "/t", "--admin"],
        ["history", "bindings", "--kind", "bind"], ["history", "--as-of", "1h", "--from", "2h"],
        ["history", "--limit", "0"], ["history", "--kind", "rebind"], ["history", "--ioasid", "-1"],
        ["history", "--from", "yesterday"], ["events", "--count", "0"], ["raw", "a", "{}", "c"],
        ["wq", "set", "dsa0/0"], ["wq", "enable", "dsa0/0", "--threshold", "1"], ["wq", "enable", "dsa0"],
        ["device", "enable", "dsa0", "--pasid", "1"], ["device", "drain", "dsa0", "--pasid", "1048576"],
        ["explain"], ["explain", "00", "--operation", "fill"], ["explain", "--record", "00", "--batch-member"],
        ["explain", "00", "--privileged"], ["explain", "00", "--max-batch-shift", "16"],
        ["explain", "00", "--operations", "1\(String(repeating: "0", count: 16))"],
        ["explain", "00", "--general-capabilities", "xyz"], ["explain", "00", "--socket", "/s"],
        ["--socket", "/s", "explain", "00"],
    ])
    func `A command line that makes no sense is refused with status 64`(arguments: [String]) {
        let error = #expect(throws: (any Error).self) { try Swqctl.parseAsRoot(arguments) }
        guard let error else { return }
        #expect(Swqctl.exitCode(for: error).rawValue == ExitStatus.usage.rawValue)
    }

    @Test func `The history is asked for events, and for bindings when a time alone is given`() throws {
        #expect(try parse("history", "--ioasid", "7", as: HistoryCommand.self).resolvedSubject == .events)
        #expect(try parse("history", "bindings", as: HistoryCommand.self).resolvedSubject == .bindings)
        #expect(try parse("history", "--as-of", "1h", as: HistoryCommand.self).resolvedSubject == .bindings)
        #expect(try parse("history", "events", "--as-of", "1h", as: HistoryCommand.self).resolvedSubject == .events)
    }

    @Test func `Who owned host PASID 7 at a time is one query of bindings`() throws {
        let time = "2026-01-31T23:59:59.5Z"
        let command = try parse("history", "--as-of", time, "--ioasid", "7", as: HistoryCommand.self)
        guard case .queryBindings(let arguments) = command.request(limit: 1000, after: nil) else {
            Issue.record("bindings are asked for")
            return
        }
        var expected = WireQueryBindingsArguments()
        expected.asOf = time
        expected.ioasid = 7
        expected.limit = 1000
        #expect(arguments == expected)
    }

    @Test func `Every filter of events reaches the request`() throws {
        let command = try parse(
            "history", "--ioasid", "1", "--guest-pasid", "2", "--vm", "3", "--process", "4", "--uid", "5", "--kind",
            "unbind", "--from", "2026-01-01", "--to", "2026-01-02", as: HistoryCommand.self)
        guard case .queryHistory(let arguments) = command.request(limit: 10, after: 9) else {
            Issue.record("events are asked for")
            return
        }
        var expected = WireQueryHistoryArguments()
        expected.ioasid = 1
        expected.guestPasid = 2
        expected.vm = 3
        expected.process = 4
        expected.uid = 5
        expected.kind = .unbind
        expected.fromTime = "2026-01-01T00:00:00Z"
        expected.toTime = "2026-01-02T00:00:00Z"
        expected.limit = 10
        expected.after = 9
        #expect(arguments == expected)
    }

    @Test func `Only the settings that are given are written to a WQ`() throws {
        let command = try parse("wq", "set", "dsa0/3", "--threshold", "0", "--no-block-on-fault", as: WQCommand.self)
        var expected = WireConfigureWqArguments()
        expected.device = "dsa0"
        expected.wq = 3
        expected.threshold = 0
        expected.blockOnFault = false
        #expect(command.settings.arguments(for: command.wq) == expected)
    }

    @Test func `A raw request is sent as it is, and a name stands for its request`() {
        func text(_ arguments: String...) -> String? {
            RawRequest.line(arguments).map { String(decoding: $0, as: UTF8.self) }
        }
        #expect(text() == nil)
        #expect(text("query-status") == "{\"execute\": \"query-status\"}\n")
        #expect(text("map-portal", "{\"wq\": 0}") == "{\"execute\": \"map-portal\", \"arguments\": {\"wq\": 0}}\n")
        #expect(text("{\"execute\": 1") == "{\"execute\": 1\n")
        #expect(text("not json") == "not json\n")
    }

    @Test func `Lines of white space are not sent, since nothing answers them`() {
        #expect(RawRequest.line(input: Array(" \t\r\n".utf8)) == nil)
        #expect(RawRequest.line(input: []) == nil)
        #expect(RawRequest.line(input: Array("{}\n".utf8)) == Array("{}\n".utf8))
        #expect(RawRequest.line(input: Array("{}".utf8)) == Array("{}\n".utf8))
        #expect(RawRequest.line(input: [0xFF]) == [0xFF, 0x0A])
    }

    @Test func `Each way to fail has its status`() {
        #expect(ClientError.unreachable("x").status.rawValue == 2)
        #expect(ClientError.broken("x").status.rawValue == 2)
        let refused = ClientError.refused(class: "NotFound", description: "no dsa9", path: "arguments.device")
        #expect(refused.status.rawValue == 1)
        #expect(refused.description == "NotFound: no dsa9 (arguments.device)")
        let status = ClientError.commandStatus(code: 0x32, name: "WQ not Enabled")
        #expect(status.status.rawValue == 1)
        #expect(status.description == "the device refused the command: status 0x32, WQ not Enabled")
        #expect(InputError("x").status.rawValue == 64)
        #expect(OutputError(description: "x").status.rawValue == 74)
    }
}
