import Testing

@testable import History

@Suite("Recovery after a crash")
struct RecoveryTests {
    @Test
    func `Bindings that a crash left open are closed at the next start`() throws {
        let directory = try TemporaryDirectory()
        do {
            let history = try TestHistory(directory, at: 10)
            history.record(event(.bind, 1, at: 20), event(.bind, 2, at: 30), event(.unbind, 1, at: 40))
            history.alive(at: 50)
        }
        let history = try TestHistory(directory, at: 100)
        #expect(history.store.opening.recoveredBindings == 1)
        let binding = try #require(try history.bindings().last)
        #expect(binding.subject.ioasid == 2)
        #expect(binding.unbound == .init(sequence: 4, time: time(100), wallTime: time(100), cause: .daemonRestart))
        #expect(binding.lastAliveTime == time(50))
        let last = try #require(try history.log().last)
        #expect(last.event.kind == .unbind)
        #expect(last.event.subject == binding.subject)
        #expect(last.boundSequence == 2)
        #expect(last.daemonRun == history.store.opening.run)
        #expect(try history.store.reader.summary().openBindings == 0)
    }

    @Test
    func `What a crash or a stop left allocated is freed, after the unbinds`() throws {
        for isCrash in [true, false] {
            let directory = try TemporaryDirectory()
            do {
                let history = try TestHistory(directory, at: 10)
                history.record(
                    event(.alloc, 1, at: 20), event(.bind, 1, at: 21), event(.alloc, 2, at: 22),
                    event(.alloc, 3, at: 23), event(.bind, 3, at: 24), event(.unbind, 3, at: 25),
                    event(.free, 3, at: 26), event(.alloc, 4, at: 27), event(.free, 4, at: 28),
                    event(.alloc, 4, at: 29))
                if !isCrash { try history.store.close(at: time(50)) }
            }
            let history = try TestHistory(directory, at: 100)
            let added = try history.log().dropFirst(10)
            #expect(added.map(\.event.kind) == [.unbind, .free, .free, .free])
            #expect(added.map(\.event.subject.ioasid) == [1, 1, 2, 4])
            #expect(added.map(\.sequence) == [11, 12, 13, 14])
            #expect(added.allSatisfy { $0.event.cause == (isCrash ? .daemonRestart : .daemonStop) })
            #expect(added.map(\.time) == (0..<4).map { time((isCrash ? 100 : 50) + $0) })
            #expect(history.store.opening.recoveredBindings == (isCrash ? 1 : 0))
            // Once: the next start finds nothing to free.
            try history.store.close(at: time(200))
            #expect(try TestHistory(directory, at: 300).log().count == 14)
        }
    }

    @Test
    func `Between the last sign of life and the restart the owner is unknown`() throws {
        let directory = try TemporaryDirectory()
        do {
            let history = try TestHistory(directory, at: 10)
            history.record(event(.bind, 1, at: 20))
            history.alive(at: 50)
        }
        let history = try TestHistory(directory, at: 100)
        let binding = try #require(try history.bindings().first)
        let gap = HistoryGap(lastAlive: time(50), restart: time(100))
        #expect(try history.owner(1, at: 19) == .unbound)
        #expect(try history.owner(1, at: 20) == .bound(binding))
        #expect(try history.owner(1, at: 50) == .bound(binding))
        #expect(try history.owner(1, at: 51) == .unknown(gap, candidate: binding))
        #expect(try history.owner(1, at: 99) == .unknown(gap, candidate: binding))
        #expect(try history.owner(1, at: 100) == .unbound)

        let holdings = try history.store.reader.holdings(of: .vm(1), at: time(75))
        #expect(holdings.unknown == [binding])
        #expect(holdings.bound.isEmpty)
        #expect(holdings.gap.map { $0.contains(time(75)) } == true)
    }

    @Test
    func `An event is a sign of life like a heartbeat`() throws {
        let directory = try TemporaryDirectory()
        do {
            let history = try TestHistory(directory, at: 10)
            history.alive(at: 20)
            history.record(event(.bind, 1, at: 30))
        }
        #expect(try TestHistory(directory, at: 100).store.opening.gap?.lastAlive == time(30))
    }

    @Test(arguments: DurabilityMode.allCases)
    func `An IOASID that was not bound stays unbound in the gap only if no bind can have been lost`(
        mode: DurabilityMode
    ) throws {
        let directory = try TemporaryDirectory()
        do {
            let history = try TestHistory(directory, at: 10, mode)
            history.record(event(.bind, 1, at: 20), event(.unbind, 1, at: 30))
        }
        let history = try TestHistory(directory, at: 100)
        let gap = try #require(history.store.opening.gap)
        for ioasid in 1...2 as ClosedRange<UInt32> {
            let answer = try history.owner(ioasid, at: 60)
            #expect(answer == (mode == .full ? .unbound : .unknown(gap, candidate: nil)))
            #expect(try history.owner(ioasid, at: 30) == .unbound)
            #expect(try history.owner(ioasid, at: 101) == .unbound)
        }
    }

    @Test
    func `A clean stop unbinds what is open and leaves no gap`() throws {
        let directory = try TemporaryDirectory()
        let first = try TestHistory(directory, at: 10)
        first.record(event(.bind, 1, at: 20), event(.bind, 2, at: 30))
        try first.store.close(at: time(40))
        let history = try TestHistory(directory, at: 100)
        #expect(history.store.opening.recoveredBindings == 0)
        #expect(history.store.opening.gap == nil)
        #expect(try history.bindings().map(\.unbound?.cause) == [.daemonStop, .daemonStop])
        #expect(try history.bindings().map(\.unbound?.time) == [time(40), time(41)])
        #expect(try history.owner(1, at: 39).binding != nil)
        #expect(try history.owner(1, at: 60) == .unbound)
        let runs = try history.store.reader.daemonRuns()
        #expect(runs.map(\.cleanStopTime) == [nil, time(41)])
        #expect(runs.map(\.restartTime) == [nil, nil])
    }

    @Test
    func `A restart with an earlier wall clock orders its events after those before`() throws {
        let directory = try TemporaryDirectory()
        do {
            let history = try TestHistory(directory, at: 1000)
            history.record(event(.bind, 1, at: 2000))
            history.alive(at: 3000)
        }
        let history = try TestHistory(directory, at: 5)
        let binding = try #require(try history.bindings().first)
        #expect(binding.unbound?.time == time(3001))
        #expect(binding.unbound?.wallTime == time(5))
        #expect(history.record(event(.bind, 1, at: 6)).first?.time.map { $0 > time(3001) } == true)
    }

    @Test
    func `Each crash has its own row among the runs`() throws {
        let directory = try TemporaryDirectory()
        do {
            let history = try TestHistory(directory, at: 10, .normal)
            history.alive(at: 20)
        }
        do { _ = try TestHistory(directory, at: 100) }
        let history = try TestHistory(directory, at: 200)
        let page = try #require(HistoryPage(order: .oldestFirst))
        let runs = try history.store.reader.daemonRuns(page)
        #expect(runs.map(\.id) == [1, 2, 3])
        #expect(runs.map(\.durability) == [.normal, .full, .full])
        #expect(runs.map(\.startTime) == [10, 100, 200].map(time))
        #expect(runs.map(\.lastAliveTime) == [20, 100, 200].map(time))
        #expect(runs.map(\.restartTime) == [time(100), time(200), nil])
        #expect(runs.allSatisfy { $0.cleanStopTime == nil })
    }
}
