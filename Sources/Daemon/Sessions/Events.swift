internal import DSASpec
internal import Machine
internal import Platform
internal import Protocol
internal import ProtocolMessages

extension Server {
    /// Sends an event to the sessions that subscribed to it and may see it.
    ///
    /// - Parameter servers: Sessions that receive it in any case.
    func announce(
        _ event: WireEvent.OneOf_Data, about owner: ClientIdentity?, servedBy servers: Set<Session.ID> = []
    ) {
        let bit = EventSubscription.bit(EventName(event))
        // Written once, for however many connections receive it.
        var line: [UInt8]?
        for session in sessionSlots {
            guard let session, session.phase == .ready else { continue }
            let maySee = session.isAdmin || session.transport == .unixReadOnly || owner == session.identity
            guard servers.contains(session.id) || session.subscription.includes(bit: bit) && maySee else { continue }
            let text = line ?? Self.line(event)
            line = text
            send(text, to: session)
        }
    }

    static func line(_ event: WireEvent.OneOf_Data) -> [UInt8] {
        var buffer = OutputBuffer()
        buffer.append(event, at: eventTime())
        return unsafe buffer.withBytes { unsafe Array($0) }
    }

    /// Puts an event behind what the session has not read, or drops and counts it.
    func send(_ line: [UInt8], to session: Session) {
        guard session.queuedEvents < configuration.limits.eventQueue else {
            session.droppedInGap += 1
            session.droppedEvents += 1
            totalDroppedEvents += 1
            return
        }
        session.queuedEvents += 1
        session.output.append(line.span)
        markDirty(session)
    }

    /// Tells a session whose queue was full how much it missed.
    func announceGap(_ session: Session) {
        var gap = WireEventsDroppedEvent()
        gap.count = session.droppedInGap
        gap.total = session.droppedEvents
        session.droppedInGap = 0
        session.output.append(.eventsDropped(gap), at: Self.eventTime())
        markDirty(session)
    }

    func announceShutdown(_ reason: WireShutdownEvent.Reason) {
        var event = WireShutdownEvent()
        event.reason = reason
        let line = Self.line(.shutdown(event))
        for session in sessions.values where session.phase == .ready { send(line, to: session) }
    }

    func announceSoftwareError(_ error: SoftwareError, device: Int) {
        var event = WireSoftwareErrorEvent()
        event.device = deviceNames[device]
        event.error = WireSoftwareError(error)
        announce(.softwareError(event), about: nil)
    }

    static func eventTime() -> EventTimestamp {
        let now = WallClock.nanoseconds()
        return EventTimestamp(seconds: now / 1_000_000_000, microseconds: Int32(now % 1_000_000_000 / 1000))
    }
}
