internal import Machine
internal import Platform
internal import Protocol
internal import ProtocolMessages

extension Server {
    func attachRing(_ id: RequestID, _ session: Session) throws(WireError) {
        guard let space = session.space else { preconditionFailure("a processor has an address space") }
        try checkAlive(space)
        try checkLocal(session, instead: "use enqcmd on TCP")
        guard session.ring == nil else {
            throw WireError(.wrongState, "the connection has a ring; end it by detach-ring, or use another connection")
        }
        // One reply with descriptors is on its way at a time, so that each carries its own.
        if session.attachment != nil { flush(session) }
        guard session.attachment == nil else {
            throw WireError(
                .limitExceeded, "a descriptor of an earlier reply has not been read yet; read the replies first")
        }
        let ring: Ring
        do throws(SystemError) {
            ring = try Ring(of: session, patience: ringPatienceMax / 2)
            let attachment = OutgoingDescriptor(try ring.memoryDescriptor(), bytesBefore: session.output.count)
            attachment.companion = OutgoingDescriptor(try ring.bell.descriptor.duplicate(), bytesBefore: 0)
            try poller.add(
                ring.bell.descriptor, events: [.readable, .edgeTriggered],
                token: Source.ring | Self.token(session, slot: session.slot))
            session.attachment = attachment
        } catch {
            throw WireError(.resourceExhausted, "no ring can be made: \(error)")
        }
        session.ring = ring
        var result = WireAttachRingReturn()
        result.size = UInt32(Ring.byteCount)
        result.slots = UInt32(Ring.slotCount)
        reply(result, to: session, id: id)
    }

    func detachRing(_ id: RequestID, _ session: Session) throws(WireError) {
        guard let ring = session.ring else {
            throw WireError(.wrongState, "the connection has no ring; make one by attach-ring")
        }
        if ring.hasPending { serve(ring) }
        // A corrupted ring has ended with its connection.
        guard !session.isClosed else { return }
        endRing(of: session)
        replyEmpty(to: session, id: id)
    }

    func queryRings(_ id: RequestID, _ session: Session) {
        var result = WireQueryRingsReturn()
        let seesAll = session.isAdmin || session.transport == .unixReadOnly
        for other in sessions.values where seesAll || other.identity == session.identity {
            guard let ring = other.ring else { continue }
            var item = WireQueryRingsReturn.Ring()
            item.connection = other.id
            item.polled = ring.isPolled
            item.submissions = ring.submissionCount
            item.wakeups = ring.wakeupCount
            item.spinUs = UInt32(clamping: ring.patience / 1000)
            result.items.append(item)
        }
        result.items.sort { $0.connection < $1.connection }
        reply(result, to: session, id: id)
    }
}
