public import Virtualization

/// The flags of the rendezvous in the memory of a TSO machine: each thread has a store buffer whose entries become
/// visible one by one, in order, when ``drain(_:)`` says so. A value, so that a search can compare and copy states.
public struct StoreBufferMemory: GateMemory, Hashable {
    private struct Store: Hashable {
        let flag: GateFlag
        let value: Bool
    }

    private struct Buffer: Hashable {
        let thread: HostThreadID
        var stores: [Store] = []
    }

    /// The flags that are `true` for everyone.
    private var visible: Set<GateFlag> = []
    /// One for each thread, in the order in which they came.
    private var buffers: [Buffer] = []
    /// Processors that have an IPI to take.
    public private(set) var pendingKicks: Set<Int> = []
    /// Threads whose barrier is broken: it ends at once.
    public var withoutFence: Set<HostThreadID> = []

    /// A memory of flags that are all `false`.
    public init() {}

    private func place(of thread: HostThreadID) -> Int? { buffers.firstIndex { $0.thread == thread } }

    /// Whether a thread has stored what others do not see yet.
    public func hasStores(_ thread: HostThreadID) -> Bool {
        place(of: thread).map { !buffers[$0].stores.isEmpty } ?? false
    }

    /// The threads that have stored what others do not see yet.
    public var threadsWithStores: [HostThreadID] { buffers.compactMap { $0.stores.isEmpty ? nil : $0.thread } }

    /// Makes the oldest store of a thread visible.
    public mutating func drain(_ thread: HostThreadID) {
        guard let place = place(of: thread), !buffers[place].stores.isEmpty else { return }
        let store = buffers[place].stores.removeFirst()
        if store.value { visible.insert(store.flag) } else { visible.remove(store.flag) }
    }

    /// What a thread without stores of its own sees.
    public func sees(_ flag: GateFlag) -> Bool { visible.contains(flag) }

    /// Its own youngest store, or what all see.
    public func load(_ flag: GateFlag, on thread: HostThreadID) -> Bool {
        if let place = place(of: thread), let own = buffers[place].stores.last(where: { $0.flag == flag }) {
            return own.value
        }
        return visible.contains(flag)
    }

    /// Goes into the buffer.
    public mutating func store(_ value: Bool, to flag: GateFlag, on thread: HostThreadID) {
        let store = Store(flag: flag, value: value)
        if let place = place(of: thread) {
            buffers[place].stores.append(store)
        } else {
            buffers.append(Buffer(thread: thread, stores: [store]))
        }
    }

    /// Whether the buffer is empty, or the barrier broken.
    public mutating func fence(_ thread: HostThreadID) -> Bool {
        withoutFence.contains(thread) || !hasStores(thread)
    }

    /// With an empty buffer only, and at once visible.
    public mutating func acquire(_ flag: GateFlag, on thread: HostThreadID) -> Bool {
        guard !hasStores(thread), !visible.contains(flag) else { return false }
        visible.insert(flag)
        return true
    }

    /// The IPI waits until the processor takes it.
    public mutating func kick(processor: Int) {
        pendingKicks.insert(processor)
    }

    /// The processor takes its IPI.
    public mutating func takeKick(_ processor: Int) -> Bool { pendingKicks.remove(processor) != nil }
}
