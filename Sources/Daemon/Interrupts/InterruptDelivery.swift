internal import DSA
internal import DSASpec
internal import Logging
internal import Machine
internal import Platform
internal import Protocol
internal import ProtocolMessages

extension Server {
    // MARK: Who is told

    func attach(_ attachment: InterruptAttachment) {
        if case .requested(_, let space) = attachment.kind { space.interruptCount += 1 }
        attachment.session.interrupts.append(attachment)
        interruptAttachments[attachment.source, default: []].append(attachment)
    }

    /// Tells a connection of an entry no more. A requested one goes back.
    func detach(_ attachment: InterruptAttachment) {
        guard !attachment.isDetached else { return }
        attachment.isDetached = true
        attachment.event = nil
        attachment.session.interrupts.removeAll { $0 === attachment }
        interruptAttachments[attachment.source]?.removeAll { $0 === attachment }
        if interruptAttachments[attachment.source]?.isEmpty == true { interruptAttachments[attachment.source] = nil }
        guard case .requested(let claim, let space) = attachment.kind else { return }
        space.interruptCount -= 1
        machine.releaseInterrupt(claim)
    }

    /// The machine has taken an entry back from the connection that had requested it.
    func revoke(_ claim: ClaimedInterrupt) {
        let source = InterruptSource(device: claim.device, vector: claim.vector)
        for attachment in interruptAttachments[source] ?? [] {
            guard case .requested(claim, _) = attachment.kind else { continue }
            // What the entry sent before comes first.
            tell(attachment)
            var event = WireInterruptRevokedEvent()
            event.device = deviceNames[claim.device]
            event.table = WireInterruptTable(claim.vector.table)
            event.handle = UInt32(claim.handle)
            send(.interruptRevoked(event), to: attachment.session)
            detach(attachment)
        }
    }

    // MARK: Delivery

    /// An entry of a device sent its message.
    func note(_ interrupt: DeviceInterrupt, ofDevice device: Int) {
        guard !interruptAttachments.isEmpty,
            let attachments = interruptAttachments[InterruptSource(device: device, vector: interrupt.vector)]
        else { return }
        for attachment in attachments where attachment.admits(interrupt) {
            if attachment.count == 0 { raisedInterrupts.append(attachment) }
            attachment.count += 1
        }
    }

    /// Tells the clients of the interrupts since the last call: those of one entry together.
    func tellInterrupts() {
        guard !raisedInterrupts.isEmpty else { return }
        for attachment in raisedInterrupts { tell(attachment) }
        raisedInterrupts.removeAll(keepingCapacity: true)
    }

    private func tell(_ attachment: InterruptAttachment) {
        guard attachment.count > 0, !attachment.isDetached else { return }
        defer { attachment.count = 0 }
        if let event = attachment.event, let signaller = eventSignaller {
            do { try signaller.signal(event) } catch {
                log.warning(
                    "an eventfd cannot be signalled",
                    metadata: ["connection": "\(attachment.session.id)", "error": "\(error)"])
            }
            return
        }
        var event = WireInterruptEvent()
        event.device = deviceNames[attachment.source.device]
        event.table = WireInterruptTable(attachment.source.vector.table)
        if let handle = attachment.handle {
            event.handle = UInt32(handle)
        } else {
            event.index = UInt32(attachment.source.vector.index)
        }
        event.count = attachment.count
        send(.interrupt(event), to: attachment.session)
    }

    /// Sends an event to one connection, if it has subscribed to it.
    private func send(_ event: WireEvent.OneOf_Data, to session: Session) {
        guard session.subscription.includes(bit: EventSubscription.bit(EventName(event))) else { return }
        send(Self.line(event), to: session)
    }
}

extension WireInterruptTable {
    init(_ table: Portal.InterruptTable) {
        self = table == .msix ? .msix : .ims
    }
}

extension Portal.InterruptTable {
    init(_ table: WireInterruptTable) {
        self = table == .ims ? .ims : .msix
    }
}
