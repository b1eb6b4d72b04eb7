internal import CClient
internal import Logging
internal import Machine
internal import PCIe
internal import Platform
internal import Protocol
internal import ProtocolMessages
internal import Virtualization

// How the loop serves rings. A ring that has had work lately is looked at in every turn; one that has had none for its
// patience falls asleep, and its client's bell wakes the loop. So clients in a dialogue pay no system call, and idle
// ones cost nothing.

extension Server {
    /// The sockets are looked at at least so often while rings are, nanoseconds.
    private static let ringTurnNanoseconds: UInt64 = 10_000
    /// The clock is read once in so many looks.
    private static let looksPerClock = 16

    /// The longest patience with a ring, nanoseconds.
    var ringPatienceMax: UInt64 { UInt64(configuration.limits.ringSpinMicroseconds) * 1000 }

    /// A ring's bell rang.
    func wake(_ ring: Ring) {
        ring.wakeUp()
        ring.wakeupCount += 1
        let now = MonotonicClock.nanoseconds()
        ring.lastWork = now
        guard !ring.isPolled else { return }
        // A short sleep should have been none; after a long one the loop has looked for nothing.
        let wasShort = now - ring.asleepSince < ringPatienceMax
        ring.patience =
            wasShort ? min(max(ring.patience, 1000) * 2, ringPatienceMax) : ring.patience / 2
        ring.isPolled = true
        polledRings.append(ring)
    }

    /// Looks at the rings that are awake until none of them has work or the sockets should be looked at.
    ///
    /// - Parameter isBusy: Whether the devices have work that they could go on with.
    /// - Returns: The same, afterwards.
    func serveRings(isBusy: Bool) -> Bool {
        guard !polledRings.isEmpty else { return isBusy }
        var isBusy = isBusy
        let end = MonotonicClock.nanoseconds() + Self.ringTurnNanoseconds
        var now = end - Self.ringTurnNanoseconds
        while true {
            for _ in 0..<Self.looksPerClock {
                var hasServed = false
                var index = 0
                // Serving a ring can end it, or others.
                while index < polledRings.count {
                    let ring = polledRings[index]
                    if ring.hasPending {
                        serve(ring)
                        ring.lastWork = now
                        hasServed = true
                    }
                    if index < polledRings.count, polledRings[index] === ring { index += 1 }
                }
                guard hasServed || isBusy else {
                    swq_ring_pause()
                    continue
                }
                isBusy = stepMachine()
                if !dirtySessions.isEmpty { flushDirtySessions() }
            }
            now = MonotonicClock.nanoseconds()
            putIdleRingsToSleep(now)
            guard now < end, !polledRings.isEmpty, resumedSessions.isEmpty else { return isBusy }
        }
    }

    private func putIdleRingsToSleep(_ now: UInt64) {
        polledRings.removeAll { ring in
            guard now - min(ring.lastWork, now) >= ring.patience, ring.fallAsleep() else { return false }
            ring.isPolled = false
            ring.asleepSince = now
            return true
        }
    }

    /// Carries out what is published in a ring.
    func serve(_ ring: Ring) {
        let session = ring.session
        var order = InlineArray<64, UInt8>(repeating: 0)
        let count = ring.take(into: &order)
        for place in 0..<count {
            let slot = order[place]
            // A step of the machine can end a process, and the ring with it. A halted vCPU executes nothing.
            guard session.ring === ring, !isHalted(session) else {
                _ = ring.answer(.detached, at: slot)
                continue
            }
            guard let submission = ring.submission(at: slot) else {
                endCorrupted(ring, slot: slot)
                continue
            }
            let outcome = machine.submit(
                submission.kind, destination: submission.destination, source: .bytes(submission.descriptor),
                on: session.processor)
            ring.submissionCount &+= 1
            let isIntact =
                submission.isPosted
                ? ring.finishPosted(at: slot)
                : ring.answer(RingAnswer(outcome, of: submission.kind), at: slot)
            if !isIntact { endCorrupted(ring, slot: slot) }
            submissionsSinceStep += 1
            if submissionsSinceStep >= Self.submissionsPerStep { stepMachine() }
        }
    }

    private func isHalted(_ session: Session) -> Bool {
        !haltedVCPUs.isEmpty && haltedVCPUs.contains { $0.session === session }
    }

    /// A client has written into its ring what no program writes that uses it: its connection ends.
    private func endCorrupted(_ ring: Ring, slot: UInt8) {
        let session = ring.session
        guard session.ring === ring else { return }
        log.warning(
            "a client has corrupted its ring", metadata: ["connection": "\(session.id)", "slot": "\(slot)"])
        endRing(of: session)
        var event = WireRingCorruptedEvent()
        event.connection = session.id
        event.slot = UInt32(slot)
        announce(.ringCorrupted(event), about: nil, servedBy: [session.id])
        flush(session)
        close(session)
    }

    /// Ends a session's ring, if it has one. What is published and not taken is answered as detached.
    func endRing(of session: Session) {
        guard let ring = session.ring else { return }
        session.ring = nil
        polledRings.removeAll { $0 === ring }
        try? poller.remove(ring.bell.descriptor)
        ring.close()
    }
}

extension RingAnswer {
    /// What the program sees of an instruction.
    @inline(__always)
    init(_ outcome: SubmissionOutcome, of kind: EnqueueInstruction.Kind) {
        switch outcome {
        case .retired(let flags): self = kind != .movdir64b && flags.contains(.zero) ? .retry : .accepted
        case .skipped: self = .retry
        case .exception(let exception), .injected(_, _, let exception), .unmappedGuestAddress(_, let exception):
            self.init(exception)
        case .untranslated: preconditionFailure("a hypervisor has a policy for each exit")
        }
    }
}
