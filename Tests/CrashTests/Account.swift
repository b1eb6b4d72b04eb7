import ProtocolMessages

/// A change of a binding that a client asks for.
struct Change: Equatable, Sendable {
    /// `bind` or `unbind`.
    let kind: WireHistoryKind
    /// `nil` for a host process.
    let guestPASID: UInt32?
}

/// What one connection asked for and was told, up to the death of the daemon.
struct Account: Sendable {
    /// A change whose reply arrived.
    struct Acknowledged: Equatable, Sendable {
        let change: Change
        let ioasid: UInt32
    }

    let connection: UInt32
    /// `nil` for a host process.
    let vm: UInt32?
    /// `nil` for a VM.
    let process: UInt32?
    /// In the order of the replies, which is that of the requests.
    var acknowledged: [Acknowledged] = []
    /// Requests without a reply, in order.
    var pending: [Change] = []
}

/// A binding or its end that an event reported, durable before it was sent.
struct ReportedEvent: Equatable, Sendable {
    let sequence: UInt64
    let kind: WireHistoryKind
    let ioasid: UInt32
    let guestPASID: UInt32?
    let vm: UInt32?
    let process: UInt32?
}
