/// The name of an IOASID set. A set that has ended leaves a name that no later set gets.
public struct IOASIDSetID: Hashable, Sendable, BitwiseCopyable {
    let index: UInt32
    let generation: UInt32

    /// One number for both halves: for display and for records.
    public var rawValue: UInt64 { UInt64(generation) << 32 | UInt64(index) }
}

/// Who owns an IOASID set, and how others find it (virtualization §5.1).
public enum IOASIDSetToken: Hashable, Sendable, BitwiseCopyable {
    /// NULL, type 1: a set without a token, known only by its ``IOASIDSetID``.
    case null
    /// MM, type 2: the set of the process address space that `token` names; subsystems which serve the same process
    /// find it by the token. Never 0.
    case mm(UInt64)
}

/// What the space knows about one IOASID set.
public struct IOASIDSetDescription: Hashable, Sendable {
    /// The set's name.
    public let id: IOASIDSetID
    /// The owner's token, given when the set was made.
    public let token: IOASIDSetToken
    /// How many IOASIDs the set may have.
    public let quota: UInt32
    /// How many it has, free-pending ones included.
    public let count: UInt32
    /// How many users keep the set; 0 while it only waits for its last free-pending IOASID.
    public let referenceCount: UInt32
}
