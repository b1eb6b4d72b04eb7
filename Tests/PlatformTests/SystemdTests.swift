import Glibc
import Platform
import Testing

@Suite struct `Service notification` {
    /// A path and an abstract name; `%` stands for a directory of the test's own.
    @Test(arguments: ["%/notify", "@%/notify"])
    func `Messages are sent together, one assignment a line`(_ template: String) throws {
        let directory = try TemporaryDirectory()
        let name = template.replacing("%", with: directory.path)
        let manager = try rawSocket(AF_UNIX, SOCK_DGRAM)
        try bind(manager, name: name)
        guard let notifier = try SystemdNotifier(environment: ["NOTIFY_SOCKET": name]) else {
            throw UnexpectedOutcome("no notifier")
        }
        try notifier.notify(.ready, .status("serving\nREADY=0"), .mainProcess(.current))
        #expect(receive(manager) == "READY=1\nSTATUS=serving READY=0\nMAINPID=\(ProcessID.current)")
        try notifier.notify(.reloading(monotonicNanoseconds: 1_234_567_890))
        #expect(receive(manager) == "RELOADING=1\nMONOTONIC_USEC=1234567")
        try notifier.notify(.watchdog)
        #expect(receive(manager) == "WATCHDOG=1")
        try notifier.notify(.stopping)
        #expect(receive(manager) == "STOPPING=1")
    }

    @Test(arguments: [[:], ["NOTIFY_SOCKET": ""]] as [[String: String]])
    func `Without a manager there is no notifier`(_ environment: [String: String]) throws {
        let isPresent = try isPresent(SystemdNotifier(environment: environment))
        #expect(!isPresent)
    }

    @Test func `An address of another kind is refused`() {
        #expect(throws: SystemError(operation: "NOTIFY_SOCKET", code: EAFNOSUPPORT, context: "vsock:2:1234")) {
            _ = try SystemdNotifier(environment: ["NOTIFY_SOCKET": "vsock:2:1234"])
        }
    }

    @Test func `A manager that is not there is an error`() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("none")
        #expect(throws: SystemError(operation: "connect", code: ENOENT, context: path)) {
            _ = try SystemdNotifier(environment: ["NOTIFY_SOCKET": path])
        }
    }

    private func isPresent(_ notifier: consuming SystemdNotifier?) -> Bool {
        switch consume notifier {
        case .some: true
        case .none: false
        }
    }

    private func receive(_ socket: borrowing OwnedFD) -> String {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = unsafe recv(socket.rawValue, &buffer, buffer.count, CInt(MSG_DONTWAIT))
        return String(decoding: buffer.prefix(max(count, 0)), as: UTF8.self)
    }
}

@Suite struct `Watchdog demand` {
    @Test func `Half of the timeout is the interval`() throws {
        let watchdog = try Watchdog(environment: ["WATCHDOG_USEC": "30000000"])
        #expect(watchdog?.timeoutMicroseconds == 30_000_000)
        #expect(watchdog?.intervalNanoseconds == 15_000_000_000)
    }

    @Test func `The demand may name a process`() throws {
        let own = ["WATCHDOG_USEC": "1", "WATCHDOG_PID": ProcessID.current.description]
        #expect(try Watchdog(environment: own)?.intervalNanoseconds == 500)
        #expect(try Watchdog(environment: ["WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"]) == nil)
        #expect(try Watchdog(environment: [:]) == nil)
    }

    @Test(arguments: [
        ["WATCHDOG_USEC": "0"], ["WATCHDOG_USEC": "soon"], ["WATCHDOG_USEC": "-1"],
        ["WATCHDOG_USEC": "18446744073709551615"], ["WATCHDOG_USEC": "1", "WATCHDOG_PID": "me"],
    ])
    func `A demand that makes no sense is an error`(_ environment: [String: String]) {
        #expect(throws: SystemError.self) { _ = try Watchdog(environment: environment) }
    }
}

@Suite struct `Socket activation` {
    private static func environment(
        count: String, names: String? = nil, process: ProcessID = .current
    ) -> [String: String] {
        var environment = ["LISTEN_PID": process.description, "LISTEN_FDS": count]
        environment["LISTEN_FDNAMES"] = names
        return environment
    }

    @Test func `Inherited sockets are served under their names`() async {
        await #expect(processExitsWith: .success) {
            let directory = try TemporaryDirectory()
            let unix = try Listener.unix(path: directory.file("s"), mode: 0o600)
            let tcp = try Listener.loopback(LoopbackEndpoint(family: .v4, port: 0))
            #expect(dup2(unix.descriptor.rawValue, 700) == 700)
            #expect(dup2(tcp.descriptor.rawValue, 701) == 701)
            let inherited = try Listener.inherited(
                environment: Self.environment(count: "2", names: "main:tcp"), firstDescriptor: 700)
            #expect(inherited.map(\.inheritedName) == ["main", "tcp"])
            #expect(inherited.map(\.address) == [unix.address, tcp.address])
            #expect(fcntl(700, F_GETFD) & FD_CLOEXEC != 0)

            var client = try ClientConnection.unix(path: directory.file("s"))
            let server = try acceptWaiting(inherited[0])
            #expect(server.write("hello\n") == .bytes(6))
            #expect(try client.readLine() == Array("hello".utf8))
            guard case .wouldBlock = inherited[1].accept() else { throw UnexpectedOutcome("would block") }
        }
    }

    @Test func `An inherited socket's file stays when its listener ends`() throws {
        let directory = try TemporaryDirectory()
        let socket = try rawSocket(AF_UNIX, SOCK_STREAM)
        try bind(socket, name: directory.file("s"))
        #expect(listen(socket.rawValue, 1) == 0)
        do {
            let inherited = try Listener.inherited(
                environment: Self.environment(count: "1", names: "a:b"),
                firstDescriptor: try socket.duplicate().release())
            #expect(inherited.map(\.inheritedName) == ["unknown"])
            #expect(inherited.map(\.address) == [.unix(path: directory.file("s"))])
        }
        #expect(fileMode(directory.file("s")) != nil)
    }

    @Test func `Nothing is inherited without the variables, or with another process's`() throws {
        let other = try #require(ProcessID(rawValue: 1))
        #expect(try Listener.inherited(environment: [:]).isEmpty)
        #expect(try Listener.inherited(environment: Self.environment(count: "1", process: other)).isEmpty)
        #expect(try Listener.inherited(environment: Self.environment(count: "0")).isEmpty)
    }

    @Test(arguments: ["many", "-1", "2147483647", "1 "]) func `A malformed count is refused`(_ count: String) {
        #expect(throws: ListenError.inherited(descriptor: 3, reason: .malformedVariable("LISTEN_FDS=\(count)"))) {
            try Listener.inherited(environment: Self.environment(count: count))
        }
    }

    @Test func `A malformed process number is refused`() {
        #expect(throws: ListenError.inherited(descriptor: 3, reason: .malformedVariable("LISTEN_PID=me"))) {
            try Listener.inherited(environment: ["LISTEN_PID": "me", "LISTEN_FDS": "1"])
        }
    }

    @Test(arguments: Unservable.allCases)
    func `A descriptor that cannot be served is refused`(_ kind: Unservable) throws {
        let descriptor = try kind.make()
        let number = descriptor.rawValue
        #expect(throws: ListenError.inherited(descriptor: number, reason: kind.reason)) {
            try Listener.inherited(environment: Self.environment(count: "1"), firstDescriptor: number)
        }
    }

    enum Unservable: CaseIterable {
        case datagram, connection, everyAddress, file

        func make() throws -> OwnedFD {
            switch self {
            case .datagram:
                return try rawSocket(AF_UNIX, SOCK_DGRAM)
            case .connection:
                let pair = try SocketPair()
                return try pair.near.descriptor.duplicate()
            case .everyAddress:
                let socket = try rawSocket(AF_INET, SOCK_STREAM)
                try bindToAllAddresses(socket)
                guard listen(socket.rawValue, 1) == 0 else { throw SystemError.last("listen") }
                return socket
            case .file:
                return OwnedFD(adopting: unsafe open("/dev/null", O_RDWR | O_CLOEXEC))
            }
        }

        var reason: InheritedSocketFault {
            switch self {
            case .datagram: .notAStream
            case .connection: .notListening
            case .everyAddress: .notLoopback
            case .file: .unusable(SystemError(operation: "getsockopt", code: ENOTSOCK))
            }
        }
    }
}
