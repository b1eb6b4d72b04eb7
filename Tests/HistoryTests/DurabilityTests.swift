import CLossyVFS
import History
import TestKit
import Testing

@Suite("Durability")
struct DurabilityTests {
    @Test(arguments: zip(DurabilityMode.allCases, [2, 1, 0]))
    func `The connection that writes has the synchronous setting of its mode`(
        mode: DurabilityMode, synchronous: Int
    ) throws {
        let directory = try TemporaryDirectory()
        let history = try TestHistory(directory, mode)
        #expect(history.store.opening.synchronous == synchronous)
        try history.store.close(at: time(1))
        // An existing database must not differ from a new one.
        #expect(try TestHistory(directory, mode).store.opening.synchronous == synchronous)
    }

    @Test(arguments: DurabilityMode.allCases)
    func `A batch is synced before it is acknowledged under full, and not otherwise`(mode: DurabilityMode) throws {
        let directory = try TemporaryDirectory()
        let disk = LossyDisk(directory)
        let history = try TestHistory(directory, mode)
        let before = disk.syncs
        for ioasid in 1...5 as ClosedRange<UInt32> {
            history.record(event(.bind, ioasid, at: 1))
        }
        let syncs = disk.syncs - before
        if mode == .full {
            #expect(syncs >= 5)
        } else {
            #expect(syncs == 0)
        }
    }

    @Test(arguments: 0..<24 as Range<UInt64>)
    func `A power failure under full loses no acknowledged event`(seed: UInt64) throws {
        let loss = try PowerFailure(.full, seed.isMultiple(of: 2) ? LOSSY_DROP : LOSSY_TEAR, seed: seed).run()
        #expect(loss.acknowledgedLost == 0, "seed \(seed)")
        #expect(loss.opened, "seed \(seed)")
    }

    @Test(arguments: 0..<8 as Range<UInt64>)
    func `A power failure under normal loses at most the newest events`(seed: UInt64) throws {
        let loss = try PowerFailure(.normal, seed.isMultiple(of: 2) ? LOSSY_DROP : LOSSY_TEAR, seed: seed).run()
        #expect(loss.opened, "seed \(seed)")
    }

    @Test
    func `A power failure under off loses acknowledged events`() throws {
        let loss = try PowerFailure(.off, LOSSY_DROP, seed: 1, events: 50).run()
        #expect(loss.acknowledged == 50)
        #expect(loss.acknowledgedLost > 0)
    }

    @Test
    func `A power failure between heartbeats leaves no open interval`() throws {
        let directory = try TemporaryDirectory()
        let disk = LossyDisk(directory)
        do {
            let history = try TestHistory(directory, at: 10)
            history.record(event(.bind, 1, at: 20), event(.bind, 2, at: 30))
            history.alive(at: 40)
            disk.cut()
        }
        disk.restore()
        let history = try TestHistory(directory, at: 100)
        #expect(history.store.opening.recoveredBindings == 2)
        #expect(try history.store.reader.summary().openBindings == 0)
        #expect(history.store.opening.gap?.lastAlive == time(40))
    }
}

/// One run of random events into a power failure, and what was found after it.
private struct PowerFailure {
    struct Loss {
        /// Events acknowledged before the power failed.
        var acknowledged = 0
        /// Those of them that were not found again.
        var acknowledgedLost = 0
        /// Whether the history could be opened again.
        var opened = true
    }

    let mode: DurabilityMode
    let cut: lossy_cut
    let seed: UInt64
    /// The power fails after so many events; `nil` for a random write.
    let events: Int?

    init(_ mode: DurabilityMode, _ cut: lossy_cut, seed: UInt64, events: Int? = nil) {
        self.mode = mode
        self.cut = cut
        self.seed = seed
        self.events = events
    }

    /// What is left is always checked to be a prefix of what was submitted.
    func run() throws -> Loss {
        let directory = try TemporaryDirectory()
        let disk = LossyDisk(directory)
        // The empty history is on the disk before anything fails.
        try TestHistory(directory).store.close(at: time(1))

        var random = SeededGenerator(seed: seed)
        var submitted: [HistoryEvent] = []
        var loss = Loss()
        do {
            let history = try TestHistory(directory, at: 2, mode)
            if events == nil {
                disk.cut(after: .random(in: 0..<4000, using: &random), cut, seed: seed)
            }
            var bound: Set<UInt32> = []
            while !disk.isCut, submitted.count < events ?? 1500 {
                // Several events in one batch now and then.
                var batch: [HistoryEvent] = []
                for _ in 0..<min(Int.random(in: 1...6, using: &random), (events ?? 1500) - submitted.count) {
                    let ioasid = UInt32.random(in: 1...40, using: &random)
                    let kind: HistoryEventKind = bound.remove(ioasid) != nil ? .unbind : .bind
                    if kind == .bind { bound.insert(ioasid) }
                    batch.append(event(kind, ioasid, at: Int64(submitted.count + batch.count) * 10))
                }
                submitted += batch
                let outcomes = history.record(batch)
                for outcome in outcomes {
                    guard let sequence = outcome.sequence else { break }
                    loss.acknowledged += 1
                    #expect(sequence == Int64(loss.acknowledged))
                }
                if outcomes.contains(where: { $0.sequence == nil }) { break }
            }
            if !disk.isCut { disk.cut(cut, seed: seed) }
        }
        disk.restore()

        do {
            let history = try TestHistory(directory, at: 1_000_000, .full)
            let log = try history.log()
            let found = log.map(\.event).prefix { $0.cause != .daemonRestart }
            #expect(found.elementsEqual(submitted.prefix(found.count)), "seed \(seed): not a prefix")
            #expect(log.dropFirst(found.count).allSatisfy { $0.event.cause == .daemonRestart })
            #expect(try history.store.reader.summary().openBindings == 0)
            loss.acknowledgedLost = max(loss.acknowledged - found.count, 0)
        } catch is HistoryError {
            loss.opened = false
            loss.acknowledgedLost = loss.acknowledged
        }
        return loss
    }
}
