internal import History
internal import Logging
internal import Platform
internal import Protocol
internal import ProtocolMessages
internal import SwiftProtobuf

extension Server {
    /// Bytes that are read ahead while a command of the connection waits.
    private static let waitingInputBytesMax = 64 << 10

    static let shuttingDown = WireError(
        .shuttingDown, "the daemon stops and takes no further work; reconnect after its restart")

    /// Puts a session into the list of those that are written at the end of the turn.
    @inline(__always)
    func markDirty(_ session: Session) {
        guard !session.isDirty else { return }
        session.isDirty = true
        dirtySessions.append(session)
    }

    func reply(_ error: WireError, to session: Session, id: RequestID) {
        guard !session.isClosed else { return }
        session.output.append(error, id: id)
        markDirty(session)
    }

    func reply(_ result: some Message, to session: Session, id: RequestID) {
        guard !session.isClosed else { return }
        session.output.append(result, id: id)
        markDirty(session)
    }

    func replyEmpty(to session: Session, id: RequestID) {
        guard !session.isClosed else { return }
        session.output.appendEmptyReturn(id: id)
        markDirty(session)
    }

    /// Writes what this turn produced, one write per session.
    func flushDirtySessions() {
        while !dirtySessions.isEmpty {
            var dirty: [Session] = []
            swap(&dirty, &dirtySessions)
            for session in dirty {
                session.isDirty = false
                if !session.isClosed { flush(session) }
            }
            // Keeps the array's memory for the next turn.
            if dirtySessions.isEmpty {
                dirty.removeAll(keepingCapacity: true)
                swap(&dirty, &dirtySessions)
                break
            }
        }
    }

    /// Writes as much as the socket takes, and goes on with what the peer sent once it has read enough.
    func flush(_ session: Session) {
        let wasFull = isFull(session)
        defer { if wasFull, !isFull(session), !session.isClosed { resumedSessions.append(session) } }
        while !session.output.isEmpty {
            let outcome = write(session)
            switch outcome {
            case .bytes(let count):
                session.output.removeFirst(count)
            case .wouldBlock:
                session.isWriteBlocked = true
                updateInterest(session)
                return
            case .peerGone, .failed:
                close(session)
                return
            }
        }
        session.isWriteBlocked = false
        session.queuedEvents = 0
        if session.droppedInGap > 0 { announceGap(session) }
        if session.closesWhenFlushed, session.output.isEmpty {
            close(session)
            return
        }
        updateInterest(session)
    }

    private func write(_ session: Session) -> WriteOutcome {
        guard let attachment = session.attachment else {
            return unsafe session.output.withBytes { unsafe session.socket.write($0) }
        }
        if attachment.bytesBefore > 0 {
            let outcome = unsafe session.output.withBytes { bytes in
                let before = min(attachment.bytesBefore, bytes.count)
                return unsafe session.socket.write(UnsafeRawBufferPointer(rebasing: bytes[0..<before]))
            }
            if case .bytes(let count) = outcome { attachment.bytesBefore -= count }
            return outcome
        }
        let outcome = unsafe session.output.withBytes {
            unsafe session.socket.write($0, attachingNumbers: attachment.numbers)
        }
        if case .bytes = outcome { session.attachment = nil }
        return outcome
    }

    /// Whether more replies wait for the peer than it may leave unread: nothing more is done for it until it reads.
    @inline(__always)
    func isFull(_ session: Session) -> Bool { session.output.count > configuration.limits.replyBytes }

    /// Polls for what the session can use: writing while the socket takes no more, reading unless its replies pile up
    /// or it waits with more behind it than it may.
    func updateInterest(_ session: Session) {
        guard !session.isClosed else { return }
        // A little may wait behind a command: pausing and resuming costs two system calls.
        let waits = session.isParked && session.input.count > Self.waitingInputBytesMax
        let isCrowded = session.isParked && session.deferredByteCount > configuration.limits.lineBytes
        session.isReadingPaused = isFull(session) || waits || isCrowded || session.isInputFinished
        let interest = Session.Interest(reads: !session.isReadingPaused, writes: session.isWriteBlocked)
        guard interest != session.interest else { return }
        session.interest = interest
        do {
            try poller.modify(
                session.socket.descriptor, events: interest.events, token: Self.token(session, slot: session.slot))
        } catch {
            log.error("a connection cannot be polled", metadata: ["error": "\(error)"])
            close(session)
        }
    }

    /// Ends a session: its processor goes, and with it what it owned.
    func close(_ session: Session) {
        guard !session.isClosed else { return }
        session.isClosed = true
        try? poller.remove(session.socket.descriptor)
        let process = session.process
        if let process { try? poller.remove(process.handle.descriptor) }
        session.process = nil
        sessions[session.id] = nil
        sessionSlots[session.slot] = nil
        freeSlots.append(session.slot)
        memoryWaiters.removeAll { $0.session === session }
        haltedVCPUs.removeAll { $0.session === session }
        endRing(of: session)
        removeInjections(of: session)
        stopServingPageRequests(session)
        log.debug("connection closed", metadata: ["connection": "\(session.id)"])
        for attachment in session.interrupts { detach(attachment) }
        releaseMemory(of: session, process: process)
        releaseProcessor(of: session, cause: .clientDied)
        for space in vms.values where space.creator == session.id { tearDown(space, cause: .clientDied) {} }
        resumeListeners()
    }

    /// Ends all sessions at the end of the daemon.
    func closeAllSessions() {
        for session in sessions.values {
            flush(session)
            guard !session.isClosed else { continue }
            session.isClosed = true
        }
        sessions.removeAll()
        sessionSlots.removeAll()
    }
}
