/// What a vCPU's thread does before VM entry, so that it never runs while the gate of its VM is closed (virtualization
/// §4.6, `vcpuEnter`), in steps between which other threads may run.
///
///     announcing ──> fencing ──> checking ──gate open──> entering
///         ^                          │ gate closed
///         └── gate open ── waiting <─┘
public struct VMEntrySequence: Hashable, Sendable, BitwiseCopyable {
    /// What the thread does next.
    public enum Step: UInt8, Hashable, Sendable, BitwiseCopyable {
        /// Stores the mode: interrupts are off from here on.
        case announcing
        /// Makes that visible before the gate is read.
        case fencing
        /// Reads the gate.
        case checking
        /// Waits outside until the gate opens.
        case waiting
        /// The owner executes VM entry. An IPI that came in between makes it end at once.
        case entering
    }

    /// What ``advance(in:)`` did.
    public enum Progress: UInt8, Hashable, Sendable, BitwiseCopyable {
        /// One step.
        case moved
        /// Nothing: the gate is closed, or a store is not yet visible.
        case blocked
        /// Nothing: the owner's turn to enter.
        case readyToEnter
    }

    /// The VM, by its index.
    public let vm: Int
    /// The vCPU's processor, by its index.
    public let processor: Int
    /// The thread that runs it.
    public let thread: HostThreadID
    /// What comes next.
    public private(set) var step = Step.announcing

    /// A sequence that has not begun, of a vCPU that is outside.
    @inlinable
    public init(vm: Int, processor: Int, thread: HostThreadID) {
        self.vm = vm
        self.processor = processor
        self.thread = thread
    }

    /// One step. Between two calls anything else may happen.
    public mutating func advance<Memory: GateMemory & ~Copyable>(in memory: inout Memory) -> Progress {
        switch step {
        case .announcing:
            memory.store(true, to: .inGuest(processor: processor), on: thread)
            step = .fencing
        case .fencing:
            guard memory.fence(thread) else { return .blocked }
            step = .checking
        case .checking:
            guard memory.load(.gateClosed(vm: vm), on: thread) else {
                step = .entering
                return .moved
            }
            memory.store(false, to: .inGuest(processor: processor), on: thread)
            step = .waiting
        case .waiting:
            guard !memory.load(.gateClosed(vm: vm), on: thread) else { return .blocked }
            step = .announcing
        case .entering:
            return .readyToEnter
        }
        return .moved
    }
}
