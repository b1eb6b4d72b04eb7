import Platform
import Testing

@Suite struct `Client connection` {
    @Test func `Lines come whole, whatever the pieces were`() throws {
        let pair = try SocketPair(blocking: true)
        var client = ClientConnection(adopting: pair.near)
        let server = pair.far
        _ = server.write("on")
        _ = server.write("e\n\nthree\nfo")
        #expect(try client.readLine() == Array("one".utf8))
        #expect(try client.readLine() == [])
        #expect(try client.readLine() == Array("three".utf8))
        _ = server.write("ur\n")
        _ = consume server
        #expect(try client.readLine() == Array("four".utf8))
        #expect(try client.readLine() == nil)
    }

    @Test(.timeLimit(.minutes(1)), arguments: UInt64(0)..<16)
    func `Random lines in random pieces arrive as they were sent`(_ seed: UInt64) throws {
        var random = Generator(state: seed)
        let lines = (0..<200).map { _ in
            (0..<Int.random(in: 0..<3000, using: &random)).map { _ in UInt8.random(in: 32..<127, using: &random) }
        }
        let stream = Array(lines.map { $0 + [UInt8(ascii: "\n")] }.joined())
        var pieces: [ArraySlice<UInt8>] = []
        var rest = stream[...]
        while !rest.isEmpty {
            pieces.append(rest.prefix(Int.random(in: 1..<5000, using: &random)))
            rest = rest.dropFirst(pieces[pieces.count - 1].count)
        }
        let sent = pieces
        let pair = try SocketPair(blocking: true)
        var client = ClientConnection(adopting: pair.near)
        let number = try pair.far.descriptor.duplicate().release()
        _ = consume pair.far
        let writer = try ThreadHandle(name: "writer") {
            let connection = ClientConnection(adopting: StreamSocket(adopting: OwnedFD(adopting: number)))
            for piece in sent { try? connection.send(Array(piece)) }
        }
        for line in lines { #expect(try client.readLine() == line) }
        #expect(try client.readLine() == nil)
        writer.join()
    }

    @Test func `A line of the maximum is read, a longer one refused before it ends`() throws {
        let pair = try SocketPair(blocking: true)
        var client = ClientConnection(adopting: pair.near, lineByteCountMax: 4)
        let server = pair.far
        _ = server.write("four\nfives")
        #expect(try client.readLine() == Array("four".utf8))
        #expect(throws: ClientConnectionError.lineTooLong(byteCountMax: 4)) { _ = try client.readLine() }
    }

    @Test func `A server that goes away inside a line is an error`() throws {
        let pair = try SocketPair(blocking: true)
        var client = ClientConnection(adopting: pair.near)
        let server = pair.far
        _ = server.write("whole\nhalf")
        _ = consume server
        #expect(try client.readLine() == Array("whole".utf8))
        #expect(throws: ClientConnectionError.endedInsideLine(Array("half".utf8))) { _ = try client.readLine() }
    }

    @Test func `A server that says nothing is waited for only so long`() throws {
        let pair = try SocketPair(blocking: true)
        var client = ClientConnection(adopting: pair.near)
        try client.setReceiveTimeout(milliseconds: 1)
        #expect(throws: ClientConnectionError.timedOut) { _ = try client.readLine() }
        _ = consume pair.far
    }

    @Test func `Sending to a server that is gone is an error`() throws {
        let pair = try SocketPair(blocking: true)
        let client = ClientConnection(adopting: pair.near)
        _ = consume pair.far
        #expect(throws: ClientConnectionError.peerGone) { try client.send(line: "hello?") }
    }

    @Test func `A descriptor travels with a line`() throws {
        let pair = try SocketPair(blocking: true)
        let client = ClientConnection(adopting: pair.near)
        var server = ClientConnection(adopting: pair.far)
        let memory = try MemoryFile.create(name: "m", byteCount: 4096, seals: .shrink)
        try client.send(line: "take this", attaching: memory)
        #expect(try server.readLine() == Array("take this".utf8))
        guard let received = server.takeDescriptor() else { throw UnexpectedOutcome("no descriptor") }
        let seals = try MemoryFile.seals(of: received)
        #expect(seals.contains(.shrink))
    }
}

/// SplitMix64: one seed, one sequence.
private struct Generator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
