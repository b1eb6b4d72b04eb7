internal import DSA
internal import History
internal import Machine
internal import PCIe
internal import Platform
internal import ProtocolMessages
internal import Virtualization

/// Who asked for a change of bindings, for the history: a connection, or the daemon for a client that is gone.
struct Actor {
    let user: UInt32?
    let process: Int32?
    let connection: UInt64?

    init(_ session: Session) {
        user = session.credentials?.user.rawValue
        process = session.credentials?.process?.rawValue
        connection = UInt64(session.id)
    }

    /// The daemon, on behalf of a client that is gone: the rows stay visible to its user.
    init(onBehalfOf owner: ClientIdentity) {
        user =
            switch owner {
            case .user(let user): user.rawValue
            case .tokenHolder: nil
            }
        process = nil
        connection = nil
    }
}

extension Server {
    /// The history's event for an IOASID of a space.
    func historyEvent(
        _ kind: HistoryEventKind, of ioasid: HostPASID, guestPASID: GuestPASID?, device: Int?, in space: ClientSpace,
        cause: HistoryCause, actor: Actor
    ) -> HistoryEvent {
        let set = space.vmIndex.map { machine.ioasidSet(ofVM: $0) } ?? machine.hostSet
        let subject = HistorySubject(
            ioasid: ioasid.rawValue, guestPASID: guestPASID?.rawValue, ioasidSet: set.rawValue,
            vm: space.isVM ? UInt64(space.number) : nil,
            deviceRID: device.map { machine.devices[$0].requester.rawValue },
            process: space.isVM ? nil : UInt64(space.number), uid: actor.user, pid: actor.process,
            connection: actor.connection)
        return HistoryEvent(
            kind: kind, cause: cause, wallTime: HistoryTime(nanoseconds: WallClock.nanoseconds()), subject: subject)
    }

    /// Tells subscribers of an event that is durable.
    func announce(_ event: HistoryEvent, sequence: Int64, device: Int?, owner: ClientIdentity) {
        var data = WireIoasidEvent()
        data.sequence = UInt64(sequence)
        data.ioasid = event.subject.ioasid
        data.set = UInt32(truncatingIfNeeded: event.subject.ioasidSet)
        if let guestPASID = event.subject.guestPASID { data.guestPasid = guestPASID }
        if let vm = event.subject.vm { data.vm = UInt32(vm) }
        if let process = event.subject.process { data.process = UInt32(process) }
        if let device { data.device = deviceNames[device] }
        data.cause = WireHistoryCause(event.cause)
        switch event.kind {
        case .alloc: announce(.ioasidAlloc(data), about: owner)
        case .bind: announce(.ioasidBind(data), about: owner)
        case .unbind: announce(.ioasidUnbind(data), about: owner)
        case .free: announce(.ioasidFree(data), about: owner)
        // No events of the IOASID core.
        case .bindDevice, .unbindDevice: break
        }
    }
}
