internal import DSA
internal import History
internal import Platform

/// What other threads tell the loop.
enum LoopMessage: Sendable {
    /// The history answered events, in the order of their submission.
    case history([HistoryCompletion])
    /// A query of the history is done; the token names who asked.
    case query(token: UInt64, HistoryAnswer)
    /// A window ran on an engine thread.
    case windowRan(device: Int, engine: Int)
    /// The first look at the memory of a process's program, and what the kernel said to it.
    case memoryProbed(process: UInt32, SystemError?)
    /// Work in the memory of a process's program was carried out.
    case foreignWorkDone(process: UInt32)
    /// These clients run another program, or none any more.
    case programsEnded([ClientProcess])
}

/// Messages from other threads to the loop, and the descriptor that wakes it.
final class Mailbox: Sendable {
    private let messages = Guarded<[LoopMessage]>([])
    let wakeup: Wakeup

    init() throws(SystemError) {
        wakeup = try Wakeup()
    }

    /// Adds a message and wakes the loop. From any thread.
    func post(_ message: LoopMessage) {
        messages.withLock { $0.append(message) }
        wakeup.signal()
    }

    /// Everything posted so far, oldest first. For the loop.
    func takeAll() -> [LoopMessage] {
        wakeup.drain()
        return messages.withLock { waiting in
            defer { waiting.removeAll(keepingCapacity: true) }
            return waiting
        }
    }
}
