import Dispatch
import Foundation
import Glibc
import Testing

@testable import History

@Suite("History writer")
struct WriterTests {
    @Test
    func `Events are numbered from 1 and completed in the order of submission`() throws {
        let directory = try TemporaryDirectory()
        let history = try TestHistory(directory)
        let outcomes = history.record((1...300).map { event(.bind, $0, at: Int64($0)) })
        #expect(outcomes.map(\.sequence) == (1...300).map { $0 })
        #expect(history.store.writer.counts.eventsRecorded == 300)
    }

    @Test
    func `Whatever is queued while a batch is written becomes one batch with one report`() throws {
        let directory = try TemporaryDirectory()
        let history = try TestHistory(directory)
        history.reports.holdNext()
        #expect(history.store.writer.submit(event(.bind, 1, at: 1), token: 500) == .queued)
        history.reports.waitUntilHeld()
        for ioasid in 2...101 as ClosedRange<UInt32> {
            #expect(history.store.writer.submit(event(.bind, ioasid, at: 1), token: UInt64(ioasid)) == .queued)
        }
        history.reports.resume()
        history.store.writer.flush()
        #expect(history.reports.batches.map { $0.map(\.token) } == [[500], (2...101).map { $0 }])
        #expect(history.store.writer.counts.batches == 2)
    }

    @Test
    func `A transaction holds no more events than the limit`() throws {
        let directory = try TemporaryDirectory()
        var options = HistoryOptions()
        options.batchEventsMax = 10
        let history = try TestHistory(directory, options)
        history.reports.holdNext()
        #expect(history.store.writer.submit(event(.alloc, 1, at: 1), token: 0) == .queued)
        history.reports.waitUntilHeld()
        for token in 1...25 as ClosedRange<UInt64> {
            #expect(history.store.writer.submit(event(.alloc, 1, at: 1), token: token) == .queued)
        }
        history.reports.resume()
        history.store.writer.flush()
        #expect(history.reports.batches.map(\.count) == [1, 10, 10, 5])
    }

    @Test
    func `A full queue refuses an event and takes the next after a completion`() throws {
        let directory = try TemporaryDirectory()
        var options = HistoryOptions()
        options.queuedEventsMax = 3
        let history = try TestHistory(directory, options)
        history.reports.holdNext()
        #expect(history.store.writer.submit(event(.bind, 1, at: 1), token: 1) == .queued)
        history.reports.waitUntilHeld()
        for ioasid in 2...4 as ClosedRange<UInt32> {
            #expect(history.store.writer.submit(event(.bind, ioasid, at: 1), token: UInt64(ioasid)) == .queued)
        }
        #expect(history.store.writer.submit(event(.bind, 5, at: 1), token: 5) == .queueFull)
        history.reports.resume()
        history.store.writer.flush()
        #expect(history.store.writer.submit(event(.bind, 5, at: 1), token: 6) == .queued)
        history.store.writer.flush()
        #expect(history.reports.completions.map(\.token) == [1, 2, 3, 4, 6])
    }

    @Test
    func `Every column comes back as it was given`() throws {
        let directory = try TemporaryDirectory()
        let history = try TestHistory(directory)
        let largest = HistoryEvent(
            kind: .bind, cause: .migration, wallTime: time(.max - 10),
            subject: HistorySubject(
                ioasid: 0xF_FFFF, guestPASID: 0xF_FFFF, ioasidSet: .max, vm: .max, deviceRID: .max, process: .max,
                uid: .max, pid: .max, connection: .max))
        let smallest = HistoryEvent(
            kind: .alloc, cause: .daemonStart, wallTime: time(0), subject: HistorySubject(ioasid: 0, ioasidSet: 0))
        let unbind = HistoryEvent(
            kind: .unbind, cause: .vmTornDown, wallTime: time(.max - 9), subject: largest.subject)
        history.record(smallest, largest, unbind)

        let log = try history.log()
        #expect(log.map(\.event) == [smallest, largest, unbind])
        #expect(log.map(\.boundSequence) == [nil, nil, 2])
        #expect(log.allSatisfy { $0.daemonRun == history.store.opening.run })
        let binding = try #require(try history.bindings().first)
        #expect(binding.subject == largest.subject)
        #expect(
            binding.bound == .init(sequence: 2, time: time(.max - 10), wallTime: time(.max - 10), cause: .migration))
        #expect(
            binding.unbound == .init(sequence: 3, time: time(.max - 9), wallTime: time(.max - 9), cause: .vmTornDown))
        #expect(binding.lastAliveTime == nil)
    }

    @Test(arguments: HistoryCause.allCases)
    func `Every cause can be stored`(cause: HistoryCause) throws {
        let directory = try TemporaryDirectory()
        let history = try TestHistory(directory)
        history.record(event(.bind, 1, at: 1, cause: cause), event(.unbind, 1, at: 2, cause: cause))
        #expect(try history.log().map(\.event.cause) == [cause, cause])
        #expect(try history.bindings().map(\.bound.cause) == [cause])
        #expect(try history.bindings().map(\.unbound?.cause) == [cause])
    }

    @Test
    func `A bind of a bound IOASID is refused and its neighbours are recorded`() throws {
        let directory = try TemporaryDirectory()
        let history = try TestHistory(directory)
        let outcomes = history.record(event(.bind, 1, at: 1), event(.bind, 1, at: 2), event(.bind, 2, at: 3))
        #expect(outcomes[1] == .refused(.alreadyBound(boundSequence: 1)))
        #expect(outcomes.map(\.sequence) == [1, nil, 2])
    }

    @Test
    func `An unbind of an IOASID that is not bound is refused`() throws {
        let directory = try TemporaryDirectory()
        let history = try TestHistory(directory)
        #expect(history.record(event(.unbind, 1, at: 1)) == [.refused(.notBound)])
        #expect(try history.log().isEmpty)
        #expect(history.store.writer.counts.eventsNotRecorded == 1)
    }

    @Test
    func `A further device belongs to the open binding of its IOASID, and needs one`() throws {
        let directory = try TemporaryDirectory()
        let history = try TestHistory(directory)
        for kind in [HistoryEventKind.bindDevice, .unbindDevice] {
            #expect(history.record(event(kind, 1, at: 1)) == [.refused(.notBound)])
        }
        history.record(
            event(.bind, 1, at: 1), event(.bindDevice, 1, at: 2), event(.unbindDevice, 1, at: 3),
            event(.unbind, 1, at: 4))
        #expect(try history.log().map(\.boundSequence) == [nil, 1, 1, 1])
        #expect(try history.bindings().map(\.unbound?.sequence) == [4])
    }

    @Test
    func `A wall clock that steps back reorders nothing and is kept beside the effective time`() throws {
        let directory = try TemporaryDirectory()
        let history = try TestHistory(directory, at: 500)
        history.record(
            event(.bind, 1, at: 1000), event(.unbind, 1, at: 400), event(.bind, 1, at: 300), event(.unbind, 1, at: 2000)
        )
        let log = try history.log()
        #expect(log.map(\.time) == [1000, 1001, 1002, 2000].map(time))
        #expect(log.map(\.event.wallTime) == [1000, 400, 300, 2000].map(time))
        #expect(try history.owner(1, at: 1000).binding?.bound.sequence == 1)
        #expect(try history.owner(1, at: 1001) == .unbound)
        #expect(try history.owner(1, at: 1002).binding?.bound.sequence == 3)
        #expect(try history.owner(1, at: 2000) == .unbound)
    }

    @Test
    func `A full disk fails each event of the batch, and the same events can be recorded later`() throws {
        let directory = try TemporaryDirectory()
        let disk = LossyDisk(directory)
        let history = try TestHistory(directory)
        history.record(event(.bind, 1, at: 1))
        disk.limit(0)
        let failed = history.record(event(.bind, 2, at: 2), event(.unbind, 1, at: 3))
        for outcome in failed {
            guard case .failed(let failure) = outcome else {
                Issue.record("\(outcome) on a full disk")
                continue
            }
            #expect(failure.primaryCode == 13)  // SQLITE_FULL
        }
        #expect(history.store.writer.counts.lastFailure?.primaryCode == 13)
        #expect(try history.owner(1, at: 10).binding != nil)

        disk.limit(nil)
        let outcomes = history.record(event(.bind, 2, at: 4), event(.unbind, 1, at: 5))
        #expect(outcomes.map(\.sequence) == [2, 3])
        #expect(try history.owner(1, at: 10) == .unbound)
        #expect(try history.owner(2, at: 10).binding?.bound.sequence == 2)
    }

    @Test
    func `A failing heartbeat is counted`() throws {
        let directory = try TemporaryDirectory()
        let disk = LossyDisk(directory)
        let history = try TestHistory(directory)
        disk.limit(0)
        history.alive(at: 5)
        #expect(history.store.writer.counts.upkeepFailures == 1)
        #expect(history.store.writer.counts.lastFailure?.primaryCode == 13)
    }

    @Test
    func `Nothing is taken after the close`() throws {
        let directory = try TemporaryDirectory()
        let history = try TestHistory(directory)
        try history.store.close(at: time(1))
        #expect(history.store.writer.submit(event(.bind, 1, at: 2), token: 1) == .closed)
        history.store.writer.noteAlive(at: time(3))
        history.store.writer.flush()
        #expect(history.reports.completions.isEmpty)
        #expect(throws: HistoryError.closed) { try history.store.close(at: time(2)) }
        #expect(throws: HistoryError.closed) { try history.store.reader.summary() }
    }

    @Test
    func `The close writes what is queued`() throws {
        let directory = try TemporaryDirectory()
        let history = try TestHistory(directory)
        history.reports.holdNext()
        #expect(history.store.writer.submit(event(.bind, 1, at: 1), token: 1) == .queued)
        history.reports.waitUntilHeld()
        #expect(history.store.writer.submit(event(.bind, 2, at: 2), token: 2) == .queued)
        history.reports.resume()
        try history.store.close(at: time(3))
        #expect(history.reports.completions.map(\.outcome.sequence) == [1, 2])
        #expect(try TestHistory(directory, at: 4).log().count == 4)
    }

    @Test
    func `Events that wait when the history is abandoned are refused`() throws {
        let directory = try TemporaryDirectory()
        let history = try TestHistory(directory)
        history.reports.holdNext()
        #expect(history.store.writer.submit(event(.bind, 1, at: 1), token: 1) == .queued)
        history.reports.waitUntilHeld()
        #expect(history.store.writer.submit(event(.bind, 2, at: 2), token: 2) == .queued)
        let abandoned = DispatchSemaphore(value: 0)
        Thread.detachNewThread {
            history.store.writer.abandon()
            abandoned.signal()
        }
        // The writer is held, so whatever is still taken waits behind event 2 until the abandonment has begun.
        var waiting: [UInt64] = [2]
        while history.store.writer.submit(event(.alloc, 3, at: 3), token: 3) == .queued {
            waiting.append(3)
            sched_yield()
        }
        history.reports.resume()
        abandoned.wait()
        let completions = history.reports.completions
        #expect(completions.first?.outcome.sequence == 1)
        #expect(completions.dropFirst().map(\.token) == waiting)
        #expect(completions.dropFirst().allSatisfy { $0.outcome == .refused(.abandoned) })
    }
}
