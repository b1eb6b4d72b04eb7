import History
import Testing

@Suite("Retention")
struct RetentionTests {
    private func history(
        _ directory: TemporaryDirectory, ageMaxNanoseconds: Int64? = nil, eventsMax: Int64? = nil
    ) throws -> TestHistory {
        var options = HistoryOptions()
        options.durability = .off
        options.retention = RetentionPolicy(ageMaxNanoseconds: ageMaxNanoseconds, eventsMax: eventsMax)
        return try TestHistory(directory, options)
    }

    @Test
    func `Events beyond the number kept are removed oldest first, with the bindings they ended`() throws {
        let directory = try TemporaryDirectory()
        let history = try history(directory, eventsMax: 3)
        history.record(
            event(.bind, 1, at: 10), event(.unbind, 1, at: 20), event(.bind, 2, at: 30), event(.bind, 1, at: 40),
            event(.unbind, 1, at: 50), event(.alloc, 3, at: 60))
        history.alive(at: 70)
        #expect(try history.log().map(\.sequence) == [4, 5, 6])
        #expect(try history.bindings().map(\.bound.sequence) == [3, 4])
        #expect(history.store.writer.counts.eventsExpired == 3)
        #expect(history.store.writer.counts.bindingsExpired == 1)
        #expect(try history.store.reader.summary().events == 3)
    }

    @Test
    func `Events older than the age are removed`() throws {
        let directory = try TemporaryDirectory()
        let history = try history(directory, ageMaxNanoseconds: 30)
        history.record(event(.alloc, 1, at: 10), event(.alloc, 2, at: 20), event(.alloc, 3, at: 40))
        history.alive(at: 50)
        #expect(try history.log().map(\.sequence) == [2, 3])
        history.alive(at: 51)
        #expect(try history.log().map(\.sequence) == [3])
    }

    @Test
    func `The newest event and open bindings are never removed`() throws {
        let directory = try TemporaryDirectory()
        let history = try history(directory, ageMaxNanoseconds: 0, eventsMax: 1)
        history.record(event(.bind, 1, at: 10), event(.bind, 2, at: 20))
        history.alive(at: 1000)
        #expect(try history.log().map(\.sequence) == [2])
        #expect(try history.bindings().map(\.bound.sequence) == [1, 2])
        #expect(history.record(event(.unbind, 1, at: 2000)).map(\.sequence) == [3])
    }

    @Test
    func `Sequences go on after everything but the newest event was removed and the daemon restarted`() throws {
        let directory = try TemporaryDirectory()
        do {
            let history = try history(directory, eventsMax: 1)
            history.record((1...10).map { event($0.isMultiple(of: 2) ? .unbind : .bind, 1, at: Int64($0)) })
            history.alive(at: 20)
        }
        #expect(try history(directory).record(event(.alloc, 1, at: 30)).map(\.sequence) == [11])
    }

    @Test
    func `Before the oldest event kept an owner is known only from a binding that is still there`() throws {
        let directory = try TemporaryDirectory()
        let history = try history(directory, eventsMax: 2)
        history.record(
            event(.bind, 1, at: 10), event(.unbind, 1, at: 20), event(.bind, 2, at: 30), event(.unbind, 2, at: 40),
            event(.alloc, 3, at: 50))
        history.alive(at: 60)
        #expect(try history.owner(1, at: 15) == .expired(before: time(40)))
        #expect(try history.owner(2, at: 29) == .expired(before: time(40)))
        #expect(try history.owner(2, at: 30).binding != nil)
        #expect(try history.owner(1, at: 40) == .unbound)
        #expect(try history.store.reader.holdings(of: .vm(1), at: time(35)).expiredBefore == time(40))
        #expect(try history.store.reader.holdings(of: .vm(1), at: time(40)).expiredBefore == nil)
    }

    @Test
    func `A long removal is done in slices that a flush waits for`() throws {
        let directory = try TemporaryDirectory()
        let history = try history(directory)
        history.record((0..<5500).map { event($0.isMultiple(of: 2) ? .bind : .unbind, 1, at: Int64($0) + 1) })
        history.store.writer.setRetention(RetentionPolicy(eventsMax: 100))
        history.alive(at: 10_000)
        #expect(try history.store.reader.summary().events == 100)
        #expect(history.store.writer.counts.eventsExpired == 5400)
        #expect(history.store.writer.counts.bindingsExpired == 2700)
        #expect(try history.bindings().count == 50)
    }

    @Test
    func `Runs of the daemon go when the run after them has no event left`() throws {
        let directory = try TemporaryDirectory()
        for run in 1...4 as ClosedRange<Int64> {
            let history = try history(directory)
            // Alone, it leaves nothing to end at the stop.
            history.record(event(.free, 1, at: run * 100))
            try history.store.close(at: time(run * 100 + 50))
        }
        let history = try history(directory, eventsMax: 2)
        history.alive(at: 1000)
        #expect(try history.store.reader.daemonRuns().map(\.id) == [5, 4, 3, 2])
    }

    @Test
    func `Without a policy nothing is removed`() throws {
        let directory = try TemporaryDirectory()
        let history = try history(directory)
        history.record(event(.alloc, 1, at: 1), event(.alloc, 2, at: 2))
        history.alive(at: .max)
        #expect(try history.log().count == 2)
    }
}
