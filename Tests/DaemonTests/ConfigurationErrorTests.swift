import Daemon
import Glibc
import Platform
import Testing

@Suite struct `Configuration errors` {
    /// A configuration that is refused and the words for it. `%` stands for a directory of the test's own.
    struct Case: Sendable, CustomTestStringConvertible {
        var file: String?
        var flags: [OverridableSetting: String] = [:]
        var environment: [String: String] = [:]
        let expected: String
        let status: DaemonExitStatus

        var testDescription: String { expected }

        static func file(_ text: String, _ expected: String) -> Case {
            Case(file: text, expected: "%/swqd.json: " + expected, status: .configuration)
        }

        static func flags(_ flags: [OverridableSetting: String], _ expected: String) -> Case {
            Case(flags: flags, expected: expected, status: .usage)
        }

        static func environment(_ variables: [String: String], _ expected: String) -> Case {
            Case(environment: variables, expected: expected, status: .configuration)
        }
    }

    private static let longPath = "/" + String(repeating: "x", count: 107)

    static let cases: [Case] = [
        // The file as a whole.
        .file("[]", "must be an object"),
        .flags([.configurationFile: "%/none"], "--config: open %/none: No such file or directory (ENOENT)"),
        .flags([.configurationFile: "%"], "--config: read %: Is a directory (EISDIR)"),
        .environment(
            ["SWQD_CONFIG": "%/none"], "SWQD_CONFIG: open %/none: No such file or directory (ENOENT)"),
        // Members, types and ranges: the walker.
        .file(
            #"{"socket": {}}"#,
            "socket: is unknown; accepted here: sockets, tcp, stateDir, history, devices, limits, "
                + "logLevel, pasidTranslationPolicy, ports"),
        .file(#"{"logLevel": "info", "logLevel": "info"}"#, "logLevel: is given twice; give it once"),
        .file(
            #"{"logLevel": "loud"}"#,
            "logLevel: must be one of: trace, debug, info, notice, warning, error, critical"),
        .file(#"{"limits": {"connections": 0}}"#, "limits.connections: is 0; 1 to 100000 is accepted"),
        .file(#"{"limits": {"drainTimeoutMs": "1"}}"#, "limits.drainTimeoutMs: must be a number"),
        .file(#"{"history": {"retentionDays": 36501}}"#, "history.retentionDays: is 36501; 0 to 36500 is accepted"),
        .file(#"{"devices": [{"profile": "iax"}]}"#, "devices[0].profile: must be one of: dsa1, dsa2"),
        // The fabric.
        .file(#"{"ports": [{}]}"#, "ports[0].name: is missing; it is required"),
        .file(
            #"{"ports": [{"name": "a"}, {"name": "a"}]}"#, #"ports[1].name: is "a", which another port has"#),
        .file(
            #"{"ports": [{"name": "a", "kind": "switch_upstream", "parent": "b"}]}"#,
            #"ports[0].parent: is "b", and no port before it has that name"#),
        .file(
            #"{"ports": [{"name": "a"}, {"name": "b", "parent": "a"}]}"#,
            "ports[1].parent: does not fit the kind: a root_port has none, a switch_upstream a root_port or "
                + "switch_downstream, a switch_downstream a switch_upstream"),
        .file(
            #"{"ports": [{"name": "a", "dmwrRouting": false, "egressBlocking": true}]}"#,
            "ports[0].egressBlocking: counts only for a port that routes DMWr (dmwrRouting)"),
        .file(
            #"{"ports": [{"name": "a"}], "devices": [{"port": "b"}]}"#,
            #"devices[0].port: is "b", and ports has none of that name"#),
        .file(
            #"{"ports": [{"name": "a"}], "devices": [{"port": "a"}, {"port": "a"}]}"#,
            #"devices[1].port: is "a", at which something hangs already"#),
        // Sockets.
        .file(
            #"{"sockets": {"mode": "0888"}}"#,
            #"sockets.mode: is "0888"; an octal mode from 000 to 0777 is accepted"#),
        .file(
            #"{"sockets": {"mode": "1777"}}"#,
            #"sockets.mode: is "1777"; an octal mode from 000 to 0777 is accepted"#),
        .file(
            #"{"sockets": {"mode": "+77"}}"#,
            #"sockets.mode: is "+77"; an octal mode from 000 to 0777 is accepted"#),
        .file(
            #"{"sockets": {"group": "no such group"}}"#,
            #"sockets.group: is "no such group"; a group of this system by name, or a number up to 4294967294, "#
                + "is accepted"),
        .file(
            #"{"sockets": {"group": "4294967295"}}"#,
            #"sockets.group: is "4294967295"; a group of this system by name, or a number up to 4294967294, "#
                + "is accepted"),
        .file(
            #"{"sockets": {"path": "/a", "adminPath": "/a"}}"#,
            "sockets.adminPath: is /a, which is taken: %/swqd.json: sockets.path has the same value"),
        .flags(
            [.mainSocket: "/a", .readOnlySocket: "/admin.sock"],
            "--read-only-socket: is /admin.sock, which is taken: the default of sockets.adminPath has the same value"),
        .flags(
            [.mainSocket: longPath],
            "--socket: the socket path \(longPath) has 108 bytes; a Unix socket address holds 107"),
        .environment(
            ["RUNTIME_DIRECTORY": longPath],
            "the default of sockets.path: the socket path \(longPath)/swqd.sock has 118 bytes; a Unix socket address "
                + "holds 107"),
        // TCP.
        .file(#"{"tcp": {}}"#, "tcp: lacks listen and tokenFile; give both, or leave tcp out"),
        .file(
            #"{"tcp": {"tokenFile": "token"}}"#,
            "tcp.tokenFile: needs an address to listen on: give --tcp, SWQD_TCP_LISTEN or tcp.listen of the "
                + "configuration file"),
        .flags(
            [.tcpListen: "127.0.0.1:0"],
            "--tcp: needs a token file: give --tcp-token-file, SWQD_TCP_TOKEN_FILE or tcp.tokenFile of the "
                + "configuration file"),
        .flags(
            [.tcpListen: "0.0.0.0:1", .tcpTokenFile: "%/token"],
            #"--tcp: "0.0.0.0:1" is not a loopback address; only 127.0.0.1 and [::1] are served, use a tunnel for the "#
                + "rest"),
        .file(
            #"{"tcp": {"listen": "localhost", "tokenFile": "token"}}"#,
            #"tcp.listen: "localhost" is not of the form 127.0.0.1:PORT or [::1]:PORT"#),
        .environment(
            ["SWQD_TCP_LISTEN": "127.0.0.1:65536", "SWQD_TCP_TOKEN_FILE": "%/token"],
            #"SWQD_TCP_LISTEN: the port in "127.0.0.1:65536" is above 65535"#),
        // What only flags and variables can get wrong.
        .flags(
            [.logLevel: "loud"],
            #"--log-level: is "loud"; accepted are trace, debug, info, notice, warning, error, critical"#),
        .environment(
            ["SWQD_HISTORY_DURABILITY": "FULL"],
            #"SWQD_HISTORY_DURABILITY: is "FULL"; accepted are full, normal, off"#),
        .flags([.stateDirectory: ""], "--state-dir: is empty; give a value or leave it out"),
        .environment(["SWQD_SOCKET": ""], "SWQD_SOCKET: is empty; give a value or leave it out"),
        .flags([.stateDirectory: "a\0b"], "--state-dir: contains a NUL byte"),
        .environment(
            ["SWQD_SOCKETS": "x"],
            "SWQD_SOCKETS: is unknown; known are SWQD_ADMIN_SOCKET, SWQD_CONFIG, SWQD_DEVICE_LAYOUT, "
                + "SWQD_HISTORY_DURABILITY, SWQD_LOG_LEVEL, SWQD_READ_ONLY_SOCKET, SWQD_SOCKET, SWQD_STATE_DIR, "
                + "SWQD_TCP_LISTEN, SWQD_TCP_TOKEN_FILE"),
        // Devices.
        .file(
            #"{"devices": [{"name": "dsa1"}, {}]}"#,
            #"devices[1].name: is "dsa1", which is taken: devices[0] has the same name"#),
        .file(
            #"{"devices": [{"layout": "none"}]}"#,
            "devices[0].layout: open %/none: No such file or directory (ENOENT)"),
        .flags([.deviceLayout: "%/none"], "--device-layout: open %/none: No such file or directory (ENOENT)"),
    ]

    @Test(arguments: cases)
    func `A refusal names what to change, the value and what is accepted`(_ given: Case) throws {
        let directory = try ConfigurationDirectory()
        let text = refusal(file: given.file, flags: given.flags, environment: given.environment, in: directory)
        #expect(text == given.expected)
        let error = #expect(throws: ConfigurationError.self) {
            try load(file: given.file, flags: given.flags, environment: given.environment, in: directory)
        }
        #expect(DaemonExitStatus(try #require(error)) == given.status)
    }

    @Test(arguments: [("", 0), (#"{"logLevel": }"#, 13), ("{} {}", 3), ("{\"stateDir\": \"\u{1}\"}", 14)])
    func `A file that is not JSON is refused by offset`(_ text: String, _ offset: Int) throws {
        let directory = try ConfigurationDirectory()
        let words = refusal(file: text, in: directory)
        #expect(words.hasPrefix("%/swqd.json: "))
        #expect(words.contains("is not valid JSON at byte \(offset): "))
    }

    @Test(arguments: [
        ("token", 0o640, "has mode 0640; group and others must have no access: set 0600"),
        ("token", 0o602, "has mode 0602; group and others must have no access: set 0600"),
        (" \n\t ", 0o600, "holds 0 characters without surrounding white space; 1 to 4096 are accepted"),
        ("a\0b", 0o600, "is not UTF-8 text without NUL"),
        (
            String(repeating: "x", count: 4097), 0o600,
            "holds 4097 characters without surrounding white space; 1 to 4096 are accepted"
        ),
    ])
    func `A token that others may read, or that nobody can send, is refused`(
        _ content: String, _ mode: UInt32, _ expected: String
    ) throws {
        let directory = try ConfigurationDirectory()
        _ = try directory.write("token", content, mode: mode)
        let flags = [OverridableSetting.tcpListen: "127.0.0.1:0", .tcpTokenFile: "%/token"]
        #expect(refusal(flags: flags, in: directory) == "--tcp-token-file: %/token \(expected)")
    }

    @Test func `A token file must be a file, not too long, in UTF-8, and the daemon's or root's`() throws {
        let directory = try ConfigurationDirectory()
        func text(_ path: String, user: UserID = .current) -> String {
            refusal(flags: [.tcpListen: "127.0.0.1:0", .tcpTokenFile: path], in: directory, user: user)
        }
        #expect(text("%") == "--tcp-token-file: % is not a regular file")
        #expect(text("/dev/null") == "--tcp-token-file: /dev/null is not a regular file")
        _ = try directory.write("token", [0xC3, 0x28])
        #expect(text("%/token") == "--tcp-token-file: %/token is not UTF-8 text without NUL")
        _ = try directory.write("token", String(repeating: "x", count: 1 << 16))
        #expect(text("%/token") == "--tcp-token-file: read %/token: File too large (EFBIG)")
        _ = try directory.write("token", "secret")
        // Root may give the file to somebody else; anybody else can only be somebody else.
        let owner = UserID.current.rawValue == 0 ? ordinaryUser : UserID.current
        if UserID.current.rawValue == 0 {
            #expect(unsafe chown(directory.path + "/token", owner.rawValue, UInt32.max) == 0)
        }
        let reader = UserID(rawValue: owner.rawValue + 1)
        #expect(
            text("%/token", user: reader)
                == "--tcp-token-file: %/token belongs to user \(owner); it must belong to the "
                + "daemon's user, \(reader), or to root")
        #expect(text("%/token", user: owner) == "accepted")
    }

    @Test func `A longest token is accepted`() throws {
        let directory = try ConfigurationDirectory()
        let token = String(repeating: "\u{1F511}", count: 4096)
        _ = try directory.write("token", token + "\n")
        let configuration = try load(flags: [.tcpListen: "127.0.0.1:0", .tcpTokenFile: "%/token"], in: directory)
        #expect(configuration.tcp?.token.bytes == Array(token.utf8))
    }
}
