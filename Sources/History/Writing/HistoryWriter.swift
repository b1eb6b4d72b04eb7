internal import Dispatch
internal import Foundation
internal import GRDB

/// Writes events on its own thread: everything that is queued goes into one transaction (group commit), then one call
/// of `completed` answers all of it.
///
/// Every queued event gets exactly one completion, in the order of submission.
package final class HistoryWriter: Sendable {
    private enum Phase {
        case running
        case closing(at: HistoryTime)
        case abandoned
        /// The thread has ended or is about to, with this result.
        case ended(Result<Void, HistoryError>)
    }

    private struct State {
        var queue: [HistoryWork] = []
        var phase = Phase.running
        var retention: RetentionPolicy
        /// Signalled when nothing is left to do.
        var flushes: [DispatchSemaphore] = []
        /// The thread waits for `wake`.
        var sleeps = false
        /// Nothing that is queued is written, until the end.
        var isHeld = false
        var counts = HistoryWriterCounts()

        /// Whether the thread has to be woken; it counts as awake from now on.
        mutating func takeSleep() -> Bool {
            defer { sleeps = false }
            return sleeps
        }
    }

    private let state: Guarded<State>
    private let wake = DispatchSemaphore(value: 0)
    private let ended = DispatchSemaphore(value: 0)
    private let queuedEventsMax: Int
    private let batchEventsMax: Int
    private let completed: @Sendable ([HistoryCompletion]) -> Void

    /// Starts the thread. Returns once it can write.
    init(
        connection: DatabaseQueue, position: LogPosition, options: HistoryOptions,
        completed: @escaping @Sendable ([HistoryCompletion]) -> Void
    ) throws {
        queuedEventsMax = options.queuedEventsMax
        batchEventsMax = max(options.batchEventsMax, 1)
        self.completed = completed
        state = Guarded(State(retention: options.retention))

        let started = DispatchSemaphore(value: 0)
        let failure = Guarded<SQLiteFailure?>(nil)
        let thread = Thread { [self] in
            // One access for the life of the thread: the connection and its statements never leave it.
            connection.writeWithoutTransaction { db in
                do {
                    let recorder = try EventRecorder(db, position: position)
                    started.signal()
                    run(recorder, db)
                } catch {
                    failure.withLock { $0 = SQLiteFailure(error) }
                    started.signal()
                }
            }
            ended.signal()
        }
        thread.name = "swqd-history"
        thread.start()
        started.wait()
        if let failure = failure.withLock({ $0 }) {
            throw failure
        }
    }

    /// Queues an event; never blocks on the disk. From any thread; the order of calls is the order of the log.
    ///
    /// - Parameter token: given back with the completion; the writer attaches no meaning to it.
    package func submit(_ event: HistoryEvent, token: UInt64) -> HistorySubmission {
        let (answer, mustWake) = state.withLock { state -> (HistorySubmission, Bool) in
            guard case .running = state.phase else { return (.closed, false) }
            guard state.queue.count < queuedEventsMax else { return (.queueFull, false) }
            state.queue.append(.event(event, token: token))
            return (.queued, state.takeSleep())
        }
        if mustWake { wake.signal() }
        return answer
    }

    /// Notes that the daemon is alive at `wall`, and removes what retention no longer keeps. Call it periodically: the
    /// time from the last note or event to the next start is what a crash makes unknown. Has no completion and never
    /// blocks; a failure to write it shows in ``counts``.
    package func noteAlive(at wall: HistoryTime) {
        let mustWake = state.withLock { state -> Bool in
            guard case .running = state.phase else { return false }
            // Two heartbeats in a row say no more than the later one, so a stuck disk does not make the queue grow.
            if case .alive = state.queue.last { state.queue.removeLast() }
            state.queue.append(.alive(wall))
            return state.takeSleep()
        }
        if mustWake { wake.signal() }
    }

    /// Takes effect at the next heartbeat.
    package func setRetention(_ policy: RetentionPolicy) {
        state.withLock { $0.retention = policy }
    }

    /// Keeps what is queued from being written, or lets it: what a test needs to act in between. The end of the run
    /// writes it all the same.
    package func setHold(_ isHeld: Bool) {
        let mustWake = state.withLock { state -> Bool in
            state.isHeld = isHeld
            return state.takeSleep()
        }
        if mustWake { wake.signal() }
    }

    package var counts: HistoryWriterCounts {
        state.withLock { $0.counts }
    }

    /// Blocks until everything that was queued before is written and its completions have been delivered, and
    /// retention has nothing left to remove. Not from `completed`, which runs on the writer's own thread.
    package func flush() {
        let done = DispatchSemaphore(value: 0)
        let (mustWait, mustWake) = state.withLock { state -> (Bool, Bool) in
            guard case .running = state.phase else { return (false, false) }
            state.flushes.append(done)
            return (true, state.takeSleep())
        }
        if mustWake { wake.signal() }
        if mustWait { done.wait() }
    }

    /// Writes what is queued, ends the run and the thread; the database stays for the store to close.
    func close(at wall: HistoryTime) -> Result<Void, HistoryError> {
        end(by: .closing(at: wall))
    }

    /// Ends the thread without ending the run; events still queued are refused.
    func abandon() {
        _ = end(by: .abandoned)
    }

    private func end(by phase: Phase) -> Result<Void, HistoryError> {
        let (first, mustWake) = state.withLock { state -> (Bool, Bool) in
            guard case .running = state.phase else { return (false, false) }
            state.phase = phase
            return (true, state.takeSleep())
        }
        guard first else { return .failure(.closed) }
        if mustWake { wake.signal() }
        ended.wait()
        return state.withLock { state in
            guard case .ended(let result) = state.phase else {
                preconditionFailure("the history's thread ended without a result")
            }
            return result
        }
    }

    // MARK: The thread

    private enum Step {
        case write
        case removeSlice
        case stop(Phase)
        case sleep
    }

    private func run(_ start: consuming EventRecorder, _ db: Database) {
        var recorder = start
        var work: [HistoryWork] = []
        var completions: [HistoryCompletion] = []
        /// The first sequence to keep while a removal is under way.
        var firstKept: Int64?

        while true {
            work.removeAll(keepingCapacity: true)
            switch nextStep(&work, removing: firstKept != nil) {
            case .write:
                write(work, with: &recorder, &completions)
                if work.contains(where: { if case .alive = $0 { true } else { false } }) {
                    firstKept = findFirstKept(db, now: recorder.position.clock.latest)
                }
                // Under steady load the queue is never empty; retention must not wait for that.
                if let kept = firstKept, !removeSlice(db, before: kept) { firstKept = nil }
            case .removeSlice:
                if let kept = firstKept, !removeSlice(db, before: kept) { firstKept = nil }
            case .sleep:
                wake.wait()
            case .stop(let phase):
                let result = finish(phase, work, with: &recorder, db, &completions)
                let flushes = state.withLock { state in
                    state.phase = .ended(result)
                    return state.flushes
                }
                for flush in flushes { flush.signal() }
                return
            }
        }
    }

    /// Takes the queue into `work` and says what to do next; signals the flushes if that is to sleep.
    private func nextStep(_ work: inout [HistoryWork], removing: Bool) -> Step {
        var flushes: [DispatchSemaphore] = []
        let step = state.withLock { state -> Step in
            if state.isHeld, case .running = state.phase {
                state.sleeps = true
                return .sleep
            }
            swap(&work, &state.queue)
            if case .running = state.phase {
                guard work.isEmpty else { return .write }
                guard !removing else { return .removeSlice }
                swap(&flushes, &state.flushes)
                state.sleeps = true
                return .sleep
            }
            return .stop(state.phase)
        }
        for flush in flushes { flush.signal() }
        return step
    }

    private func write(
        _ work: [HistoryWork], with recorder: inout EventRecorder, _ completions: inout [HistoryCompletion]
    ) {
        var rest = work[...]
        while !rest.isEmpty {
            let batch = rest.prefix(batchEventsMax)
            rest = rest.dropFirst(batch.count)
            completions.removeAll(keepingCapacity: true)
            let failure = recorder.record(batch, into: &completions)
            count(completions, ofBatch: batch.count, failure)
            if !completions.isEmpty { completed(completions) }
        }
    }

    private func count(_ completions: [HistoryCompletion], ofBatch size: Int, _ failure: SQLiteFailure?) {
        var recorded: UInt64 = 0
        for completion in completions {
            if case .recorded = completion.outcome { recorded += 1 }
        }
        state.withLock { state in
            state.counts.eventsRecorded += recorded
            state.counts.eventsNotRecorded += UInt64(completions.count) - recorded
            if let failure {
                state.counts.lastFailure = failure
                if completions.count < size { state.counts.upkeepFailures += 1 }
            } else {
                state.counts.batches += 1
            }
        }
    }

    private func findFirstKept(_ db: Database, now: HistoryTime) -> Int64? {
        let policy = state.withLock { $0.retention }
        guard policy != RetentionPolicy() else { return nil }
        return upkeep { try Retention.firstKept(db, policy: policy, now: now) } ?? nil
    }

    /// - Returns: whether another slice is to be removed.
    private func removeSlice(_ db: Database, before firstKept: Int64) -> Bool {
        guard let removed = upkeep({ try Retention.removeSlice(db, before: firstKept) }) else { return false }
        state.withLock { state in
            state.counts.eventsExpired += removed.events
            state.counts.bindingsExpired += removed.bindings
        }
        return removed.events == UInt64(Retention.sliceEvents)
    }

    private func upkeep<Value>(_ body: () throws -> Value) -> Value? {
        do {
            return try body()
        } catch {
            state.withLock { state in
                state.counts.upkeepFailures += 1
                state.counts.lastFailure = SQLiteFailure(error)
            }
            return nil
        }
    }

    private func finish(
        _ phase: Phase, _ work: [HistoryWork], with recorder: inout EventRecorder, _ db: Database,
        _ completions: inout [HistoryCompletion]
    ) -> Result<Void, HistoryError> {
        guard case .closing(let wall) = phase else {
            completions.removeAll(keepingCapacity: true)
            for case .event(_, let token) in work {
                completions.append(HistoryCompletion(token: token, outcome: .refused(.abandoned)))
            }
            if !completions.isEmpty { completed(completions) }
            return .success(())
        }
        write(work, with: &recorder, &completions)
        do {
            try recorder.end(db, at: wall)
            return .success(())
        } catch {
            return .failure(.sqlite(SQLiteFailure(error)))
        }
    }
}
