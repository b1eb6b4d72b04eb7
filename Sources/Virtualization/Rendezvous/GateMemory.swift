/// A thread of the host: one that edits tables, or one that runs a vCPU. It has a store buffer of its own.
public struct HostThreadID: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    /// The number; who gives it decides what it means.
    public let rawValue: UInt32

    /// The thread of this number.
    @inlinable
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }
}

/// A flag through which the editor of a VM's tables and the vCPUs of the VM keep out of each other's way
/// (virtualization §4.6). Every flag starts as `false`.
public enum GateFlag: Hashable, Sendable, BitwiseCopyable {
    /// Somebody edits the tables of the VM at this index: one at a time.
    case lock(vm: Int)
    /// VM entry is forbidden to the vCPUs of the VM at this index.
    case gateClosed(vm: Int)
    /// The processor at this index is in non-root mode, or about to enter it. KVM's `vcpu->mode`.
    case inGuest(processor: Int)
}

/// The memory that holds the flags of the rendezvous, as threads of a TSO machine see it: a store may be visible to its
/// own thread alone for a while, and stores of one thread become visible in their order.
///
/// The daemon's machine is one thread, so that its stores are visible at once. The simulator's is not.
public protocol GateMemory: ~Copyable {
    /// What `thread` reads: its own youngest store that is not yet visible, or else what all see.
    func load(_ flag: GateFlag, on thread: HostThreadID) -> Bool

    /// Stores; when others see it is the memory's affair.
    mutating func store(_ value: Bool, to flag: GateFlag, on thread: HostThreadID)

    /// A full barrier: returns whether everything that `thread` has stored is visible. `false`: ask again later.
    mutating func fence(_ thread: HostThreadID) -> Bool

    /// A locked exchange, which is a full barrier: takes `flag` from `false` to `true`. Returns whether it did; not so
    /// while the flag is `true` or a store of `thread` is not yet visible.
    mutating func acquire(_ flag: GateFlag, on thread: HostThreadID) -> Bool

    /// Sends the IPI that makes `processor` leave non-root mode at its next instruction boundary, or at once after the
    /// VM entry that it is about to make. It wakes no halted processor.
    mutating func kick(processor: Int)
}
