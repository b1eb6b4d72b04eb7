internal import DSASpec
internal import Logging
internal import Machine
internal import PCIe
internal import Platform
internal import Protocol
internal import Virtualization

extension Server {
    /// A session's socket needs attention.
    func handle(_ events: PollEvents, of session: Session) {
        guard !session.isClosed else { return }
        if events.contains(.writable) { flush(session) }
        if !events.isDisjoint(with: [.readable, .peerFinished]), !session.isReadingPaused { read(session) }
        guard !session.isClosed else { return }
        if !events.isDisjoint(with: [.hangUp, .error]) { close(session) }
    }

    /// Reads until the socket is empty, once per turn and at most ``readByteCount``, so that no client starves others.
    private func read(_ session: Session) {
        let buffer = unsafe UnsafeMutableRawBufferPointer(readBuffer)
        switch unsafe session.socket.read(into: buffer, inbox: &session.inbox) {
        case .bytes(let count):
            unsafe receive(UnsafeBufferPointer(rebasing: readBuffer[0..<count]), session)
        case .endOfStream:
            session.isInputFinished = true
            finishInput(session)
        case .wouldBlock:
            break
        case .peerGone, .failed:
            close(session)
        }
    }

    /// Takes new bytes: those of a whole request are used where they lie, the rest is kept.
    private func receive(_ bytes: UnsafeBufferPointer<UInt8>, _ session: Session) {
        if session.input.isEmpty {
            unsafe consume(bytes, session)
            let dropped = session.framer.dropConsumed()
            guard !session.isClosed else { return }
            unsafe session.input.append(UnsafeBufferPointer(rebasing: bytes[dropped...]))
        } else {
            unsafe session.input.append(bytes)
            consumeInput(session)
        }
        guard !session.isClosed else { return }
        // White space belongs to the request behind it: `qemu.qmp` sends a descriptor with a blank ahead of it.
        let isAhead = unsafe session.inbox.count > 0 && bytes.allSatisfy { Self.separators.contains($0) }
        if !isAhead { dropUnclaimedDescriptors(session) }
        updateInterest(session)
    }

    /// White space between requests.
    private static let separators = " \t\r\n".utf8

    /// Descriptors belong to the requests they came with. What none of these claimed was not asked for.
    private func dropUnclaimedDescriptors(_ session: Session) {
        guard session.framer.isBetweenRequests, session.input.isEmpty, !session.isParked else { return }
        session.inbox.removeAll()
    }

    /// Goes on with what was kept.
    private func consumeInput(_ session: Session) {
        unsafe consume(session.input.bytes, session)
        let dropped = session.framer.dropConsumed()
        if !session.isClosed { session.input.removeFirst(dropped) }
    }

    /// Carries out the requests in `bytes` until none is complete, the session waits or its replies pile up.
    private func consume(_ bytes: UnsafeBufferPointer<UInt8>, _ session: Session) {
        let text = unsafe bytes.span
        while !session.isClosed, !session.closesWhenFlushed, !isFull(session),
            !session.isParked || session.acceptsOutOfBand
        {
            // What was put aside came first.
            guard session.isParked || session.deferred.isEmpty else { return }
            guard !session.isParked || session.deferredByteCount <= configuration.limits.lineBytes else { return }
            let outcome = session.isParked ? session.framer.next(in: text) : session.framer.next(in: text, hot: &hot)
            switch outcome {
            case .incomplete:
                return
            case .hot:
                submitHot(text, session)
            case .request(let range):
                execute(text, in: range, session)
            case .failure(let failure):
                answer(failure, session)
            }
        }
    }

    private func answer(_ failure: FramingFailure, _ session: Session) {
        reply(WireError(failure), to: session, id: .none)
        if session.transport == .tcp, !session.hasSentRequest { session.closesWhenFlushed = true }
    }

    /// A submission that the scanner understood.
    @inline(__always)
    private func submitHot(_ text: Span<UInt8>, _ session: Session) {
        session.hasSentRequest = true
        guard session.processor >= 0, stop == nil else {
            refuseSubmission(text, session)
            return
        }
        let source: SubmissionSource
        if hot.loadsSource {
            source = .address(LinearAddress(rawValue: hot.source))
        } else {
            let words = hot.descriptor
            source = .bytes(
                Descriptor(
                    words[0], words[1], words[2], words[3], words[4], words[5], words[6], words[7]))
        }
        let kind: EnqueueInstruction.Kind =
            switch hot.instruction {
            case .enqcmd: .enqcmd
            case .enqcmds: .enqcmds
            case .movdir64b: .movdir64b
            }
        // Only a native thread's MSR is loaded by the #GP handler.
        let fixupsBefore = session.isNative ? machine.fixupCount(session.processor) : 0
        let outcome = machine.submit(
            kind, destination: LinearAddress(rawValue: hot.destination), source: source, on: session.processor)
        let id = hot.id
        let fixups = session.isNative ? machine.fixupCount(session.processor) - fixupsBefore : 0
        if case .retired(let flags) = outcome, fixups == 0 {
            if kind == .movdir64b {
                session.output.appendPosted(id: id, in: text)
            } else if flags.contains(.zero) {
                session.output.appendRetry(id: id, in: text)
            } else {
                session.output.appendAccepted(id: id, in: text)
            }
            markDirty(session)
        } else {
            replySubmission(
                outcome, kind: kind, fixups: fixups, to: session,
                id: RequestID(bytes: text.copy(id)))
        }
        submissionsSinceStep += 1
        if submissionsSinceStep >= Self.submissionsPerStep { stepMachine() }
    }

    private func refuseSubmission(_ text: Span<UInt8>, _ session: Session) {
        let id = RequestID(bytes: text.copy(hot.id))
        let error = legality(of: CommandCatalogue.current[hot.instruction.command], for: session)
        reply(error ?? Self.shuttingDown, to: session, id: id)
    }

    /// Puts a request aside until the command that waits has answered.
    func putAside(_ bytes: Span<UInt8>, _ session: Session) {
        let copy = bytes.copy(0..<bytes.count)
        session.deferredByteCount += copy.count
        session.deferred.append(copy)
    }

    /// The command that the session waited for has answered: goes on with what came behind it, at the end of the turn.
    func unpark(_ session: Session) {
        guard session.isParked else { return }
        session.isParked = false
        resumedSessions.append(session)
    }

    /// Goes on with the sessions whose waiting ended.
    func resumeSessions() {
        while !resumedSessions.isEmpty {
            var resumed: [Session] = []
            swap(&resumed, &resumedSessions)
            for session in resumed where !session.isClosed && !session.isParked { resume(session) }
        }
    }

    private func resume(_ session: Session) {
        while !session.deferred.isEmpty, !session.isParked, !isFull(session), !session.isClosed {
            let request = session.deferred.removeFirst()
            session.deferredByteCount -= request.count
            execute(request.span, in: 0..<request.count, session)
        }
        guard !session.isParked, !session.isClosed else { return }
        if !session.input.isEmpty { consumeInput(session) }
        guard !session.isClosed else { return }
        dropUnclaimedDescriptors(session)
        if session.isInputFinished { finishInput(session) }
        updateInterest(session)
    }

    /// The peer sends nothing more: answers what it sent, then closes.
    private func finishInput(_ session: Session) {
        guard !session.isParked, session.deferred.isEmpty, !isFull(session) else {
            updateInterest(session)
            return
        }
        session.closesWhenFlushed = true
        markDirty(session)
    }
}
