import Glibc
import Platform
import Testing

@Suite struct `Deadline timer` {
    @Test func `A deadline in the past expires at once, and once`() throws {
        let poller = try Poller()
        var events = PollEventBuffer()
        let timer = try DeadlineTimer()
        try poller.add(timer.descriptor, events: .readable, token: 0)
        try timer.arm(at: 0)
        try poller.wait(into: &events, timeout: .never)
        #expect(events.count == 1)
        #expect(timer.takeExpirations() == 1)
        #expect(timer.takeExpirations() == 0)
    }

    @Test func `A deadline is a time of the monotonic clock`() throws {
        let poller = try Poller()
        var events = PollEventBuffer()
        let timer = try DeadlineTimer()
        let deadline = MonotonicClock.nanoseconds() + 2_000_000
        try poller.add(timer.descriptor, events: .readable, token: 0)
        try timer.arm(at: deadline)
        try poller.wait(into: &events, timeout: .never)
        #expect(MonotonicClock.nanoseconds() >= deadline)
    }

    @Test func `A disarmed timer forgets that it expired`() throws {
        let poller = try Poller()
        var events = PollEventBuffer()
        let timer = try DeadlineTimer()
        try poller.add(timer.descriptor, events: .readable, token: 0)
        try timer.arm(every: 1)
        try poller.wait(into: &events, timeout: .never)
        #expect(events.count == 1)
        try timer.disarm()
        try poller.wait(into: &events, timeout: .immediate)
        #expect(events.count == 0)
        #expect(timer.takeExpirations() == 0)
    }
}

@Suite struct `Clocks` {
    @Test func `The monotonic clock does not step back`() {
        var last = MonotonicClock.nanoseconds()
        for _ in 0..<1000 {
            let now = MonotonicClock.nanoseconds()
            #expect(now >= last)
            last = now
        }
    }

    @Test func `The wall clock counts nanoseconds since 1970`() {
        let before = Int64(time(nil))
        let now = WallClock.nanoseconds() / 1_000_000_000
        let after = Int64(time(nil))
        #expect((before...(after + 1)).contains(now))
    }
}
