import Foundation
import Glibc
import Platform
import TestKit
import Testing

@Suite struct `swqctl run` {
    private let directory: TemporaryDirectory
    /// Any library: what the preload library does is tested with it.
    private static let libraries: [String] = ["/lib/x86_64-linux-gnu/libm.so.6", "/lib64/libm.so.6"]
    private static let library = libraries.first { FileManager.default.isReadableFile(atPath: $0) }

    init() throws {
        directory = try TemporaryDirectory()
    }

    private func launch(_ words: [String], options: [String] = []) throws -> ChildProcess.Launch {
        guard let library = Self.library else { throw TestFailure("the C library has no libm.so.6") }
        return ChildProcess.Launch(
            Programs.swqctl, ["run", "--preload-library", library] + options + ["--"] + words)
    }

    private func run(_ words: String..., options: [String] = []) throws -> ProgramRun {
        try ProgramRun(try launch(words, options: options))
    }

    private func shell(_ text: String, options: [String] = []) throws -> ProgramRun {
        try run("/bin/sh", "-c", text, options: options)
    }

    // MARK: What the program sees

    @Test(arguments: [0, 1, 7, 255]) func `The program's exit status is passed on`(_ status: Int32) throws {
        #expect(try shell("exit \(status)").end == .exited(status))
    }

    @Test(arguments: [SIGKILL, SIGTERM, SIGABRT])
    func `A program that a signal ends gives 128 and the signal's number`(_ signal: CInt) throws {
        #expect(try shell("ulimit -c 0; kill -\(signal) $$").end == .exited(128 + signal))
    }

    @Test func `Output and errors are the program's own, and arguments reach it as they are`() throws {
        let run = try run("/bin/sh", "-c", #"printf '%s|' "$@"; echo err >&2"#, "sh", "--socket", "a b", "", "--", "-x")
        #expect(run.output == "--socket|a b||--|-x|")
        #expect(run.errors == "err\n")
    }

    @Test func `The program finds the preload library before others, and a socket at which a daemon answers`() throws {
        var launch = try launch(
            ["/bin/sh", "-c", #"echo "$LD_PRELOAD"; echo "$SWQD_SOCKET"; exec "$0" status --json"#, Programs.swqctl])
        guard let library = Self.library else { throw TestFailure("the C library has no libm.so.6") }
        launch.environment["LD_PRELOAD"] = library
        let run = try ProgramRun(launch)
        #expect(run.end == .exited(0), "\(run.errors)")
        let lines = run.output.split(separator: "\n").map(String.init)
        let resolved = URL(filePath: library).resolvingSymlinksInPath().path
        #expect(lines[0] == "\(resolved):\(library)")
        #expect(lines[1].hasPrefix("/"))
        #expect(lines[2].contains("running"))
    }

    @Test func `Programs are found in PATH, and scripts run by their interpreter`() throws {
        let script = try directory.write("#!/bin/sh\nexit 9\n", to: "script")
        #expect(unsafe chmod(script, 0o755) == 0)
        var launch = try launch(["script"])
        launch.environment["PATH"] = "/nowhere:\(directory.path):/bin"
        #expect(try ProgramRun(launch).end == .exited(9))
        // Text without an interpreter is the shell's, as for execvp.
        let text = try directory.write("exit 8\n", to: "text")
        #expect(unsafe chmod(text, 0o755) == 0)
        #expect(try run(text).end == .exited(8))
    }

    @Test func `A layout in the format of accel-config gives the devices`() throws {
        let layout = try directory.write(
            """
            [{"dev": "dsa3", "groups": [{"dev": "group3.0",
              "grouped_workqueues": [{"dev": "wq3.0", "mode": "shared", "size": 8, "group_id": 0, "priority": 10,
                "type": "user", "name": "app", "threshold": 4, "state": "enabled"}],
              "grouped_engines": [{"dev": "engine3.0", "group_id": 0}]}]}]
            """, to: "layout")
        let run = try run(Programs.swqctl, "devices", options: ["--config", layout])
        #expect(run.output.contains("dsa3"), "\(run.errors)")
        #expect(run.end == .exited(0))
    }

    @Test func `Rules of --inject are in force before the program starts`() throws {
        let run = try run(
            Programs.swqctl, "raw", #"{"execute": "query-injections"}"#,
            options: ["--inject", "retry,count=3; status=0x22,opcode=3,member=1,chance=0.5,seed=7"])
        #expect(run.end == .exited(0), "\(run.errors)")
        let wrong = try ProgramRun(try launch(["true"], options: ["--inject", "retry,chance=2"]))
        #expect(wrong.end == .exited(64))
        #expect(wrong.errors.contains("chance"))
    }

    // MARK: Its end

    @Test func `Nothing is left of the daemon when the program has ended`() throws {
        let run = try shell(#"echo "$SWQD_SOCKET""#)
        let socket = run.output.split(separator: "\n").first.map(String.init) ?? ""
        #expect(!socket.isEmpty)
        #expect(!FileManager.default.fileExists(atPath: URL(filePath: socket).deletingLastPathComponent().path))
    }

    /// A program that has said where its daemon is, and waits to be ended.
    private func launchWaiting(_ trap: String = "") throws -> (ChildProcess, socket: String) {
        let pipe = try Pipe(in: directory)
        let never = directory.file("never")
        guard unsafe mkfifo(never, 0o600) == 0 else { throw SystemError.last("mkfifo") }
        let text = #"\#(trap) cat \#(never) & echo "$SWQD_SOCKET" > \#(pipe.path); wait"#
        let child = try ChildProcess(try launch(["/bin/sh", "-c", text]))
        return (child, String(try pipe.readToEnd().dropLast()))
    }

    private func waitUntilGone(_ path: String) {
        while FileManager.default.fileExists(atPath: path) { sched_yield() }
    }

    @Test(arguments: [SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGQUIT])
    func `A signal that a process sends reaches the program`(_ signal: CInt) throws {
        let (child, socket) = try launchWaiting("trap 'kill $!; exit 3' \(signal);")
        try child.send(signal: signal)
        #expect(try child.waitForEnd() == .exited(3))
        #expect(!FileManager.default.fileExists(atPath: socket))
    }

    @Test func `Whoever kills swqctl ends its daemon, and the directory goes`() throws {
        let (child, socket) = try launchWaiting()
        let client = try WireClient(path: socket)
        try child.send(signal: SIGKILL)
        try client.waitForClose()
        waitUntilGone(URL(filePath: socket).deletingLastPathComponent().path)
        // The program lives on, as below env or timeout: what it waits for ends it.
        _ = try Data([1]).write(to: URL(filePath: directory.file("never")))
    }

    // MARK: Sharing

    @Test func `With --socket programs share one daemon, which stays`() throws {
        let daemon = try DaemonProcess.start()
        for _ in 0..<2 {
            let run = try shell(#"echo "$SWQD_SOCKET""#, options: ["--socket", daemon.socketPath])
            #expect(run.output == "\(daemon.socketPath)\n")
        }
        _ = try daemon.client().status()
    }

    // MARK: Refusals, before anything starts

    private func expectRefusal(_ run: ProgramRun, _ status: Int32, _ text: String) {
        #expect(run.end == .exited(status))
        #expect(run.errors.contains(text), "\(run.errors)")
        #expect(run.output.isEmpty)
    }

    @Test func `A program that is not there gives 127, and one that cannot be executed 126`() throws {
        expectRefusal(try run("no-such-program"), 127, "no-such-program")
        expectRefusal(try run("/no/such/program"), 127, "/no/such/program")
        expectRefusal(try run(try directory.write("text", to: "plain")), 126, "EACCES")
        expectRefusal(try run("/"), 126, "is no file")
    }

    @Test func `Without a program the command line is wrong`() throws {
        #expect(try ProgramRun(ChildProcess.Launch(Programs.swqctl, ["run"])).end == .exited(64))
        #expect(try ProgramRun(ChildProcess.Launch(Programs.swqctl, ["run", "--"])).end == .exited(64))
    }

    @Test func `Without a daemon or a preload library it gives 125`() throws {
        expectRefusal(try shell("exit 0", options: ["--socket", directory.file("nobody")]), 125, "nobody")
        var launch = ChildProcess.Launch(Programs.swqctl, ["run", "--preload-library", "/no/library.so", "true"])
        expectRefusal(try ProgramRun(launch), 125, "/no/library.so")
        launch = try self.launch(["true"], options: ["--config", try directory.write("no layout", to: "layout")])
        let run = try ProgramRun(launch)
        #expect(run.end == .exited(125))
        #expect(run.errors.contains("layout"), "\(run.errors)")
    }

    /// An ELF header, and one program header that names the loader if there is one.
    private func program(_ name: String, bits: UInt8 = 2, machine: UInt8 = 62, loader: String? = nil) throws -> String {
        var bytes = [UInt8](repeating: 0, count: 120)
        bytes.replaceSubrange(0..<7, with: [0x7F, 0x45, 0x4C, 0x46, bits, 1, 1])
        (bytes[16], bytes[18], bytes[20]) = (2, machine, 1)
        (bytes[32], bytes[52], bytes[54], bytes[56]) = (64, 64, 56, loader == nil ? 0 : 1)
        if let loader {
            (bytes[64], bytes[72], bytes[96]) = (3, 120, UInt8(loader.utf8.count + 1))
            bytes += Array(loader.utf8) + [0]
        }
        let path = directory.file(name)
        try Data(bytes).write(to: URL(filePath: path))
        #expect(unsafe chmod(path, 0o755) == 0)
        return path
    }

    @Test func `A program that a preload library cannot reach gives 126 and the reason`() throws {
        let fixed = try program("static")
        expectRefusal(try run(fixed), 126, "\(fixed) is statically linked")
        expectRefusal(try run(try program("arm", machine: 183)), 126, "another architecture")
        expectRefusal(try run(try program("narrow", bits: 1)), 126, "another architecture")
        expectRefusal(try run(try program("musl", loader: "/lib/ld-musl-x86_64.so.1")), 126, "ld-musl-x86_64.so.1")
        let script = try directory.write("#!\(fixed)\n", to: "script")
        #expect(unsafe chmod(script, 0o755) == 0)
        expectRefusal(try run(script), 126, "\(fixed), which runs \(script), is statically linked")
    }

    @Test(Identity.requiresRoot) func `A program of another user that is setuid gives 126 and the reason`() throws {
        let path = directory.file("setuid")
        try FileManager.default.copyItem(atPath: "/bin/true", toPath: path)
        #expect(unsafe chown(path, Identity.nobody, Identity.nobody) == 0)
        #expect(unsafe chmod(path, 0o4755) == 0)
        expectRefusal(try run(path), 126, "is setuid")
        // Its owner gains nothing by it.
        #expect(unsafe chown(path, 0, 0) == 0)
        #expect(unsafe chmod(path, 0o4755) == 0)
        #expect(try run(path).end == .exited(0))
    }

    @Test(Identity.requiresRoot) func `An ordinary user without XDG_RUNTIME_DIR runs programs too`() throws {
        var launch = try launch(["/bin/sh", "-c", #"test -S "$SWQD_SOCKET" && id -u"#])
        launch.arguments =
            ["--reuid", "65534", "--regid", "65534", "--clear-groups", "--", launch.program] + launch.arguments
        launch.program = "/usr/bin/setpriv"
        launch.environment["XDG_RUNTIME_DIR"] = nil
        let run = try ProgramRun(launch)
        #expect(run.output == "65534\n", "\(run.errors)")
        #expect(run.end == .exited(0))
    }
}
