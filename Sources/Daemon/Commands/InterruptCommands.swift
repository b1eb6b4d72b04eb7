internal import DSA
internal import DSASpec
internal import Machine
internal import PCIe
internal import Platform
internal import Protocol
internal import ProtocolMessages

extension Server {
    func requestInterrupt(
        _ arguments: WireRequestInterruptArguments, _ id: RequestID, _ session: Session
    ) throws(WireError) {
        guard let space = session.space else { preconditionFailure("a processor has an address space") }
        try checkAlive(space)
        let device = try deviceIndex(arguments.device)
        guard space.interruptCount < configuration.limits.interruptsPerClient else {
            throw WireError(
                .limitExceeded,
                "\(space.interruptCount) interrupts are requested, as many as limits.interruptsPerClient allows")
        }
        let standard: Portal.InterruptTable = space.isVM ? .ims : .msix
        let table = arguments.hasTable ? Portal.InterruptTable(arguments.table) : standard
        let claim: ClaimedInterrupt
        switch space.index {
        case .process(let process):
            guard !arguments.hasGuestPasid else {
                throw WireError(
                    .invalidArgument, "a process has no guest PASIDs; leave it out", path: "arguments.guestPasid")
            }
            do throws(MachineError) {
                claim = try machine.claimInterrupt(in: table, ofDevice: device, forProcess: process)
            } catch { throw WireError(error) }
        case .virtualMachine(let vm):
            guard arguments.hasGuestPasid else {
                throw WireError(
                    .invalidArgument, "a vCPU names the guest PASID of its descriptors", path: "arguments.guestPasid")
            }
            do throws(MachineError) {
                claim = try machine.claimInterrupt(
                    in: table, ofDevice: device, forGuest: GuestPASID(truncating: arguments.guestPasid), inVM: vm)
            } catch { throw WireError(error) }
        }
        attach(
            InterruptAttachment(
                session, source: InterruptSource(device: device, vector: claim.vector),
                kind: .requested(claim, space)))
        var result = WireRequestInterruptReturn()
        result.table = WireInterruptTable(table)
        result.handle = UInt32(claim.handle)
        reply(result, to: session, id: id)
    }

    func releaseInterrupt(
        _ arguments: WireReleaseInterruptArguments, _ id: RequestID, _ session: Session
    ) throws(WireError) {
        let device = try deviceIndex(arguments.device)
        detach(try requested(arguments.handle, in: Portal.InterruptTable(arguments.table), ofDevice: device, session))
        replyEmpty(to: session, id: id)
    }

    func attachInterrupt(
        _ arguments: WireAttachInterruptArguments, _ id: RequestID, _ session: Session
    ) throws(WireError) {
        let device = try deviceIndex(arguments.device)
        let vector = InterruptVector(
            Portal.InterruptTable(arguments.table), UInt16(truncatingIfNeeded: arguments.index))
        guard machine.devices[device].interruptEntry(vector) != nil else {
            throw WireError(
                .notFound, "the table of \(arguments.device) has no entry \(arguments.index)", path: "arguments.index")
        }
        guard attached(to: vector, ofDevice: device, session) == nil else {
            throw WireError(
                .wrongState, "the connection is attached to the entry already", path: "arguments.index")
        }
        attach(
            InterruptAttachment(session, source: InterruptSource(device: device, vector: vector), kind: .attached))
        replyEmpty(to: session, id: id)
    }

    func detachInterrupt(
        _ arguments: WireDetachInterruptArguments, _ id: RequestID, _ session: Session
    ) throws(WireError) {
        let device = try deviceIndex(arguments.device)
        detach(try attached(arguments.index, in: Portal.InterruptTable(arguments.table), ofDevice: device, session))
        replyEmpty(to: session, id: id)
    }

    func setInterruptEventFD(
        _ arguments: WireSetInterruptEventfdArguments, _ id: RequestID, _ session: Session
    ) throws(WireError) {
        // Whatever came with the request is used or closed: none may be taken for a later one.
        defer { session.inbox.removeAll() }
        let device = try deviceIndex(arguments.device)
        let table = Portal.InterruptTable(arguments.table)
        let attachment: InterruptAttachment
        if case .index(let index) = arguments.entry {
            attachment = try attached(index, in: table, ofDevice: device, session)
        } else {
            attachment = try requested(arguments.handle, in: table, ofDevice: device, session)
        }
        try checkLocal(session, instead: "INTERRUPT events come on TCP")
        guard !session.inbox.tookExcess else {
            throw WireError(
                .invalidArgument, "more than one descriptor came with the request; pass exactly one (SCM_RIGHTS)")
        }
        guard let descriptor = session.inbox.takeFirst() else {
            throw WireError(
                .invalidArgument, "no descriptor came with the request; pass an eventfd with it (SCM_RIGHTS)")
        }
        do {
            if eventSignaller == nil { eventSignaller = try EventSignaller() }
        } catch {
            throw WireError(.unsupported, "this host cannot signal eventfds without waiting: \(error)")
        }
        guard let event = ClientEvent(adopting: descriptor) else {
            throw WireError(.invalidArgument, "the descriptor is no eventfd; create it with eventfd")
        }
        attachment.event = event
        replyEmpty(to: session, id: id)
    }

    // MARK: Helpers

    private func requested(
        _ handle: UInt32, in table: Portal.InterruptTable, ofDevice device: Int, _ session: Session
    ) throws(WireError) -> InterruptAttachment {
        let found = session.interrupts.first { attachment in
            attachment.source.device == device && attachment.source.vector.table == table
                && attachment.handle.map { UInt32($0) } == handle
        }
        guard let found else {
            throw WireError(
                .notFound,
                "the connection has no interrupt with handle \(handle) of that table; request-interrupt gives one",
                path: "arguments.handle")
        }
        return found
    }

    private func attached(
        _ index: UInt32, in table: Portal.InterruptTable, ofDevice device: Int, _ session: Session
    ) throws(WireError) -> InterruptAttachment {
        let vector = InterruptVector(table, UInt16(truncatingIfNeeded: index))
        guard let found = attached(to: vector, ofDevice: device, session) else {
            throw WireError(
                .notFound, "the connection is not attached to entry \(index) of that table; attach-interrupt does it",
                path: "arguments.index")
        }
        return found
    }

    private func attached(
        to vector: InterruptVector, ofDevice device: Int, _ session: Session
    ) -> InterruptAttachment? {
        let source = InterruptSource(device: device, vector: vector)
        return session.interrupts.first { $0.source == source && !$0.isRequested }
    }
}
