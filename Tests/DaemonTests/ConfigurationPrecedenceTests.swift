import DSASpec
import Daemon
import History
import Logging
import Platform
import Testing

@Suite struct `Configuration precedence` {
    /// A setting that all three layers can give, with a value for each layer and what the daemon then runs with.
    struct Case: Sendable, CustomTestStringConvertible {
        let setting: OverridableSetting
        let file: String
        let inFile: String
        let variable: String
        let flag: String
        let standard: String
        let result: @Sendable (DaemonConfiguration) -> String

        var testDescription: String { setting.flag }
    }

    static let cases = [
        Case(
            setting: .mainSocket, file: #"{"sockets": {"path": "/f/a"}}"#, inFile: "/f/a", variable: "/v/a",
            flag: "/c/a", standard: "/run/swqd/swqd.sock", result: { $0.mainSocketPath }),
        Case(
            setting: .adminSocket, file: #"{"sockets": {"adminPath": "/f/b"}}"#, inFile: "/f/b", variable: "/v/b",
            flag: "/c/b", standard: "/run/swqd/admin.sock", result: { $0.adminSocketPath }),
        Case(
            setting: .readOnlySocket, file: #"{"sockets": {"readOnlyPath": "/f/c"}}"#, inFile: "/f/c", variable: "/v/c",
            flag: "/c/c", standard: "none", result: { $0.readOnlySocketPath ?? "none" }),
        Case(
            setting: .stateDirectory, file: #"{"stateDir": "/f/d"}"#, inFile: "/f/d", variable: "/v/d", flag: "/c/d",
            standard: "/var/lib/swqd", result: { $0.stateDirectory }),
        Case(
            setting: .historyDurability, file: #"{"history": {"durability": "normal"}}"#, inFile: "normal",
            variable: "off", flag: "full", standard: "full", result: { $0.durability.rawValue }),
        Case(
            setting: .logLevel, file: #"{"logLevel": "debug"}"#, inFile: "debug", variable: "error", flag: "trace",
            standard: "info", result: { $0.logLevel.rawValue }),
    ]

    @Test(arguments: cases)
    func `A flag overrides a variable, that the file, and that the default`(_ given: Case) throws {
        let directory = try ConfigurationDirectory()
        let variables = [given.setting.variable: given.variable]
        let flags = [given.setting: given.flag]
        #expect(given.result(try load(in: directory)) == given.standard)
        #expect(given.result(try load(file: given.file, in: directory)) == given.inFile)
        #expect(given.result(try load(file: given.file, environment: variables, in: directory)) == given.variable)
        let all = try load(file: given.file, flags: flags, environment: variables, in: directory)
        #expect(given.result(all) == given.flag)
        #expect(given.result(try load(flags: flags, in: directory)) == given.flag)
    }

    @Test func `The address and the token file of TCP may come from different layers`() throws {
        let directory = try ConfigurationDirectory()
        _ = try directory.write("one", "first\n")
        _ = try directory.write("two", " \t second secret \r\n\n")
        let file = #"{"tcp": {"listen": "127.0.0.1:7250", "tokenFile": "one"}}"#
        let fromFile = try #require(try load(file: file, in: directory).tcp)
        #expect(fromFile.endpoint == LoopbackEndpoint(family: .v4, port: 7250))
        #expect(fromFile.token.bytes == Array("first".utf8))
        let mixed = try load(
            file: file, flags: [.tcpListen: "[::1]:0"], environment: ["SWQD_TCP_TOKEN_FILE": "%/two"], in: directory)
        let tcp = try #require(mixed.tcp)
        #expect(tcp.endpoint == LoopbackEndpoint(family: .v6, port: 0))
        #expect(tcp.token.bytes == Array("second secret".utf8))
        #expect("\(tcp.token)" == "token of 13 bytes")
        #expect(try load(in: directory).tcp == nil)
    }

    @Test func `The variable names the file when no flag does`() throws {
        let directory = try ConfigurationDirectory()
        let one = try directory.write("one.json", #"{"logLevel": "debug"}"#)
        let two = try directory.write("two.json", #"{"logLevel": "error"}"#)
        let fromVariable = try load(environment: ["SWQD_CONFIG": one], in: directory)
        #expect(fromVariable.logLevel == .debug)
        #expect(fromVariable.file == one)
        let fromFlag = try load(flags: [.configurationFile: two], environment: ["SWQD_CONFIG": one], in: directory)
        #expect(fromFlag.logLevel == .error)
    }

    @Test func `A relative path counts from the file's directory in the file, and is left alone elsewhere`() throws {
        let directory = try ConfigurationDirectory()
        _ = try directory.write("token", "secret")
        let file = """
            {"sockets": {"path": "main", "adminPath": "sub/admin", "readOnlyPath": "/abs"}, "stateDir": "state",
             "tcp": {"listen": "127.0.0.1:0", "tokenFile": "token"}}
            """
        let configuration = try load(file: file, in: directory)
        #expect(configuration.mainSocketPath == directory.path + "/main")
        #expect(configuration.adminSocketPath == directory.path + "/sub/admin")
        #expect(configuration.readOnlySocketPath == "/abs")
        #expect(configuration.stateDirectory == directory.path + "/state")
        #expect(configuration.tcp?.token.bytes == Array("secret".utf8))
        let flags = try load(file: file, flags: [.mainSocket: "main", .stateDirectory: "s"], in: directory)
        #expect(flags.mainSocketPath == "main")
        #expect(flags.stateDirectory == "s")
    }
}

@Suite struct `Default directories` {
    struct Case: Sendable, CustomTestStringConvertible {
        let environment: [String: String]
        let user: UInt32
        let socket: String
        let state: String

        var testDescription: String { "\(environment) of user \(user)" }
    }

    @Test(arguments: [
        Case(
            environment: ["RUNTIME_DIRECTORY": "/run/swqd", "STATE_DIRECTORY": "/var/lib/swqd"], user: 1000,
            socket: "/run/swqd/swqd.sock", state: "/var/lib/swqd"),
        Case(
            environment: [
                "RUNTIME_DIRECTORY": "/run/a:/run/b", "STATE_DIRECTORY": "/s/a:/s/b", "XDG_RUNTIME_DIR": "/run/user/0",
            ], user: 0, socket: "/run/a/swqd.sock", state: "/s/a"),
        Case(
            environment: ["XDG_RUNTIME_DIR": "/run/user/1000"], user: 1000, socket: "/run/user/1000/swqd/swqd.sock",
            state: "/run/user/1000/swqd"),
        Case(
            environment: ["XDG_RUNTIME_DIR": "/run/user/1000", "STATE_DIRECTORY": "/s"], user: 1000,
            socket: "/run/user/1000/swqd/swqd.sock", state: "/s"),
        Case(environment: [:], user: 0, socket: "/run/swqd/swqd.sock", state: "/var/lib/swqd"),
        Case(
            environment: ["XDG_RUNTIME_DIR": "relative", "RUNTIME_DIRECTORY": ""], user: 0,
            socket: "/run/swqd/swqd.sock", state: "/var/lib/swqd"),
    ])
    func `Sockets and history go where the service manager or the user has room`(_ given: Case) throws {
        let configuration = try ConfigurationSources(
            flags: [:], environment: given.environment, user: UserID(rawValue: given.user)
        ).load()
        #expect(configuration.mainSocketPath == given.socket)
        #expect(configuration.stateDirectory == given.state)
        #expect(configuration.socketDirectory.map { $0 + "/swqd.sock" } == given.socket)
    }

    @Test(arguments: [[:], ["XDG_RUNTIME_DIR": "run"]])
    func `Without any the paths must be given`(_ environment: [String: String]) throws {
        func text(_ flags: [OverridableSetting: String]) -> String {
            do {
                let sources = ConfigurationSources(flags: flags, environment: environment, user: ordinaryUser)
                return "accepted with \(try sources.load().socketDirectory ?? "nothing to create")"
            } catch { return "\(error)" }
        }
        #expect(
            text([:])
                == "the default of sockets.path: depends on RUNTIME_DIRECTORY or XDG_RUNTIME_DIR, and neither holds "
                + "an absolute path; give --socket or SWQD_SOCKET")
        #expect(
            text([.mainSocket: "s"]) == "the default of stateDir: depends on STATE_DIRECTORY or XDG_RUNTIME_DIR, and "
                + "neither holds an absolute path; give --state-dir or SWQD_STATE_DIR")
        #expect(text([.mainSocket: "s", .stateDirectory: "d"]) == "accepted with nothing to create")
    }

    @Test(arguments: [("/a/b/main", "/a/b/admin.sock"), ("main", "admin.sock"), ("/main", "/admin.sock")])
    func `The admin socket stands beside the main one`(_ main: String, _ admin: String) throws {
        let directory = try ConfigurationDirectory()
        let configuration = try load(flags: [.mainSocket: main], in: directory)
        #expect(configuration.adminSocketPath == admin)
    }
}

@Suite struct `Default configuration` {
    @Test func `An empty file and no file give the same daemon`() throws {
        let directory = try ConfigurationDirectory()
        #expect(try load(file: "{}", in: directory).wire == load(in: directory).wire)
    }

    @Test func `It has one DSA device with a shared and a dedicated WQ in one group with all engines`() throws {
        let directory = try ConfigurationDirectory()
        let device = try #require(try load(in: directory).devices.first)
        #expect(device.name == "dsa0")
        #expect(device.groups == [GroupConfiguration(workQueues: 0b11, engines: 0b1111)])
        #expect(device.commands == [.enableDevice, .enableWorkQueue(0), .enableWorkQueue(1)])
        let shared = try #require(device.workQueues.first).configuration
        let dedicated = try #require(device.workQueues.last).configuration
        #expect(shared.mode == .shared && shared.pasidEnable && shared.size == 96 && shared.threshold == 80)
        #expect(dedicated.mode == .dedicated && !dedicated.pasidEnable && dedicated.size == 32)
        for configuration in [shared, dedicated] {
            #expect(configuration.priority == 10)
            #expect(configuration.maximumTransferShift == 31)
            #expect(configuration.maximumBatchShift == 10)
            #expect(!configuration.blockOnFaultEnable)
        }
    }

    @Test func `Its numbers are those that the definitions name`() throws {
        let directory = try ConfigurationDirectory()
        let configuration = try load(in: directory)
        #expect(configuration.mainSocketMode == 0o660)
        #expect(configuration.mainSocketGroup == nil)
        #expect(configuration.retentionDays == 365)
        #expect(configuration.retentionRows == 10_000_000)
        #expect(configuration.limits.connections == 4096)
        #expect(configuration.limits.lineBytes == 1_048_576)
        #expect(configuration.limits.memoryPerClientBytes == 4_294_967_296)
        #expect(configuration.limits.vms == 1024)
        #expect(configuration.limits.processes == 65_536)
        #expect(configuration.limits.eventQueue == 1024)
        #expect(configuration.limits.replyBytes == 4_194_304)
        #expect(configuration.limits.portalsPerClient == 256)
        #expect(configuration.limits.hostPASIDQuota == 524_288)
        #expect(configuration.limits.vmPASIDQuota == 256)
        #expect(configuration.limits.drainTimeoutMilliseconds == 10_000)
        #expect(configuration.limits.interruptsPerClient == 64)
        // One for each processor but the loop's.
        #expect(configuration.limits.engineThreads == min(max(ProcessorCount.available - 1, 1), 16))
        #expect(configuration.limits.pageRequestTimeoutMilliseconds == 10_000)
        #expect(configuration.limits.ringSpinMicroseconds == (ProcessorCount.available > 1 ? 100 : 0))
    }
}
