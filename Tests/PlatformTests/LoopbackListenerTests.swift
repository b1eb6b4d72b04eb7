import Glibc
import Platform
import Testing

@Suite struct `Loopback listener` {
    /// Some machines, containers above all, have no IPv6.
    private static let families: [LoopbackEndpoint.Family] =
        unsafe access("/proc/net/if_inet6", R_OK) == 0 ? [.v4, .v6] : [.v4]

    @Test(arguments: families)
    func `A client connects to the port that the kernel chose`(_ family: LoopbackEndpoint.Family) throws {
        let listener = try Listener.loopback(LoopbackEndpoint(family: family, port: 0))
        guard case .loopback(let endpoint) = listener.address else { throw UnexpectedOutcome("not TCP") }
        #expect(endpoint.family == family)
        #expect(endpoint.port != 0)
        var client = try ClientConnection.loopback(endpoint)
        let poller = try Poller()
        var events = PollEventBuffer()
        try poller.add(listener.descriptor, events: .readable, token: 0)
        try poller.wait(into: &events, timeout: .never)
        let server = try acceptWaiting(listener)
        #expect(server.write("hello\n") == .bytes(6))
        #expect(try client.readLine() == Array("hello".utf8))
    }

    @Test func `A port in use is refused`() throws {
        let listener = try Listener.loopback(LoopbackEndpoint(family: .v4, port: 0))
        guard case .loopback(let endpoint) = listener.address else { throw UnexpectedOutcome("not TCP") }
        let error = SystemError(operation: "bind", code: EADDRINUSE, context: endpoint.description)
        #expect(throws: ListenError.system(error)) { try Listener.loopback(endpoint) }
    }

    @Test(arguments: ["127.0.0.1:0", "127.0.0.1:65535", "[::1]:4242"])
    func `The two loopback addresses are accepted`(_ text: String) throws {
        #expect(try LoopbackEndpoint(parsing: text).description == text)
    }

    @Test(arguments: [
        "0.0.0.0:80", "127.0.0.2:80", "10.0.0.1:80", "localhost:80", "[::]:80", "[fe80::1]:80", "127.0.0.1.evil:80",
        "[::ffff:127.0.0.1]:80", " 127.0.0.1:80", "127.1:80",
    ])
    func `Every other address is refused`(_ text: String) {
        #expect(throws: SocketAddressError.notLoopback(text)) { try LoopbackEndpoint(parsing: text) }
    }

    @Test(arguments: [
        "", "127.0.0.1", "127.0.0.1:", ":80", "80", "::1:80", "[::1:80", "::1]:80", "127.0.0.1:+80", "127.0.0.1:-1",
        "127.0.0.1:8x", "127.0.0.1:80 ", "[::1]80", "127.0.0.1:٣",
    ])
    func `A malformed endpoint is refused`(_ text: String) {
        #expect(throws: SocketAddressError.malformedEndpoint(text)) { try LoopbackEndpoint(parsing: text) }
    }

    @Test(arguments: ["127.0.0.1:65536", "[::1]:99999999999999999999"])
    func `A port above 65535 is refused`(_ text: String) {
        #expect(throws: SocketAddressError.portOutOfRange(text)) { try LoopbackEndpoint(parsing: text) }
    }
}
