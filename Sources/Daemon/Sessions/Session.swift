internal import Machine
internal import Platform
internal import Protocol

/// One connection: its socket, what it is, what it waits for.
///
///     greeted --qmp_capabilities--> ready            (Unix)
///     greeted --qmp_capabilities--> unauthenticated --authenticate--> ready   (TCP)
///
/// Confined to the loop's thread.
final class Session {
    typealias ID = UInt32

    enum Transport {
        case unix
        case unixReadOnly
        case unixAdmin
        case tcp
    }

    enum Phase {
        case greeted
        case unauthenticated
        case ready
    }

    /// What the socket is polled for.
    struct Interest: Equatable {
        let reads: Bool
        let writes: Bool

        var events: PollEvents {
            switch (reads, writes) {
            case (true, true): [.readable, .peerFinished, .writable]
            case (true, false): [.readable, .peerFinished]
            case (false, true): .writable
            case (false, false): []
            }
        }
    }

    /// Its place in the loop's table.
    var slot = 0

    /// What the connection is to the machine.
    enum Role {
        case observer
        case thread(ClientSpace, processor: Int, number: UInt32)
        case vcpu(ClientSpace, processor: Int, number: UInt32)
    }

    let id: ID
    let socket: StreamSocket
    let transport: Transport
    /// Who connected; `nil` on TCP, where nobody vouches for the peer.
    let credentials: PeerCredentials?
    /// The memory of this client, over all its connections.
    let memory: MemoryAccount

    /// The process at the other end, from the first time on that the connection holds something; `nil` on TCP.
    var process: ClientProcess?

    var phase = Phase.greeted
    var role = Role.observer {
        didSet { if case .thread = role { isNative = true } else { isNative = false } }
    }
    /// The role is a thread of a host process.
    private(set) var isNative = false
    /// The processor that submissions run on, or -1: read on each of them.
    var processor = -1
    var acceptsOutOfBand = false
    /// The peer sent something that was no request before any request was one; on TCP that ends the connection.
    var hasSentRequest = false

    var framer: LineFramer
    var input = InputBuffer()
    var inbox = DescriptorInbox(limit: 1)
    var output = OutputBuffer(capacity: 256)
    /// A descriptor that travels with the reply at the front of `output`.
    var attachment: OutgoingDescriptor?

    /// A command waits; later ones are not begun before it has answered.
    var isParked = false
    /// Requests that arrived behind a command that waits, while others may overtake it.
    var deferred: [[UInt8]] = []
    var deferredByteCount = 0

    /// Reading stopped: the peer does not take its replies, or too much waits behind a parked command.
    var isReadingPaused = false
    /// The peer has finished sending; the connection closes once everything is answered.
    var isInputFinished = false
    /// Close when the output has been written.
    var closesWhenFlushed = false
    var isClosed = false
    /// In the loop's list of sessions with output.
    var isDirty = false
    /// The socket took less than there was; it is polled for room.
    var isWriteBlocked = false
    var interest = Interest(reads: true, writes: false)

    /// The address spaces whose page requests the connection answers; what has ended may still be among them.
    var servedSpaces: [ClientSpace] = []

    var subscription = EventSubscription()
    /// Events in `output` that have not been written.
    var queuedEvents = 0
    var droppedInGap: UInt64 = 0
    var droppedEvents: UInt64 = 0

    /// The shared-memory portal of the connection.
    var ring: Ring?

    /// The interrupt entries that the connection is told of.
    var interrupts: [InterruptAttachment] = []

    init(
        id: ID, socket: consuming StreamSocket, transport: Transport, credentials: PeerCredentials?,
        memory: MemoryAccount, lineBytesMax: Int
    ) {
        self.id = id
        self.socket = socket
        self.transport = transport
        self.credentials = credentials
        self.memory = memory
        framer = LineFramer(lineBytesMax: lineBytesMax)
    }

    var isAdmin: Bool { transport == .unixAdmin }

    /// Whose objects the connection may name.
    var identity: ClientIdentity {
        credentials.map { .user($0.user) } ?? .tokenHolder
    }

    /// The process or VM that the connection is part of.
    var space: ClientSpace? {
        switch role {
        case .observer: nil
        case .thread(let space, _, _), .vcpu(let space, _, _): space
        }
    }
}

/// A descriptor on its way to a client, or two, in one object so that optional storage can hold it.
final class OutgoingDescriptor {
    let descriptor: OwnedFD
    /// Its descriptor travels behind the first.
    var companion: OutgoingDescriptor?
    /// Bytes of the output that must be written before the reply it belongs to begins.
    var bytesBefore: Int

    init(_ descriptor: consuming OwnedFD, bytesBefore: Int) {
        self.descriptor = descriptor
        self.bytesBefore = bytesBefore
    }
    /// The numbers of the descriptors, in their order.
    var numbers: [Int32] {
        [descriptor.rawValue] + (companion.map { [$0.descriptor.rawValue] } ?? [])
    }
}
