import Glibc
import Platform
import Testing

@Suite struct `Unix listener` {
    @Test func `A client connects and both sides talk`() throws {
        let directory = try TemporaryDirectory()
        let listener = try Listener.unix(path: directory.file("s"), mode: 0o600)
        #expect(listener.address == .unix(path: directory.file("s")))
        guard case .wouldBlock = listener.accept() else { throw UnexpectedOutcome("somebody connected") }
        var client = try ClientConnection.unix(path: directory.file("s"))
        let server = try acceptWaiting(listener)
        try client.send(line: "hello")
        #expect(server.read().text == "hello\n")
        #expect(server.write("world\n") == .bytes(6))
        #expect(try client.readLine() == Array("world".utf8))
    }

    @Test(arguments: [0o600, 0o660, 0o666, 0o777] as [UInt32])
    func `The socket has exactly the mode asked for`(_ mode: UInt32) throws {
        let directory = try TemporaryDirectory()
        let listener = try Listener.unix(path: directory.file("s"), mode: mode)
        #expect(fileMode(directory.file("s")) == S_IFSOCK | mode)
        withExtendedLifetime(listener) {}
    }

    @Test func `The socket file goes away with the listener, the lock file stays`() throws {
        let directory = try TemporaryDirectory()
        do {
            let listener = try Listener.unix(path: directory.file("s"), mode: 0o600)
            #expect(fileMode(directory.file("s")) != nil)
            withExtendedLifetime(listener) {}
        }
        #expect(fileMode(directory.file("s")) == nil)
        #expect(fileMode(directory.file("s.lock")) == S_IFREG | 0o600)
        _ = try Listener.unix(path: directory.file("s"), mode: 0o600)
    }

    @Test func `A file that replaced the socket is left alone`() throws {
        let directory = try TemporaryDirectory()
        do {
            let listener = try Listener.unix(path: directory.file("s"), mode: 0o600)
            #expect(unsafe unlink(directory.file("s")) == 0)
            _ = try makeFile(directory.file("s"))
            withExtendedLifetime(listener) {}
        }
        #expect(fileMode(directory.file("s")) == S_IFREG | 0o600)
    }

    @Test func `A second listener on the path is refused and names the first`() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("s")
        let listener = try Listener.unix(path: path, mode: 0o600)
        #expect(throws: ListenError.alreadyServed(path: path, holder: .current)) {
            try Listener.unix(path: path, mode: 0o600)
        }
        var client = try ClientConnection.unix(path: path)
        _ = try acceptWaiting(listener)
        #expect(try client.readLine() == nil)
    }

    @Test func `A live socket that holds no lock is refused as well`() throws {
        let directory = try TemporaryDirectory()
        let listener = try Listener.unix(path: directory.file("a"), mode: 0o600)
        let other = directory.file("b")
        #expect(unsafe link(directory.file("a"), other) == 0)
        #expect(throws: ListenError.alreadyServed(path: other, holder: .current)) {
            try Listener.unix(path: other, mode: 0o600)
        }
        #expect(fileMode(other) != nil)
        withExtendedLifetime(listener) {}
    }

    @Test func `A stale socket is replaced`() throws {
        let directory = try TemporaryDirectory()
        let stale = directory.file("stale")
        do {
            let listener = try Listener.unix(path: directory.file("s"), mode: 0o600)
            #expect(unsafe link(directory.file("s"), stale) == 0)
            withExtendedLifetime(listener) {}
        }
        #expect(fileMode(stale) != nil)
        let listener = try Listener.unix(path: stale, mode: 0o600)
        _ = try ClientConnection.unix(path: stale)
        _ = try acceptWaiting(listener)
    }

    @Test func `A file that is not a socket is refused and kept`() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("s")
        _ = try makeFile(path)
        #expect(throws: ListenError.notASocket(path: path)) { try Listener.unix(path: path, mode: 0o600) }
        #expect(fileMode(path) == S_IFREG | 0o600)
    }

    @Test func `A directory that does not exist is named by the error`() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("none/s")
        #expect(throws: ListenError.system(SystemError(operation: "open", code: ENOENT, context: path + ".lock"))) {
            try Listener.unix(path: path, mode: 0o600)
        }
    }

    @Test func `A path of 107 bytes works, one of 108 is refused with both numbers`() throws {
        let directory = try TemporaryDirectory()
        let longest = directory.file(String(repeating: "x", count: 107 - directory.path.utf8.count - 1))
        #expect(longest.utf8.count == 107)
        let listener = try Listener.unix(path: longest, mode: 0o600)
        _ = try ClientConnection.unix(path: longest)
        _ = try acceptWaiting(listener)

        let error = SocketAddressError.pathTooLong(path: longest + "x", byteCount: 108, byteCountMax: 107)
        #expect(throws: ListenError.address(error)) { try Listener.unix(path: longest + "x", mode: 0o600) }
        #expect(throws: ClientConnectionError.address(error)) { _ = try ClientConnection.unix(path: longest + "x") }
    }

    @Test(arguments: zip(["", "/tmp/a\0b"], [SocketAddressError.emptyPath, .pathContainsNUL("/tmp/a\0b")]))
    func `A path that no file can have is refused`(_ path: String, _ error: SocketAddressError) {
        #expect(throws: ListenError.address(error)) { try Listener.unix(path: path, mode: 0o600) }
    }

    @Test func `Peer credentials are this process's own`() throws {
        let directory = try TemporaryDirectory()
        let listener = try Listener.unix(path: directory.file("s"), mode: 0o600)
        let client = try ClientConnection.unix(path: directory.file("s"))
        let server = try acceptWaiting(listener)
        let peer = try server.peerCredentials()
        #expect(peer == PeerCredentials(user: .current, group: GroupID(rawValue: getegid()), process: .current))
        let hasExited = try server.peerProcess().hasExited
        #expect(!hasExited)
        withExtendedLifetime(listener) {}
        _ = consume client
    }

    @Test(.enabled(if: geteuid() == 0, "only root can become somebody else"))
    func `A client of another user shows that user`() async {
        await #expect(processExitsWith: .success) {
            let directory = try TemporaryDirectory()
            let listener = try Listener.unix(path: directory.file("s"), mode: 0o666)
            #expect(setegid(65533) == 0)
            #expect(seteuid(65534) == 0)
            let client = try ClientConnection.unix(path: directory.file("s"))
            #expect(seteuid(0) == 0)
            let server = try acceptWaiting(listener)
            let peer = try server.peerCredentials()
            #expect(peer.user == UserID(rawValue: 65534))
            #expect(peer.group == GroupID(rawValue: 65533))
            _ = consume client
        }
    }

    @Test(.enabled(if: geteuid() == 0, "only root can become somebody else"))
    func `A client whom the mode excludes cannot connect`() async {
        await #expect(processExitsWith: .success) {
            let directory = try TemporaryDirectory()
            let path = directory.file("s")
            let listener = try Listener.unix(path: path, mode: 0o600)
            #expect(seteuid(65534) == 0)
            #expect(
                throws: ClientConnectionError.system(SystemError(operation: "connect", code: EACCES, context: path))
            ) { _ = try ClientConnection.unix(path: path) }
            #expect(seteuid(0) == 0)
            withExtendedLifetime(listener) {}
        }
    }
}
