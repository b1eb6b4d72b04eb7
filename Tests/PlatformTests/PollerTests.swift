import Glibc
import Platform
import Synchronization
import Testing

@Suite struct `Event poller` {
    @Test func `An event carries the 64-bit token of its descriptor`() throws {
        let poller = try Poller()
        var events = PollEventBuffer(capacity: 4)
        let pair = try SocketPair()
        try poller.add(pair.near.descriptor, events: .readable, token: 0xfedc_ba98_7654_3210)
        try poller.wait(into: &events, timeout: .immediate)
        #expect(events.count == 0)

        #expect(pair.far.write("x") == .bytes(1))
        try poller.wait(into: &events, timeout: .never)
        #expect(events.count == 1)
        #expect(events[0] == PollEvent(token: 0xfedc_ba98_7654_3210, events: .readable))
    }

    @Test func `More events than the buffer holds come with the next wait`() throws {
        let poller = try Poller()
        var events = PollEventBuffer(capacity: 1)
        let first = try SocketPair()
        let second = try SocketPair()
        try poller.add(first.near.descriptor, events: [.readable, .oneShot], token: 1)
        try poller.add(second.near.descriptor, events: [.readable, .oneShot], token: 2)
        _ = first.far.write("x")
        _ = second.far.write("x")
        var tokens: Set<UInt64> = []
        for _ in 0..<2 {
            try poller.wait(into: &events, timeout: .immediate)
            #expect(events.count == 1)
            tokens.insert(events[0].token)
        }
        #expect(tokens == [1, 2])
        try poller.wait(into: &events, timeout: .immediate)
        #expect(events.count == 0)
    }

    @Test func `Modify replaces the events and the token`() throws {
        let poller = try Poller()
        var events = PollEventBuffer()
        let pair = try SocketPair()
        try poller.add(pair.near.descriptor, events: .readable, token: 1)
        try poller.modify(pair.near.descriptor, events: .writable, token: 2)
        try poller.wait(into: &events, timeout: .never)
        #expect(events.count == 1)
        #expect(events[0] == PollEvent(token: 2, events: .writable))
    }

    @Test func `A removed descriptor reports nothing`() throws {
        let poller = try Poller()
        var events = PollEventBuffer()
        let pair = try SocketPair()
        try poller.add(pair.near.descriptor, events: .writable, token: 1)
        try poller.remove(pair.near.descriptor)
        try poller.wait(into: &events, timeout: .immediate)
        #expect(events.count == 0)
    }

    @Test func `A peer that goes away is reported as finished and hung up`() throws {
        let poller = try Poller()
        var events = PollEventBuffer()
        let pair = try SocketPair()
        let near = pair.near
        try poller.add(near.descriptor, events: [.readable, .peerFinished], token: 1)
        _ = consume pair.far
        try poller.wait(into: &events, timeout: .never)
        #expect(events.count == 1)
        #expect(events[0].events.isSuperset(of: [.readable, .peerFinished, .hangUp]))
    }

    @Test func `Watching a descriptor twice is refused`() throws {
        let poller = try Poller()
        let pair = try SocketPair()
        try poller.add(pair.near.descriptor, events: .readable, token: 1)
        #expect(throws: SystemError(operation: "epoll_ctl", code: EEXIST)) {
            try poller.add(pair.near.descriptor, events: .readable, token: 2)
        }
    }
}

@Suite struct `Wake-up` {
    @Test func `Signals before a drain are one event`() throws {
        let poller = try Poller()
        var events = PollEventBuffer()
        let wakeup = try Wakeup()
        try poller.add(wakeup.descriptor, events: .readable, token: 7)
        wakeup.signal()
        wakeup.signal()
        try poller.wait(into: &events, timeout: .never)
        #expect(events.count == 1)
        wakeup.drain()
        try poller.wait(into: &events, timeout: .immediate)
        #expect(events.count == 0)
        wakeup.signal()
        try poller.wait(into: &events, timeout: .immediate)
        #expect(events.count == 1)
    }

    /// A lost signal leaves the consumer waiting for ever, which the time limit turns into a failure.
    @Test(.timeLimit(.minutes(1))) func `No signal of several threads is lost`() throws {
        let total = 3 * 20_000
        let announced = Shared()
        let wakeup = try Wakeup()
        let poller = try Poller()
        var events = PollEventBuffer()
        try poller.add(wakeup.descriptor, events: .readable, token: 0)
        let producers = try (0..<3).map { index in
            try ThreadHandle(name: "producer-\(index)") {
                for _ in 0..<20_000 {
                    announced.count.add(1, ordering: .relaxed)
                    wakeup.signal()
                }
            }
        }
        while true {
            try poller.wait(into: &events, timeout: .never)
            wakeup.drain()
            if announced.count.load(ordering: .relaxed) == total { break }
        }
        for producer in producers { producer.join() }
        #expect(announced.count.load(ordering: .relaxed) == total)
    }

    private final class Shared: Sendable {
        let count = Atomic<Int>(0)
    }
}
