import Dispatch
import Testing

@testable import History

@Suite("History queries")
struct QueryTests {
    private let directory: TemporaryDirectory
    private let history: TestHistory

    /// Six events: VM 1 and VM 2 bind, a host process of another user binds, VM 1 unbinds.
    init() throws {
        directory = try TemporaryDirectory()
        history = try TestHistory(directory, at: 1)
        history.record(
            event(.alloc, 1, at: 10, vm: 1),
            event(.bind, 1, at: 20, vm: 1, process: 11),
            event(.bind, 2, at: 30, cause: .migration, vm: 2, process: 12),
            event(.bind, 3, at: 40, vm: nil, process: 13, uid: 1001),
            event(.unbind, 1, at: 50, cause: .clientDied, vm: 1, process: 11),
            event(.free, 1, at: 60, vm: 1))
    }

    private func sequences(_ change: (inout EventQuery) -> Void) throws -> [Int64] {
        var query = EventQuery()
        change(&query)
        return try history.store.reader.events(query).map(\.sequence)
    }

    private func bound(_ change: (inout BindingQuery) -> Void) throws -> [UInt32] {
        var query = BindingQuery()
        change(&query)
        return try history.store.reader.bindings(query).map(\.subject.ioasid)
    }

    @Test
    func `Events come newest first unless the page says otherwise`() throws {
        #expect(try sequences { _ in } == [6, 5, 4, 3, 2, 1])
        let page = try #require(HistoryPage(order: .oldestFirst))
        #expect(try sequences { $0.page = page } == [1, 2, 3, 4, 5, 6])
    }

    @Test
    func `A page has a limit and an offset`() throws {
        let page = try #require(HistoryPage(limit: 2, offset: 3))
        #expect(try sequences { $0.page = page } == [3, 2])
    }

    @Test(arguments: [(0, 0), (1001, 0), (-1, 0), (1, -1)])
    func `A page outside of its bounds is refused`(limit: Int, offset: Int) {
        #expect(HistoryPage(limit: limit, offset: offset) == nil)
    }

    @Test
    func `Each filter of the event log selects its column`() throws {
        #expect(try sequences { $0.filter.ioasid = 1 } == [6, 5, 2, 1])
        #expect(try sequences { $0.filter.guestPASID = 102 } == [3])
        #expect(try sequences { $0.filter.vm = 1 } == [6, 5, 2, 1])
        #expect(try sequences { $0.filter.process = 13 } == [4])
        #expect(try sequences { $0.filter.uid = 1001 } == [4])
        #expect(try sequences { $0.filter.deviceRID = 0x6A01 } == [6, 5, 4, 3, 2, 1])
        #expect(try sequences { $0.filter.deviceRID = 0x6A02 } == [])
        #expect(try sequences { $0.filter.ioasidSet = 1 }.count == 6)
        #expect(try sequences { $0.filter.ioasidSet = 2 }.isEmpty)
        #expect(try sequences { $0.filter.pid = 4242 }.count == 6)
        #expect(try sequences { $0.filter.pid = 1 }.isEmpty)
        #expect(try sequences { $0.filter.connection = 9 }.count == 6)
        #expect(try sequences { $0.filter.connection = 8 }.isEmpty)
        #expect(try sequences { $0.filter.daemonRun = 1 }.count == 6)
        #expect(try sequences { $0.filter.daemonRun = 2 }.isEmpty)
        #expect(try sequences { $0.kind = .bind } == [4, 3, 2])
        #expect(try sequences { $0.cause = .clientDied } == [5])
    }

    @Test
    func `Filters combine`() throws {
        #expect(
            try sequences {
                $0.filter.vm = 1
                $0.kind = .bind
            } == [2])
    }

    @Test(
        arguments: [
            (0, 10, []), (0, 11, [1]), (20, 41, [4, 3, 2]), (21, 30, []), (60, 61, [6]), (61, 100, []),
            (0, 100, [6, 5, 4, 3, 2, 1]),
        ] as [(Int64, Int64, [Int64])])
    func `A time range includes its start and excludes its end`(from: Int64, to: Int64, expected: [Int64]) throws {
        #expect(try sequences { $0.times = time(from)..<time(to) } == expected)
    }

    @Test
    func `A sequence range includes its start and excludes its end`() throws {
        #expect(try sequences { $0.sequences = 2..<4 } == [3, 2])
        #expect(try bound { $0.sequences = 2..<4 } == [2, 1])
    }

    @Test
    func `Bindings are found by what they concern and whether they are open`() throws {
        #expect(try bound { _ in } == [3, 2, 1])
        #expect(try bound { $0.openOnly = true } == [3, 2])
        #expect(try bound { $0.filter.vm = 2 } == [2])
        #expect(try bound { $0.filter.process = 13 } == [3])
        #expect(try bound { $0.filter.guestPASID = 101 } == [1])
    }

    @Test(
        arguments: [
            (0, 20, []), (0, 21, [1]), (45, 50, [3, 2, 1]), (49, 100, [3, 2, 1]), (50, 100, [3, 2]),
        ] as [(Int64, Int64, [UInt32])])
    func `A time range finds the bindings that held at some time of it`(
        from: Int64, to: Int64, expected: [UInt32]
    ) throws {
        #expect(try bound { $0.times = time(from)..<time(to) } == expected)
    }

    @Test
    func `The owner of an IOASID at a time is whoever had bound it and not yet unbound it`() throws {
        #expect(try history.owner(1, at: 19) == .unbound)
        #expect(try history.owner(1, at: 20).binding?.subject.vm == 1)
        #expect(try history.owner(1, at: 49).binding?.subject.vm == 1)
        #expect(try history.owner(1, at: 50) == .unbound)
        #expect(try history.owner(2, at: 1_000_000).binding?.subject.vm == 2)
        #expect(try history.owner(9, at: 30) == .unbound)
    }

    @Test
    func `The holdings of a VM or a process at a time come by IOASID, in pages`() throws {
        history.record((10..<20).reversed().map { event(.bind, $0, at: 100, vm: 5, process: UInt64($0) % 2) })
        let reader = history.store.reader
        var after: UInt32?
        var pages: [[UInt32]] = []
        repeat {
            let page = try reader.holdings(of: .vm(5), at: time(200), after: after, limit: 4)
            pages.append(page.bound.map(\.subject.ioasid))
            after = page.continueAfter
        } while after != nil
        #expect(pages == [[10, 11, 12, 13], [14, 15, 16, 17], [18, 19]])
        #expect(
            try reader.holdings(of: .process(1), at: time(200)).bound.map(\.subject.ioasid) == [11, 13, 15, 17, 19])
        #expect(try reader.holdings(of: .vm(5), at: time(99)).bound.isEmpty)
        #expect(try reader.holdings(of: .vm(1), at: time(30)).bound.map(\.subject.ioasid) == [1])
        #expect(try reader.holdings(of: .vm(1), at: time(50)).bound.isEmpty)
    }

    @Test
    func `The summary gives the extent of the history`() throws {
        let summary = try history.store.reader.summary()
        #expect(summary.events == 6)
        #expect(summary.oldest?.sequence == 1)
        #expect(summary.newest?.time == time(60))
        #expect(summary.openBindings == 2)
    }

    @Test
    func `An acknowledged event is seen by every later query on another thread`() throws {
        let answers = Guarded<[Int64]>([])
        for ioasid in 100..<150 as Range<UInt32> {
            let sequence = try #require(history.record(event(.bind, ioasid, at: 100)).first?.sequence)
            let done = DispatchSemaphore(value: 0)
            let taken = history.store.reader.perform { reader in
                // A failure leaves an answer out.
                if case .bound(let binding)? = try? reader.owner(ofIOASID: ioasid, at: time(1_000_000)) {
                    answers.withLock { $0.append(binding.bound.sequence) }
                }
                done.signal()
            }
            #expect(taken)
            done.wait()
            #expect(answers.withLock { $0.last } == sequence)
        }
    }

    @Test
    func `More waiting queries than the limit are refused`() throws {
        let hold = DispatchSemaphore(value: 0)
        let reader = history.store.reader
        var taken = 0
        while reader.perform({ _ in hold.wait() }) { taken += 1 }
        #expect(taken == HistoryReader.waitingMax)
        for _ in 0..<taken { hold.signal() }
        try history.store.close(at: time(1000))
    }
}
