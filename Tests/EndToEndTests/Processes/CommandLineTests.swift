import Protocol
import TestKit
import Testing

@Suite struct `The command line of swqd` {
    private let directory: TemporaryDirectory

    init() throws {
        directory = try TemporaryDirectory()
    }

    private var places: [String] { ["--socket", directory.file("s"), "--state-dir", directory.file("state")] }

    @Test func `--check-config says ok and changes nothing`() throws {
        let run = try ProgramRun.swqd(places + ["--check-config"])
        #expect(run.end == .exited(0))
        #expect(run.output == "ok\n")
        #expect(directory.names(in: ".").isEmpty)
    }

    @Test func `What --print-config prints is a configuration that is accepted and printed alike`() throws {
        let first = try ProgramRun.swqd(places + ["--print-config", "--log-level", "warning"])
        #expect(first.end == .exited(0))
        let printed = try JSONValue(parsing: Array(first.output.utf8))
        #expect(printed["logLevel"]?.text == "warning")
        #expect(printed["stateDir"]?.text == directory.file("state"))
        let file = try directory.write(first.output, to: "printed.json")
        let second = try ProgramRun.swqd(["--config", file, "--print-config"])
        #expect(second.end == .exited(0))
        #expect(second.output == first.output)
    }

    @Test(arguments: [
        (#"{"logLevel": "loud"}"#, "logLevel"), (#"{"limits": {"vms": 0}}"#, "limits.vms"),
        (#"{"lmits": {}}"#, "lmits"), (#"{"logLevel": "info", "logLevel": "info"}"#, "logLevel"), ("{", "swqd.json"),
    ])
    func `A wrong configuration exits with 78 and names the member`(_ text: String, _ name: String) throws {
        let file = try directory.write(text, to: "swqd.json")
        for action in [["--check-config"], ["--print-config"], []] {
            let run = try ProgramRun.swqd(places + ["--config", file] + action)
            #expect(run.end == .exited(78), "\(action)")
            #expect(run.errors.contains(name), "\(run.errors)")
            #expect(run.output.isEmpty)
        }
    }

    @Test(arguments: [
        ["--no-such-flag"], ["--log-level", "loud"], ["--check-config", "--print-config"], ["--socket", ""],
    ])
    func `A wrong command line exits with 64`(_ arguments: [String]) throws {
        let run = try ProgramRun.swqd(["--state-dir", directory.file("state")] + arguments)
        #expect(run.end == .exited(64))
        #expect(!run.errors.isEmpty)
    }

    @Test func `An unknown SWQD_ variable exits with 78`() throws {
        let run = try ProgramRun.swqd(places + ["--check-config"], environment: ["SWQD_SOKCET": "/tmp/s"])
        #expect(run.end == .exited(78))
        #expect(run.errors.contains("SWQD_SOKCET"))
    }

    @Test func `A history that is no database exits with 74`() throws {
        let state = try ProgramRun.swqd(places + ["--print-config"])
        #expect(state.end == .exited(0))
        let daemon = try DaemonProcess.start(.init(), in: directory)
        try daemon.terminate()
        try daemon.waitForEnd()
        let files = directory.names(in: "state")
        let database = try #require(files.first { $0.hasSuffix(".sqlite") || $0.hasSuffix(".db") })
        try directory.write(String(repeating: "no database ", count: 1000), to: "state/" + database)
        let run = try ProgramRun.swqd(places)
        #expect(run.end == .exited(74))
        #expect(run.errors.contains(database))
    }
}
