internal import Machine
internal import Platform
internal import Protocol
internal import ProtocolMessages

/// A connection that waits for a byte to become non-zero.
struct MemoryWaiter {
    let session: Session
    let id: RequestID
    let space: ClientSpace
    let address: UInt64
    /// Monotonic nanoseconds; `nil` for no limit.
    let deadline: UInt64?
}

extension Server {
    /// How often waited-for bytes are looked at when no device has written: for stores of other processes to shared
    /// memory, which nobody reports.
    private static let memoryPollNanoseconds: UInt64 = 10_000_000

    func umwait(_ arguments: WireUmwaitArguments, _ id: RequestID, _ session: Session) throws(WireError) {
        guard let space = session.space else { preconditionFailure("a processor has an address space") }
        let address = try address(arguments.address, "address")
        guard let value = byte(at: address, in: space) else {
            throw WireError(
                .notFound, "\(arguments.address) is not in a region of memory of this client", path: "arguments.address")
        }
        if value != 0 || (arguments.hasTimeoutMs && arguments.timeoutMs == 0) {
            answerWait(value, to: session, id: id)
            return
        }
        let deadline =
            arguments.hasTimeoutMs ? MonotonicClock.nanoseconds() + UInt64(arguments.timeoutMs) * 1_000_000 : nil
        session.isParked = true
        memoryWaiters.append(
            MemoryWaiter(session: session, id: id, space: space, address: address, deadline: deadline))
    }

    /// The earliest time at which a waiter must be looked at.
    var nextMemoryDeadline: UInt64? {
        guard !memoryWaiters.isEmpty else { return nil }
        let poll = MonotonicClock.nanoseconds() + Self.memoryPollNanoseconds
        return memoryWaiters.reduce(poll) { min($0, $1.deadline ?? .max) }
    }

    /// Answers the waiters whose byte a device has written.
    func wakeMemoryWaiters() {
        guard !memoryWaiters.isEmpty else { return }
        let count = machine.recordCount
        guard count != seenRecordCount else { return }
        seenRecordCount = count
        answerWaiters(now: nil)
    }

    /// Looks at every waited-for byte, and gives up those whose time has run out.
    func expireMemoryWaiters(_ now: UInt64) {
        guard !memoryWaiters.isEmpty else { return }
        answerWaiters(now: now)
    }

    private func answerWaiters(now: UInt64?) {
        memoryWaiters.removeAll { waiter in
            // Memory that went away reads as a wait that ran out: the byte will never change.
            guard let value = byte(at: waiter.address, in: waiter.space) else {
                answerWait(0, to: waiter.session, id: waiter.id)
                unpark(waiter.session)
                return true
            }
            let isOver = now.map { $0 >= waiter.deadline ?? .max } ?? false
            guard value != 0 || isOver else { return false }
            answerWait(value, to: waiter.session, id: waiter.id)
            unpark(waiter.session)
            return true
        }
    }

    private func answerWait(_ value: UInt8, to session: Session, id: RequestID) {
        var result = WireUmwaitReturn()
        result.changed = value != 0
        result.value = UInt32(value)
        reply(result, to: session, id: id)
    }

    private func byte(at address: UInt64, in space: ClientSpace) -> UInt8? {
        guard let pointer = unsafe pointer(to: address, byteCount: 1, in: space) else { return nil }
        return unsafe pointer.load(as: UInt8.self)
    }

    /// Where bytes of a client's space lie here. A vCPU names linear addresses; without page tables of its own these are
    /// guest physical.
    func pointer(to address: UInt64, byteCount: UInt64, in space: ClientSpace) -> UnsafeMutableRawPointer? {
        unsafe machine.pointer(to: address, byteCount: byteCount, in: space.index)
    }
}
