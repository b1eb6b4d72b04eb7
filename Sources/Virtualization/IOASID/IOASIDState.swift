public import PCIe

/// The state of an IOASID (virtualization §5.2).
///
///     free ── alloc ──> idle <── last user's put, detach ── active ── free ──> freePending ── last put ──> free
///                        │ └──── get, attach ──────────────> ^
///                        └────── free ──> free
public enum IOASIDState: UInt8, Hashable, Sendable, BitwiseCopyable {
    /// Not allocated.
    case free
    /// Allocated, with no user beyond the owner's reference.
    case idle
    /// Bound to a guest PASID, or referenced by a user.
    case active
    /// Freed while references remain: it gains no new user, and is reclaimed with the last `put`.
    case freePending
}

/// What the space knows about one allocated IOASID.
public struct IOASIDDescription: Hashable, Sendable, BitwiseCopyable {
    /// The IOASID.
    public let id: HostPASID
    /// The set it was allocated for.
    public let set: IOASIDSetID
    /// Never ``IOASIDState/free``.
    public let state: IOASIDState
    /// The guest PASID bound to it. `nil` once it is free-pending, although the FREE event carried it.
    public let spid: GuestPASID?
    /// The owner's reference and those of its users.
    public let referenceCount: UInt32
    /// The private data attached to it.
    public let data: UInt64?
}

/// What ``IOASIDSpace/free(_:in:events:)`` did.
public enum IOASIDFreeOutcome: UInt8, Hashable, Sendable, BitwiseCopyable {
    /// Nobody else held a reference: the IOASID can be allocated again, and no event was sent.
    case reclaimed
    /// FREE was sent to both scopes; the IOASID is reclaimed with its last reference.
    case pending
    /// Ignored: no such IOASID.
    case ignoredUnknown
    /// Ignored: it belongs to another set.
    case ignoredForeign
    /// Ignored: it was freed before. No second event.
    case ignoredAlreadyPending
}
