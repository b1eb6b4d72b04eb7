internal import History
internal import Platform

/// Hands events to the history's writer and calls back when they are durable, on the loop's thread.
///
/// The writer's queue is bounded; what does not fit waits here, in order. Nothing else on the loop may overtake it, or
/// the log would show an IOASID bound twice.
final class HistoryRecorder {
    typealias Completion = (HistoryCompletion.Outcome) -> Void

    private let store: HistoryStore
    private var waiting: [(event: HistoryEvent, token: UInt64)] = []
    private var completions: [UInt64: Completion] = [:]
    private var nextToken: UInt64 = 1
    /// The newest sequence that was acknowledged.
    private(set) var lastDurableSequence: Int64 = 0
    /// Why the daemon must stop: something happened that the history could not record.
    private(set) var fatalFailure: String?

    init(_ store: HistoryStore) {
        self.store = store
    }

    var reader: HistoryReader { store.reader }

    /// Whether every event was answered.
    var isIdle: Bool { completions.isEmpty }

    /// Records something that is about to happen. `completion` decides: it happens only if the event was recorded.
    func record(_ event: HistoryEvent, completion: @escaping Completion) {
        let token = nextToken
        nextToken += 1
        completions[token] = completion
        waiting.append((event, token))
        submitWaiting()
    }

    /// Records something that has happened and cannot be taken back. If that fails the daemon must stop: a restart
    /// closes what the log shows open.
    func recordFact(_ event: HistoryEvent, completion: @escaping (_ sequence: Int64) -> Void) {
        record(event) { [self] outcome in
            switch outcome {
            case .recorded(let sequence, _):
                completion(sequence)
            case .refused(let refusal):
                fatalFailure = "\(event.kind) of IOASID \(event.subject.ioasid) refused: \(refusal)"
            case .failed(let failure):
                fatalFailure = "\(event.kind) of IOASID \(event.subject.ioasid) not written: \(failure)"
            }
        }
    }

    /// Takes the writer's answer.
    func complete(_ completion: HistoryCompletion) {
        if case .recorded(let sequence, _) = completion.outcome { lastDurableSequence = sequence }
        completions.removeValue(forKey: completion.token)?(completion.outcome)
        submitWaiting()
    }

    private func submitWaiting() {
        var taken = 0
        while taken < waiting.count {
            guard store.writer.submit(waiting[taken].event, token: waiting[taken].token) == .queued else { break }
            taken += 1
        }
        waiting.removeFirst(taken)
    }

    /// Marks the daemon as alive, for the answer 'unknown' after a crash.
    func noteAlive() {
        store.writer.noteAlive(at: HistoryTime(nanoseconds: WallClock.nanoseconds()))
    }

    func setRetention(_ policy: RetentionPolicy) {
        store.writer.setRetention(policy)
    }

    /// Keeps events from becoming durable, or lets them.
    func setHold(_ isHeld: Bool) {
        store.writer.setHold(isHeld)
    }

    /// Marks a stop in order.
    func close() throws(HistoryError) {
        try store.close(at: HistoryTime(nanoseconds: WallClock.nanoseconds()))
    }
}

/// What a query found, on its way from the reader's thread to the loop.
enum HistoryAnswer: Sendable {
    case events(Result<[EventRow], HistoryError>)
    case bindings(Result<[BindingRow], HistoryError>)
    case ownership(Result<HistoryOwnership, HistoryError>)
}
