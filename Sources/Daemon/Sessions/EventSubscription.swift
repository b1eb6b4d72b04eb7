internal import Protocol

/// Which events a connection receives.
struct EventSubscription {
    /// The names, or `nil` for all that the client may see.
    private var names: Set<EventName>?
    /// The same as bits, by the event's place among all, so that an event asks every connection cheaply.
    private var bits: UInt32

    /// What a new connection receives: the life of its own objects, the interrupts it asks for, and the end of the
    /// daemon.
    init() {
        self = Self.standard
    }

    private static let standard = Self(names: lifecycle.union(mandatory))

    private init(names: Set<EventName>?) {
        self.names = names
        bits = names.map { $0.reduce(0) { $0 | Self.bit($1) } } ?? .max
    }

    /// The bit that stands for an event.
    static func bit(_ event: EventName) -> UInt32 {
        guard let place = EventName.allCases.firstIndex(of: event) else { preconditionFailure("all cases are all") }
        return 1 << UInt32(place)
    }

    /// - Parameter names: Names of events or `*`.
    /// - Throws: The first name that is neither.
    init(_ requested: [String]) throws(UnknownEvent) {
        var chosen = Self.mandatory
        var isAll = false
        for name in requested {
            if name == "*" {
                isAll = true
            } else if let event = EventName(rawValue: name) {
                chosen.insert(event)
            } else {
                throw UnknownEvent(name: name)
            }
        }
        self = Self(names: isAll ? nil : chosen)
    }

    struct UnknownEvent: Error {
        let name: String
    }

    /// Whether an event whose ``bit(_:)`` this is belongs to the subscription.
    func includes(bit: UInt32) -> Bool {
        bits & bit != 0
    }

    /// The set as clients see it.
    var description: [String] {
        names.map { $0.map(\.rawValue).sorted() } ?? ["*"]
    }

    private static let lifecycle: Set<EventName> = [
        .ioasidAlloc, .ioasidBind, .ioasidUnbind, .ioasidFree, .vmCreated, .vmDestroyed, .processDestroyed,
        .interrupt, .interruptRevoked,
    ]

    /// They cannot be switched off.
    private static let mandatory: Set<EventName> = [.eventsDropped, .shutdown]
}
