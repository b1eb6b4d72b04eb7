internal import DSA
internal import History
internal import IDXD
internal import Logging
internal import Machine
internal import Platform
internal import ProtocolMessages

extension Server {
    /// What a poll token stands for.
    enum Source {
        static let mailbox: UInt64 = 1 << 63
        static let signals: UInt64 = 1 << 63 | 1
        /// The process of a session, whose own token stands in the bits below.
        static let process: UInt64 = 1 << 63 | 1 << 62
        static let listener: UInt64 = 1 << 62
        /// The bell of a session's ring; together with the bits of ``process``.
        static let ring: UInt64 = 1 << 63 | 1 << 62 | 1 << 31
    }

    private static let heartbeatNanoseconds: UInt64 = 1_000_000_000

    /// Serves until a stop is complete.
    ///
    /// - Throws: ``DaemonError/historyFailed(_:)`` when the history can no longer be written.
    func run() throws {
        try poller.add(mailbox.wakeup.descriptor, events: .readable, token: Source.mailbox)
        try poller.add(signals.descriptor, events: .readable, token: Source.signals)
        for (index, listening) in listeners.enumerated() {
            try poller.add(
                listening.listener.descriptor, events: .readable, token: Source.listener | UInt64(index))
        }
        var events = PollEventBuffer(capacity: 512)
        var isBusy = false
        notifier.ready(log)
        while true {
            let hasWork = isBusy || hasAnsweredPages || !resumedSessions.isEmpty || !polledRings.isEmpty
            let timeout: PollTimeout = hasWork ? .immediate : timeUntilNextDeadline()
            try poller.wait(into: &events, timeout: timeout)
            for index in 0..<events.count { handle(events[index]) }
            resumeSessions()
            isBusy = stepMachine()
            flushDirtySessions()
            isBusy = serveRings(isBusy: isBusy)
            handleDeadlines()
            if let stop, isStopComplete(stop) { break }
        }
        engineThreads.stop()
        programWatch.stop()
        closeAllSessions()
        deviceFiles.remove()
    }

    private func handle(_ event: PollEvent) {
        switch event.token {
        case Source.mailbox:
            for message in mailbox.takeAll() { handle(message) }
        case Source.signals:
            handleSignals()
        case let token where token & Source.ring == Source.ring:
            if let ring = session(token)?.ring { wake(ring) }
        case let token where token & Source.process == Source.process:
            if let session = session(token) { endClient(of: session, .exit) }
        case let token where token & Source.listener != 0:
            acceptConnections(on: Int(token & 0xFFFF))
        default:
            if let session = session(event.token) { handle(event.events, of: session) }
        }
    }

    /// The session that a token names, if it is still there.
    private func session(_ token: UInt64) -> Session? {
        let slot = Int(truncatingIfNeeded: token & 0x7FFF_FFFF)
        guard slot < sessionSlots.count, let session = sessionSlots[slot],
            session.id == Session.ID(truncatingIfNeeded: token >> 32 & 0x3FFF_FFFF)
        else { return nil }
        return session
    }

    private func handle(_ message: LoopMessage) {
        switch message {
        case .history(let completions):
            for completion in completions { history.complete(completion) }
            if let failure = history.fatalFailure, stop == nil { beginStop(.historyFailed, because: failure) }
        case .query(let token, let answer):
            queryContinuations.removeValue(forKey: token)?(answer)
        case .windowRan(let device, let engine):
            machine.finishWindow(device: device, engine: engine)
        case .memoryProbed(let process, let error):
            guard let reached = self.processes[process]?.reached, let probed = reached.probed else { return }
            reached.probed = nil
            probed(error)
        case .foreignWorkDone(let process):
            if let reached = self.processes[process]?.reached { finishForeignWork(of: reached) }
        case .programsEnded(let processes):
            for process in processes {
                guard let session = sessions[process.session], session.process === process else { continue }
                endClient(of: session, process.handle.hasExited ? .exit : .exec)
            }
        }
    }

    /// Lets the devices work, hands long windows to threads and delivers what happened.
    ///
    /// - Returns: Whether there is more to do at once.
    @discardableResult
    func stepMachine() -> Bool {
        submissionsSinceStep = 0
        hasAnsweredPages = false
        let isUnfinished = machine.step(runsInline: false)
        while let window = machine.takeReadyWindow() { readyWindows.append(window) }
        if !readyWindows.isEmpty {
            engineThreads.submit(readyWindows)
            readyWindows.removeAll(keepingCapacity: true)
        }
        let hasEndedWork = handOutForeignWork()
        deliverEffects()
        wakeMemoryWaiters()
        return isUnfinished || hasEndedWork
    }

    /// Acts on what the machine reported.
    func deliverEffects() {
        while !machine.effects.isEmpty {
            var effects: [MachineEffect] = []
            swap(&effects, &machine.effects)
            for effect in effects { deliver(effect) }
        }
        tellInterrupts()
    }

    private func deliver(_ effect: MachineEffect) {
        switch effect {
        case .softwareError(let device, let error):
            driver.capture(error, device: device)
            announceSoftwareError(error, device: device)
        case .commandCompleted(let device, let error):
            finishDeviceCommand(device: device, error: error)
        case .unbindDrained(let token):
            unbindContinuations.removeValue(forKey: token)?()
        case .windowsReturned(let token):
            quiesceContinuations.removeValue(forKey: token)?()
        case .interrupt(let device, let interrupt):
            note(interrupt, ofDevice: device)
        case .interruptRevoked(let claim):
            revoke(claim)
        case .drained(let token):
            drainContinuations.removeValue(forKey: token)?()
        case .pageRequest(let pending):
            announcePageRequest(pending)
        case .injected(let device, let request):
            carryOut(request, device: device)
        case .functionReset(let device):
            announceStates(ofDevice: device)
        }
    }

    // MARK: Time

    private func timeUntilNextDeadline() -> PollTimeout {
        let now = MonotonicClock.nanoseconds()
        var next = nextHeartbeat
        if let stop { next = min(next, stop.deadline) }
        if let waiter = nextMemoryDeadline { next = min(next, waiter) }
        if let pageRequest = pageDeadlines.next { next = min(next, pageRequest) }
        if let watchdog = notifier.nextWatchdog { next = min(next, watchdog) }
        guard next > now else { return .immediate }
        // Rounded up: waking a little late beats waking twice.
        return .milliseconds(UInt32(clamping: (next - now + 999_999) / 1_000_000))
    }

    private func handleDeadlines() {
        let now = MonotonicClock.nanoseconds()
        expireMemoryWaiters(now)
        expirePageRequests(now)
        notifier.keepAlive(now)
        guard now >= nextHeartbeat else { return }
        nextHeartbeat = now + Self.heartbeatNanoseconds
        history.noteAlive()
        resumeListeners()
        lookForEndedPrograms()
        expireForeignWork(now)
    }

    // MARK: Signals and the stop

    private func handleSignals() {
        while let received = try? signals.next() {
            switch received.signal {
            case .terminate, .interrupt:
                beginStop(.signalReceived, because: "signal \(received.signal)")
            case .hangUp:
                reloadConfiguration()
            }
        }
    }

    private func reloadConfiguration() {
        notifier.reloading(log)
        do {
            let fresh = try reload()
            applyReload(fresh)
            log.info("configuration reloaded: log level and retention")
        } catch {
            log.error("configuration not reloaded, the old one stays in force", metadata: ["error": "\(error)"])
        }
        notifier.ready(log)
    }

    /// Takes no further submission; drains; then unbinds everything, flushes and ends.
    func beginStop(_ reason: WireShutdownEvent.Reason, because cause: String) {
        guard stop == nil else { return }
        log.notice("stopping", metadata: ["cause": "\(cause)"])
        notifier.stopping(log)
        let now = MonotonicClock.nanoseconds()
        let patience = UInt64(configuration.limits.drainTimeoutMilliseconds) * 1_000_000
        stop = Stop(reason: reason, deadline: now + patience)
        for listening in listeners where !listening.isPaused { try? poller.remove(listening.listener.descriptor) }
        listeners.removeAll()
        for session in sessions.values { endRing(of: session) }
        let token = makeToken()
        drainContinuations[token] = { [self] in stop?.isDrained = true }
        refusePageRequests(of: processes.values)
        refusePageRequests(of: vms.values)
        machine.drain(.all, token: token)
        deliverEffects()
        announceShutdown(reason)
    }

    private func isStopComplete(_ stop: Stop) -> Bool {
        (stop.isDrained && history.isIdle) || MonotonicClock.nanoseconds() >= stop.deadline
    }
}
