internal import Protocol

/// Which events a connection receives.
struct EventSubscription {
    /// The names, or `nil` for all that the client may see.
    private(set) var names: Set<EventName>?

    /// What a new connection receives: the life of its own objects, and the end of the daemon.
    init() {
        names = Self.lifecycle.union(Self.mandatory)
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
        names = isAll ? nil : chosen
    }

    struct UnknownEvent: Error {
        let name: String
    }

    func includes(_ event: EventName) -> Bool {
        names?.contains(event) ?? true
    }

    /// The set as clients see it.
    var description: [String] {
        names.map { $0.map(\.rawValue).sorted() } ?? ["*"]
    }

    private static let lifecycle: Set<EventName> = [
        .ioasidAlloc, .ioasidBind, .ioasidUnbind, .ioasidFree, .vmCreated, .vmDestroyed, .processDestroyed,
    ]

    /// They cannot be switched off.
    private static let mandatory: Set<EventName> = [.eventsDropped, .shutdown]
}
