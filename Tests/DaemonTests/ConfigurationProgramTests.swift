import Daemon
import Glibc
import Platform
import Testing

@Suite struct `Program swqd` {
    /// What a run left.
    struct Outcome: Equatable {
        let status: Int32
        let output: String
        let errors: String
    }

    /// Runs the program that was built beside the tests, to its end.
    private func run(
        _ arguments: [String], environment: [String: String] = serviceEnvironment,
        in directory: borrowing ConfigurationDirectory
    ) throws -> Outcome {
        var target = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = unsafe readlink("/proc/self/exe", &target, target.count)
        guard count > 0 else { throw SystemError.last("readlink", "/proc/self/exe") }
        let tests = String(decoding: target[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let program =
            tests.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/") + "/swqd"

        let files = [directory.path + "/stdout", directory.path + "/stderr"]
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        for (index, file) in files.enumerated() {
            unsafe posix_spawn_file_actions_addopen(
                &actions, Int32(index + 1), file, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        }
        var words: [UnsafeMutablePointer<CChar>?] = unsafe ([program] + arguments).map { unsafe strdup($0) } + [nil]
        var variables: [UnsafeMutablePointer<CChar>?] =
            unsafe environment.map { unsafe strdup("\($0.key)=\($0.value)") } + [nil]
        var allocated = unsafe words + variables
        defer { while unsafe !allocated.isEmpty { unsafe free(allocated.removeLast()) } }
        var child: pid_t = 0
        let code = unsafe posix_spawn(&child, program, &actions, nil, &words, &variables)
        guard code == 0 else { throw SystemError(operation: "posix_spawn", code: code, context: program) }
        var status: Int32 = 0
        guard unsafe waitpid(child, &status, 0) == child else { throw SystemError.last("waitpid") }
        let texts = try files.map { try contents($0).replacing(directory.path, with: "%") }
        return Outcome(
            status: status & 0x7F == 0 ? status >> 8 & 0xFF : -(status & 0x7F), output: texts[0], errors: texts[1])
    }

    private func contents(_ path: String) throws -> String {
        let file = OwnedFD(adopting: unsafe open(path, O_RDONLY | O_CLOEXEC))
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let count = unsafe read(file.rawValue, &bytes, bytes.count)
        guard count >= 0 else { throw SystemError.last("read", path) }
        return String(decoding: bytes[..<count], as: UTF8.self)
    }

    @Test func `--version prints the version`() throws {
        let directory = try ConfigurationDirectory()
        let outcome = try run(["--version"], in: directory)
        #expect(outcome == Outcome(status: 0, output: "swqd 0.1.0\n", errors: ""))
    }

    @Test func `--help names every flag, every variable and every exit status`() throws {
        let directory = try ConfigurationDirectory()
        let help = try run(["--help"], in: directory)
        #expect(help.status == 0)
        let words = Set(help.output.split { " \n,.;[]".contains($0) }.map(String.init))
        for setting in OverridableSetting.allCases {
            #expect(words.contains(setting.flag))
            #expect(words.contains(setting.variable))
        }
        for status in ["0", "64", "69", "70", "71", "74", "77", "78"] { #expect(words.contains(status)) }
    }

    @Test func `--check-config says ok, or what is wrong and with which file`() throws {
        let directory = try ConfigurationDirectory()
        #expect(try run(["--check-config"], in: directory) == Outcome(status: 0, output: "ok\n", errors: ""))
        let path = try directory.write("swqd.json", #"{"limits": {"vms": 0}}"#)
        #expect(
            try run(["--check-config", "--config", path], in: directory)
                == Outcome(
                    status: 78, output: "", errors: "swqd: %/swqd.json: limits.vms: is 0; 1 to 65535 is accepted\n"))
        let layout = try directory.write("layout.conf", LayoutText.workQueue(with: ["size": "200"]))
        #expect(
            try run(["--check-config", "--device-layout", layout], in: directory)
                == Outcome(
                    status: 78, output: "",
                    errors:
                        "swqd: %/layout.conf: [0].groups[0].grouped_workqueues[0].size: is 200; 1 to 128 is accepted\n")
        )
    }

    @Test func `--print-config prints what the flags, the environment and the file make`() throws {
        let directory = try ConfigurationDirectory()
        let path = try directory.write("swqd.json", #"{"logLevel": "debug", "stateDir": "/f", "limits": {"vms": 3}}"#)
        var environment = serviceEnvironment
        environment["SWQD_STATE_DIR"] = "/v"
        let flags = [
            "--config", path, "--socket", "/c/a", "--admin-socket", "/c/b", "--read-only-socket", "/c/c", "--log-level",
            "error", "--history-durability", "normal",
        ]
        let printed = try run(["--print-config"] + flags, environment: environment, in: directory)
        #expect(printed.status == 0 && printed.errors.isEmpty)
        let expected = try load(
            file: """
                {"sockets": {"path": "/c/a", "adminPath": "/c/b", "readOnlyPath": "/c/c"}, "stateDir": "/v",
                 "history": {"durability": "normal"}, "limits": {"vms": 3}, "logLevel": "error"}
                """, in: directory)
        #expect(printed.output == expected.json)
        _ = try directory.write("printed.json", printed.output)
        #expect(try run(["--print-config", "--config", directory.path + "/printed.json"], in: directory) == printed)
    }

    @Test(arguments: [
        (["--check-config", "--tcp", "10.0.0.1:1"], "swqd: --tcp: \"10.0.0.1:1\" is not a loopback address"),
        (["--check-config", "--print-config"], "Error: --check-config and --print-config exclude each other"),
        (["--sockets", "x"], "Error: Unknown option '--sockets'"),
        (["--socket"], "Error: Missing value for '--socket"),
        (["unexpected"], "Error: Unexpected argument 'unexpected'"),
    ])
    func `A wrong command line ends with status 64`(_ arguments: [String], _ start: String) throws {
        let directory = try ConfigurationDirectory()
        let outcome = try run(arguments, in: directory)
        #expect(outcome.status == 64)
        #expect(outcome.errors.hasPrefix(start))
        #expect(outcome.output.isEmpty)
    }

    @Test func `An unknown variable ends with status 78`() throws {
        let directory = try ConfigurationDirectory()
        let outcome = try run(["--check-config"], environment: ["SWQD_SOKET": "x"], in: directory)
        #expect(outcome.status == 78)
        #expect(outcome.errors.hasPrefix("swqd: SWQD_SOKET: is unknown; known are "))
    }
}
