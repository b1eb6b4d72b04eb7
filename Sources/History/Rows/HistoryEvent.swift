/// What happened to an IOASID (virtualization §5.2, §5.6). The raw value is the text in the `kind` column.
package enum HistoryEventKind: String, CaseIterable, Sendable {
    case alloc
    case bind
    case unbind
    case free
    /// An IOASID that is bound was bound to a further device: no event of the IOASID core (virtualization §4.4).
    case bindDevice = "bind-device"
    /// It was unbound from one of several devices.
    case unbindDevice = "unbind-device"
}

/// Why it happened. The raw value is the text in the `cause`, `bind_cause` and `unbind_cause` columns.
package enum HistoryCause: String, CaseIterable, Sendable {
    /// A client asked for it.
    case request
    /// The client that held the binding exited, was killed, or closed its connection.
    case clientDied = "client-died"
    /// The VM that held the binding was destroyed.
    case vmTornDown = "vm-torn-down"
    /// The VM left for, or arrived from, another host.
    case migration
    /// The daemon's own configuration, at start.
    case daemonStart = "daemon-start"
    /// The daemon died with the binding open; the next start closed it.
    case daemonRestart = "daemon-restart"
    /// The daemon stopped cleanly.
    case daemonStop = "daemon-stop"
}

/// Whom and what an event or a binding concerns. Identifiers are the daemon's; `vm`, `process` and `connection` are
/// unique within one run of the daemon only (see ``DaemonRunRow``).
package struct HistorySubject: Hashable, Sendable {
    /// The host PASID, 20 bits (virtualization §5).
    package var ioasid: UInt32
    /// The guest PASID (SPID) by which the IOASID set's owner knows the IOASID; `nil` for a host process.
    package var guestPASID: UInt32?
    /// The IOASID set that owns the IOASID.
    package var ioasidSet: UInt64
    /// The VM; `nil` for a host process.
    package var vm: UInt64?
    /// The Requester ID of the device the binding is for; `nil` where the event names none.
    package var deviceRID: UInt16?
    /// The process whose address space is bound; `nil` where the event concerns none.
    package var process: UInt64?
    /// The user of the client that caused the event; `nil` if unknown (TCP) or if the daemon acted by itself.
    package var uid: UInt32?
    /// The operating system's process ID of that client; `nil` as for `uid`.
    package var pid: Int32?
    /// The connection of that client; `nil` if the daemon acted by itself.
    package var connection: UInt64?

    package init(
        ioasid: UInt32, guestPASID: UInt32? = nil, ioasidSet: UInt64, vm: UInt64? = nil, deviceRID: UInt16? = nil,
        process: UInt64? = nil, uid: UInt32? = nil, pid: Int32? = nil, connection: UInt64? = nil
    ) {
        self.ioasid = ioasid
        self.guestPASID = guestPASID
        self.ioasidSet = ioasidSet
        self.vm = vm
        self.deviceRID = deviceRID
        self.process = process
        self.uid = uid
        self.pid = pid
        self.connection = connection
    }
}

/// One IOASID event, as the daemon hands it to the ``HistoryWriter``.
package struct HistoryEvent: Hashable, Sendable {
    package var kind: HistoryEventKind
    package var cause: HistoryCause
    /// What the wall clock showed. It may step back; ``HistoryClock`` says what is made of that.
    package var wallTime: HistoryTime
    package var subject: HistorySubject

    package init(kind: HistoryEventKind, cause: HistoryCause, wallTime: HistoryTime, subject: HistorySubject) {
        self.kind = kind
        self.cause = cause
        self.wallTime = wallTime
        self.subject = subject
    }
}
