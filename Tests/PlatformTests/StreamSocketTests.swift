import Glibc
import Platform
import Testing

@Suite struct `Stream socket` {
    @Test func `An empty socket would block, a finished one is at its end`() throws {
        let pair = try SocketPair()
        #expect(pair.near.read().outcome == .wouldBlock)
        #expect(pair.far.write("last") == .bytes(4))
        try pair.far.finishWriting()
        #expect(pair.near.read().text == "last")
        #expect(pair.near.read().outcome == .endOfStream)
        #expect(pair.near.write("still heard") == .bytes(11))
        #expect(pair.far.read().text == "still heard")
    }

    @Test func `A full socket would block`() throws {
        let pair = try SocketPair()
        try pair.near.setSendBuffer(byteCount: 4096)
        let block = String(repeating: "x", count: 65536)
        var written = 0
        while case .bytes(let count) = pair.near.write(block) { written += count }
        #expect(written > 0)
        #expect(pair.near.write(block) == .wouldBlock)
        #expect(pair.far.read(limit: written).text.utf8.count > 0)
    }

    @Test func `A write to a peer that is gone is reported without SIGPIPE`() throws {
        let pair = try SocketPair()
        let socket = pair.near
        _ = consume pair.far
        #expect(socket.write("x") == .peerGone)
    }

    @Test func `A peer that dies with unread bytes is gone`() throws {
        let pair = try SocketPair()
        let socket = pair.near
        #expect(socket.write("unread") == .bytes(6))
        _ = consume pair.far
        #expect(socket.read().outcome == .peerGone)
    }

    @Test func `A descriptor arrives with the bytes it was sent with`() throws {
        let pair = try SocketPair()
        let memory = try SharedMemory.create(name: "passed", byteCount: PageSize.byteCount)
        let mapping = try memory.map()
        unsafe mapping.bytes[17] = 42

        #expect(pair.near.write("before ") == .bytes(7))
        let bytes = Array("with ".utf8)
        let outcome = unsafe bytes.withUnsafeBytes { unsafe pair.near.write($0, attaching: memory.descriptor) }
        #expect(outcome == .bytes(5))
        #expect(pair.near.write("after") == .bytes(5))

        var inbox = DescriptorInbox(limit: 1)
        let first = pair.far.read(inbox: &inbox)
        #expect(first.text == "before with ")
        #expect(inbox.count == 1)
        #expect(inbox.tookExcess == false)
        #expect(pair.far.read(inbox: &inbox).text == "after")

        let received = try SharedMemory.adopt(inbox.takeExpected(), byteCountMax: 1 << 20).map()
        #expect(unsafe received.bytes[17] == 42)
        #expect(inbox.count == 0)
    }

    @Test func `A received descriptor is closed on exec`() throws {
        let pair = try SocketPair()
        let line = try LifeLine()
        #expect(pair.near.write("x", attachingNumbers: [line.number]) == .bytes(1))
        var inbox = DescriptorInbox(limit: 1)
        _ = pair.far.read(inbox: &inbox)
        let received = try inbox.takeExpected()
        let flags = fcntl(received.rawValue, F_GETFD)
        #expect(flags & FD_CLOEXEC != 0)
    }

    /// Odd and even limits: the ancillary buffer of an odd number of descriptors has padding where one more would fit.
    @Test(arguments: 0...DescriptorInbox.limitMax)
    func `Descriptors in excess are closed and reported`(_ limit: Int) throws {
        let pair = try SocketPair()
        var line = try LifeLine()
        #expect(pair.near.write("x", attachingNumbers: Array(repeating: line.number, count: limit + 1)) == .bytes(1))
        line.letGo()
        var inbox = DescriptorInbox(limit: limit)
        #expect(pair.far.read(inbox: &inbox).text == "x")
        #expect(inbox.count == limit)
        #expect(inbox.tookExcess == true)
        let wasCut = line.isCut
        #expect(wasCut == (limit == 0))
        inbox.removeAll()
        #expect(inbox.tookExcess == false)
        let isCut = line.isCut
        #expect(isCut)
    }

    @Test func `As many descriptors as a message carries are closed when nobody asked`() throws {
        let pair = try SocketPair()
        var line = try LifeLine()
        #expect(pair.near.write("x", attachingNumbers: Array(repeating: line.number, count: 253)) == .bytes(1))
        line.letGo()
        #expect(pair.far.read().text == "x")
        let isCut = line.isCut
        #expect(isCut)
    }

    @Test func `Descriptors that wait in an inbox are closed with it`() throws {
        var line = try LifeLine()
        do {
            let pair = try SocketPair()
            var inbox = DescriptorInbox(limit: 4)
            #expect(pair.near.write("x", attachingNumbers: [line.number, line.number]) == .bytes(1))
            _ = pair.far.read(inbox: &inbox)
            #expect(inbox.count == 2)
            line.letGo()
        }
        let isCut = line.isCut
        #expect(isCut)
    }

    @Test func `Descriptors that were never read are closed with the socket`() throws {
        var line = try LifeLine()
        do {
            let pair = try SocketPair()
            #expect(pair.near.write("x", attachingNumbers: [line.number]) == .bytes(1))
            line.letGo()
        }
        // The kernel collects what was under way before close returns, or soon after.
        let poller = try Poller()
        var events = PollEventBuffer()
        try line.watch(with: poller)
        try poller.wait(into: &events, timeout: .never)
        #expect(events.count == 1)
        #expect(events[0].events.contains(.hangUp))
    }

    @Test func `Descriptors of several messages are taken in order`() throws {
        let pair = try SocketPair()
        let directory = try TemporaryDirectory()
        var inbox = DescriptorInbox(limit: 3)
        let names = ["a", "b", "c"]
        for name in names {
            let file = try makeFile(directory.file(name))
            #expect(pair.near.write(name, attachingNumbers: [file.rawValue]) == .bytes(1))
        }
        for name in names { #expect(pair.far.read(inbox: &inbox).text == name) }
        for name in names {
            let received = inode(of: try inbox.takeExpected())
            let sent = inode(of: try makeFile(directory.file(name)))
            #expect(received == sent)
        }
        #expect(inbox.count == 0)
    }

    @Test func `More descriptors than a message carries are refused`() throws {
        let pair = try SocketPair()
        let numbers = Array(repeating: pair.near.descriptor.rawValue, count: 254)
        #expect(
            pair.near.write("x", attachingNumbers: numbers) == .failed(SystemError(operation: "sendmsg", code: EINVAL)))
    }
}

private func inode(of descriptor: borrowing OwnedFD) -> ino_t {
    var info = stat()
    return unsafe fstat(descriptor.rawValue, &info) == 0 ? info.st_ino : 0
}
