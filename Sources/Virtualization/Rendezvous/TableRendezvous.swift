/// One change of a structure that VMCSs point to, made while no vCPU of the VM is in non-root mode (virtualization
/// §4.6), in steps between which other threads may run.
///
///     locking ──> closing ──> fencing ──> kicking ──> awaiting ──> applying ──> opening ──> unlocking ──> finished
///
/// The editor stores the gate and then reads each vCPU's mode; a vCPU stores its mode and then reads the gate
/// (``VMEntrySequence``). With a full barrier between the two on either side, one of them sees the other: Dekker's
/// pattern. Without one of the barriers a vCPU can be lost.
///
/// Only vCPUs in non-root mode are kicked and waited for: a halted one is outside, and neither woken nor waited for
/// (V-10). vCPUs of other VMs are not concerned (V-11). Several edits in one gate period are one change.
public struct TableRendezvous: Hashable, Sendable {
    /// What the rendezvous does next.
    public enum Step: Hashable, Sendable {
        /// Waits for the editor that came before (V-15).
        case locking
        /// Forbids VM entries.
        case closing
        /// Makes that visible before any mode is read.
        case fencing
        /// Looks at the vCPU at this place of the list, and sends an IPI unless it is outside.
        case kicking(Int)
        /// Waits until the vCPU at this place of the list is outside.
        case awaiting(Int)
        /// The owner edits, and says so with ``TableRendezvous/finishApplying()``.
        case applying
        /// Allows VM entries.
        case opening
        /// Lets the next editor go on.
        case unlocking
        case finished
    }

    /// What ``advance(in:)`` did.
    public enum Progress: Hashable, Sendable {
        /// One step.
        case moved
        /// Nothing: it waits for another thread, or for its own stores.
        case blocked
        /// Nothing: the owner's turn to edit. No vCPU of the VM is in non-root mode, and none enters.
        case readyToApply
        /// Nothing: it has ended.
        case finished
    }

    /// The VM whose tables change, by its index.
    public let vm: Int
    /// Who edits.
    public let thread: HostThreadID
    /// The VM's vCPUs when the change began, by the index of their processors. A vCPU that is added later finds the
    /// gate closed.
    public let vcpus: [Int]
    /// What comes next.
    public private(set) var step = Step.locking
    /// How many vCPUs were forced out of non-root mode.
    public private(set) var kickCount = 0

    /// A rendezvous that has not begun.
    public init(vm: Int, vcpus: [Int], thread: HostThreadID) {
        self.vm = vm
        self.vcpus = vcpus
        self.thread = thread
    }

    /// One step. Between two calls anything else may happen.
    public mutating func advance<Memory: GateMemory & ~Copyable>(in memory: inout Memory) -> Progress {
        switch step {
        case .locking:
            guard memory.acquire(.lock(vm: vm), on: thread) else { return .blocked }
            step = .closing
        case .closing:
            memory.store(true, to: .gateClosed(vm: vm), on: thread)
            step = .fencing
        case .fencing:
            guard memory.fence(thread) else { return .blocked }
            step = vcpus.isEmpty ? .applying : .kicking(0)
        case .kicking(let place):
            if memory.load(.inGuest(processor: vcpus[place]), on: thread) {
                memory.kick(processor: vcpus[place])
                kickCount += 1
            }
            step = place + 1 < vcpus.count ? .kicking(place + 1) : .awaiting(0)
        case .awaiting(let place):
            guard !memory.load(.inGuest(processor: vcpus[place]), on: thread) else { return .blocked }
            step = place + 1 < vcpus.count ? .awaiting(place + 1) : .applying
        case .applying:
            return .readyToApply
        case .opening:
            memory.store(false, to: .gateClosed(vm: vm), on: thread)
            step = .unlocking
        case .unlocking:
            memory.store(false, to: .lock(vm: vm), on: thread)
            step = .finished
        case .finished:
            return .finished
        }
        return .moved
    }

    /// The owner has made all edits.
    ///
    /// - Precondition: ``advance(in:)`` returned ``Progress/readyToApply``.
    public mutating func finishApplying() {
        precondition(step == .applying, "edits are made while the gate is closed and everyone outside")
        step = .opening
    }
}
