internal import Machine
internal import PCIe
internal import Platform
internal import Protocol
internal import ProtocolMessages

/// A connection that waits for a byte to become non-zero.
struct MemoryWaiter {
    let session: Session
    let id: RequestID
    let address: LinearAddress
    /// Monotonic nanoseconds; `nil` for no limit.
    let deadline: UInt64?
}

extension Server {
    /// How often waited-for bytes are looked at when no device has written: for stores of other processes to shared
    /// memory, which nobody reports.
    private static let memoryPollNanoseconds: UInt64 = 10_000_000

    func umwait(_ arguments: WireUmwaitArguments, _ id: RequestID, _ session: Session) throws(WireError) {
        let address = LinearAddress(rawValue: try address(arguments.address, "address"))
        guard let value = machine.byte(at: address, on: session.processor) else {
            throw WireError(
                .notFound, "the processor cannot read memory at \(arguments.address)", path: "arguments.address")
        }
        if value != 0 || (arguments.hasTimeoutMs && arguments.timeoutMs == 0) {
            answerWait(value, to: session, id: id)
            return
        }
        let deadline =
            arguments.hasTimeoutMs ? MonotonicClock.nanoseconds() + UInt64(arguments.timeoutMs) * 1_000_000 : nil
        session.isParked = true
        memoryWaiters.append(
            MemoryWaiter(session: session, id: id, address: address, deadline: deadline))
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
            guard waiter.session.processor >= 0,
                let value = machine.byte(at: waiter.address, on: waiter.session.processor)
            else {
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

    /// Where bytes of a client's space lie here: linear addresses of a process, guest physical ones of a VM.
    func pointer(to address: UInt64, byteCount: UInt64, in space: ClientSpace) -> UnsafeMutableRawPointer? {
        unsafe machine.pointer(to: address, byteCount: byteCount, in: space.index)
    }
}
