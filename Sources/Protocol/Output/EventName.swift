package import ProtocolMessages

/// The events of the protocol, one per member of `swq.v1.Event`. The raw value is the name on the wire.
package enum EventName: String, CaseIterable, Sendable {
    case ioasidAlloc = "IOASID_ALLOC"
    case ioasidBind = "IOASID_BIND"
    case ioasidUnbind = "IOASID_UNBIND"
    case ioasidFree = "IOASID_FREE"
    case softwareError = "SOFTWARE_ERROR"
    case interrupt = "INTERRUPT"
    case interruptRevoked = "INTERRUPT_REVOKED"
    case vmCreated = "VM_CREATED"
    case vmDestroyed = "VM_DESTROYED"
    case processDestroyed = "PROCESS_DESTROYED"
    case wqState = "WQ_STATE"
    case deviceState = "DEVICE_STATE"
    case eventsDropped = "EVENTS_DROPPED"
    case shutdown = "SHUTDOWN"
    case pageRequest = "PAGE_REQUEST"
    case ringCorrupted = "RING_CORRUPTED"

    /// The name of an event.
    package init(_ event: WireEvent.OneOf_Data) {
        self =
            switch event {
            case .ioasidAlloc: .ioasidAlloc
            case .ioasidBind: .ioasidBind
            case .ioasidUnbind: .ioasidUnbind
            case .ioasidFree: .ioasidFree
            case .softwareError: .softwareError
            case .interrupt: .interrupt
            case .interruptRevoked: .interruptRevoked
            case .vmCreated: .vmCreated
            case .vmDestroyed: .vmDestroyed
            case .processDestroyed: .processDestroyed
            case .wqState: .wqState
            case .deviceState: .deviceState
            case .eventsDropped: .eventsDropped
            case .shutdown: .shutdown
            case .pageRequest: .pageRequest
            case .ringCorrupted: .ringCorrupted
            }
    }
}

/// Wall clock time of an event, as QMP writes it.
package struct EventTimestamp: Equatable, Sendable {
    /// Seconds since 1970-01-01T00:00:00Z.
    package let seconds: Int64

    /// Microseconds of that second, 0 to 999999.
    package let microseconds: Int32

    package init(seconds: Int64, microseconds: Int32) {
        self.seconds = seconds
        self.microseconds = microseconds
    }
}
