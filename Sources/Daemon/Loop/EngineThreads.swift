internal import DSA
internal import Dispatch
internal import Machine
internal import Platform

/// Threads that run windows too long for the loop. They touch nothing but the window they are given.
///
/// The hand-over is bounded: an engine has at most one window out, so that there are never more windows than engines. A
/// thread takes windows until none is left, so that only as many sleepers are woken as there are windows for, once for
/// all that a step hands out; and the loop is woken once for all that come back before it looks.
final class EngineThreads: Sendable {
    /// Windows in the order in which they were handed out: a ring.
    private struct Queue {
        private var slots: [Machine.ReadyWindow?]
        private var first = 0
        private(set) var count = 0
        /// Threads that wait to be woken.
        var sleeperCount = 0
        var isStopping = false

        init(capacity: Int) {
            slots = Array(repeating: nil, count: capacity)
        }

        mutating func append(_ window: Machine.ReadyWindow) {
            precondition(count < slots.count, "an engine has at most one window out")
            slots[(first + count) % slots.count] = window
            count += 1
        }

        mutating func takeFirst() -> Machine.ReadyWindow? {
            guard count > 0 else { return nil }
            defer {
                slots[first] = nil
                first = (first + 1) % slots.count
                count -= 1
            }
            return slots[first]
        }

        /// Takes up to `count` threads off the sleepers, which the caller wakes, and returns how many.
        mutating func wakeSleepers(_ count: Int) -> Int {
            let woken = min(count, sleeperCount)
            sleeperCount -= woken
            return woken
        }
    }

    private enum Turn {
        case run(Machine.ReadyWindow)
        case sleep
        case end
    }

    private let queue: Guarded<Queue>
    private let available = DispatchSemaphore(value: 0)
    private let mailbox: Mailbox
    private let threads = Guarded<[ThreadHandle]>([])

    /// Starts `count` threads for the windows of `engineCount` engines, each at least one.
    init(count: Int, engineCount: Int, mailbox: Mailbox) throws(SystemError) {
        queue = Guarded(Queue(capacity: engineCount))
        self.mailbox = mailbox
        for number in 0..<count {
            let thread = try ThreadHandle(name: "swqd-engine-\(number)") { [self] in work() }
            threads.withLock { $0.append(thread) }
        }
    }

    /// Hands windows out; ``LoopMessage/windowRan(device:engine:)`` follows for each.
    func submit(_ windows: [Machine.ReadyWindow]) {
        let wakeCount = queue.withLock { queue in
            for window in windows { queue.append(window) }
            return queue.wakeSleepers(windows.count)
        }
        for _ in 0..<wakeCount { available.signal() }
    }

    /// Ends the threads, after the windows they have.
    func stop() {
        let running = threads.withLock { threads in
            defer { threads = [] }
            return threads
        }
        let wakeCount = queue.withLock { queue in
            queue.isStopping = true
            return queue.wakeSleepers(running.count)
        }
        for _ in 0..<wakeCount { available.signal() }
        for thread in running { thread.join() }
    }

    private func work() {
        while true {
            switch nextTurn() {
            case .run(let window):
                window.run()
                mailbox.post(.windowRan(device: window.device, engine: window.engine))
            case .sleep: available.wait()
            case .end: return
            }
        }
    }

    private func nextTurn() -> Turn {
        queue.withLock { queue in
            if let window = queue.takeFirst() { return .run(window) }
            if queue.isStopping { return .end }
            queue.sleeperCount += 1
            return .sleep
        }
    }
}
