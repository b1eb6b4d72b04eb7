internal import DSA
internal import DSASpec
internal import Machine
internal import Platform

/// An entry of an interrupt table of a device of the machine.
struct InterruptSource: Hashable {
    let device: Int
    let vector: InterruptVector
}

/// A connection that is told of what an entry sends, by event or by eventfd.
final class InterruptAttachment {
    enum Kind {
        /// The entry was set up for the connection's process or VM.
        case requested(ClaimedInterrupt, ClientSpace)
        /// An admin connection looks on.
        case attached
    }

    let session: Session
    let source: InterruptSource
    let kind: Kind
    /// What is signalled instead of sending events.
    var event: ClientEvent?
    /// Interrupts that the client has not been told of.
    var count: UInt32 = 0
    /// The client is told of nothing any more.
    var isDetached = false

    init(_ session: Session, source: InterruptSource, kind: Kind) {
        self.session = session
        self.source = source
        self.kind = kind
    }

    var isRequested: Bool {
        if case .requested = kind { true } else { false }
    }

    /// The handle by which descriptors name a requested entry.
    var handle: UInt16? {
        if case .requested(let claim, _) = kind { claim.handle } else { nil }
    }

    /// Whether the client may know of an interrupt of the entry: what was sent for the owner before is not its own.
    func admits(_ interrupt: DeviceInterrupt) -> Bool {
        if case .requested(let claim, _) = kind { interrupt.pasid == claim.ioasid } else { true }
    }
}
