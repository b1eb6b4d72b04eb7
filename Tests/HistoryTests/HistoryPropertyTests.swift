import History
import TestKit
import Testing

@Suite("History against a reference model")
struct HistoryPropertyTests {
    /// Random events, clocks that step back, heartbeats, retention, clean stops and crashes.
    @Test(arguments: 0..<32 as Range<UInt64>)
    func `Every answer as of a time is that of a list of intervals`(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var options = HistoryOptions()
        options.durability = seed.isMultiple(of: 4) ? .full : .off
        let retains = seed.isMultiple(of: 3)

        let directory = try TemporaryDirectory()
        var wall: Int64 = 1000
        var reference = Reference(wall: wall, loses: options.durability != .full)
        var history: TestHistory? = try TestHistory(directory, at: wall, options)

        for _ in 0..<60 {
            wall +=
                Int.random(in: 0..<20, using: &random) == 0
                ? Int64.random(in: -500..<0, using: &random) : Int64.random(in: 0..<40, using: &random)
            guard let store = history else { break }
            switch Int.random(in: 0..<20, using: &random) {
            case 0:
                try store.store.close(at: time(wall))
                reference.stop(wall)
                history = nil
            case 1:
                history = nil
                reference.crash()
            case 2, 3:
                if retains {
                    store.store.writer.setRetention(RetentionPolicy(eventsMax: .random(in: 1...60, using: &random)))
                }
                store.alive(at: wall)
                reference.alive(wall)
            default:
                let events = (0..<Int.random(in: 1...5, using: &random)).map { _ in
                    event(
                        Bool.random(using: &random) ? .bind : .unbind, .random(in: 1...4, using: &random), at: wall,
                        vm: .random(in: 1...2, using: &random))
                }
                for (event, outcome) in zip(events, store.record(events)) {
                    #expect(outcome.time.map(\.nanoseconds) == reference.record(event), "seed \(seed)")
                }
            }
            if history == nil {
                wall += Int64.random(in: -100..<200, using: &random)
                history = try TestHistory(directory, at: wall, options)
                reference.start(wall)
            }
            if let history, Int.random(in: 0..<5, using: &random) == 0 {
                try compare(history, reference, seed, &random)
            }
        }
    }

    private func compare(
        _ history: TestHistory, _ reference: Reference, _ seed: UInt64, _ random: inout SeededGenerator
    ) throws {
        let reader = history.store.reader
        let edges = reference.intervals.suffix(2).flatMap { [$0.start, $0.end ?? $0.start, $0.lastAlive ?? $0.start] }
        var instants = Set(edges).flatMap { [$0 - 1, $0, $0 + 1] }
        for _ in 0..<3 { instants.append(.random(in: 990...reference.latest + 10, using: &random)) }
        let oldest = try reader.summary().oldest
        for instant in instants {
            for ioasid in 1...4 as ClosedRange<UInt32> {
                let answer: Reference.Answer =
                    switch try reader.owner(ofIOASID: ioasid, at: time(instant)) {
                    case .bound(let binding): .bound(binding.bound.time.nanoseconds)
                    case .unbound: .unbound
                    case .unknown: .unknown
                    case .expired: .expired
                    }
                #expect(
                    answer == reference.owner(ioasid, at: instant, oldest),
                    "seed \(seed), IOASID \(ioasid) at \(instant)")
            }
            for vm in 1...2 as ClosedRange<UInt64> {
                let holdings = try reader.holdings(of: .vm(vm), at: time(instant))
                let expected = (1...4 as ClosedRange<UInt32>).filter { ioasid in
                    guard case .bound(let start) = reference.owner(ioasid, at: instant, oldest) else { return false }
                    return reference.intervals.contains { $0.start == start && $0.vm == vm }
                }
                #expect(holdings.bound.map(\.subject.ioasid) == expected, "seed \(seed), VM \(vm) at \(instant)")
            }
        }
    }
}

/// The history as a list, scanned from end to end.
private struct Reference {
    enum Answer: Equatable {
        /// By the binding that began at this time.
        case bound(Int64)
        case unbound
        case unknown
        case expired
    }

    struct Interval {
        let ioasid: UInt32
        let vm: UInt64
        let start: Int64
        var end: Int64?
        /// Sequence of the unbind.
        var endSequence: Int64?
        var lastAlive: Int64?
    }

    /// Whether a crash may have lost a bind.
    let loses: Bool
    var latest: Int64
    var sequence: Int64 = 0
    var intervals: [Interval] = []
    /// Crashes: nothing is known strictly between the two times.
    var gaps: [(lastAlive: Int64, restart: Int64)] = []
    private var crashed = false

    init(wall: Int64, loses: Bool) {
        latest = wall
        self.loses = loses
    }

    private mutating func stamp(_ wall: Int64) -> Int64 {
        latest = max(latest + 1, wall)
        return latest
    }

    /// The effective time, or `nil` if the event contradicts the list.
    mutating func record(_ event: HistoryEvent) -> Int64? {
        let open = intervals.firstIndex { $0.ioasid == event.subject.ioasid && $0.end == nil }
        guard (event.kind == .bind) == (open == nil) else { return nil }
        let time = stamp(event.wallTime.nanoseconds)
        sequence += 1
        if let open {
            intervals[open].end = time
            intervals[open].endSequence = sequence
        } else {
            intervals.append(Interval(ioasid: event.subject.ioasid, vm: event.subject.vm ?? 0, start: time))
        }
        return time
    }

    mutating func alive(_ wall: Int64) {
        latest = max(latest, wall)
    }

    private mutating func closeAll(_ wall: Int64, lastAlive: Int64?) {
        for index in intervals.indices where intervals[index].end == nil {
            intervals[index].end = stamp(wall)
            sequence += 1
            intervals[index].endSequence = sequence
            intervals[index].lastAlive = lastAlive
        }
    }

    mutating func stop(_ wall: Int64) {
        closeAll(wall, lastAlive: nil)
        alive(wall)
    }

    mutating func crash() {
        crashed = true
    }

    mutating func start(_ wall: Int64) {
        let lastAlive = latest
        closeAll(wall, lastAlive: lastAlive)
        let start = stamp(wall)
        if crashed { gaps.append((lastAlive, start)) }
        crashed = false
    }

    func owner(_ ioasid: UInt32, at time: Int64, _ oldest: EventRow?) -> Answer {
        let horizon = oldest.flatMap { $0.sequence > 1 ? $0 : nil }
        for interval in intervals where interval.ioasid == ioasid && interval.start <= time {
            guard interval.end.map({ time < $0 }) ?? true else { continue }
            if let horizon, let end = interval.endSequence, end < horizon.sequence { return .expired }
            return interval.lastAlive.map { time > $0 } ?? false ? .unknown : .bound(interval.start)
        }
        if let horizon, time < horizon.time.nanoseconds { return .expired }
        return loses && gaps.contains { $0.lastAlive < time && time < $0.restart } ? .unknown : .unbound
    }
}
