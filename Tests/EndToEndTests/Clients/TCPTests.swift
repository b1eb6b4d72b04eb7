import Platform
import Protocol
import ProtocolMessages
import SwiftProtobuf
import TestKit
import Testing

@Suite struct `Clients on TCP` {
    private static let token = "correct horse battery staple"

    private let daemon: DaemonProcess
    private let endpoint: LoopbackEndpoint

    init() throws {
        let directory = try TemporaryDirectory()
        var options = DaemonProcess.Options()
        let tokenFile = try directory.write(Self.token + "\n", to: "token")
        options.flags = ["--tcp", "127.0.0.1:0", "--tcp-token-file", tokenFile]
        daemon = try DaemonProcess.start(options, in: directory)
        let address = try #require(daemon.log.firstMatch(of: /127\.0\.0\.1:[0-9]+/))
        endpoint = try LoopbackEndpoint(parsing: String(address.output))
    }

    private func connect() throws -> WireClient {
        try WireClient(try ClientConnection.loopback(endpoint))
    }

    @Test func `A client that knows the token works`() throws {
        let client = try connect()
        #expect(client.greeting["authentication"]?.text == "token")
        try client.negotiate()
        try client.call(.authenticate(.with { $0.token = Self.token }))
        let connection = try client.queryConnection()
        #expect(connection.transport == .tcp)
        #expect(!connection.hasUid)
        #expect(!connection.admin)
        var generator = SeededGenerator(seed: 11)
        try Submitter.hostUser(client).moveAndCheck(&generator)
        #expect(try client.refusal(of: .createSharedMemory(.with { $0.size = 4096 })).errorClass == "Unsupported")
    }

    @Test(arguments: ["wrong", "correct horse battery stapl", "correct horse battery staples"])
    func `A wrong token is refused and closes the connection`(_ token: String) throws {
        let client = try connect()
        try client.negotiate()
        #expect(try client.refusal(of: .authenticate(.with { $0.token = token })).errorClass == "NotAuthenticated")
        #expect(try client.readLine() == nil)
    }

    @Test func `Anything before the token is refused and closes the connection`() throws {
        let client = try connect()
        try client.negotiate()
        #expect(try client.refusal(of: .queryVersion).errorClass == "NotAuthenticated")
        #expect(try client.readLine() == nil)
    }

    @Test(arguments: ["GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "\u{16}\u{3}\u{1}\n", "{\"execute\"\n"])
    func `A first line that is not JSON is answered once and closes the connection`(_ text: String) throws {
        let client = try connect()
        try client.send(text: text)
        #expect(try client.receiveUnidentifiedRefusal().errorClass == "InvalidJSON")
        #expect(try client.readLine() == nil)
        #expect(try daemon.client().status().state == .running)
    }

    @Test func `A client on TCP does not see the objects of local users`() throws {
        let user = try Submitter.hostUser(try daemon.client())
        let client = try connect()
        try client.negotiate()
        try client.call(.authenticate(.with { $0.token = Self.token }))
        #expect(try client.refusal(of: .attachProcess(.with { $0.process = user.owner })).errorClass == "NotFound")
        #expect(try client.ioasids().isEmpty)
        // Rows of such clients carry no user, so their own cannot be told from others'.
        #expect(try client.refusal(of: .queryHistory(.init())).errorClass == "PermissionDenied")
    }
}
