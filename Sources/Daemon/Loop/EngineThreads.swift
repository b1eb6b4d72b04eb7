internal import DSA
internal import Dispatch
internal import Machine
internal import Platform

/// Threads that run windows too long for the loop. They touch nothing but the window they are given.
final class EngineThreads: Sendable {
    private struct Queue {
        var windows: [Machine.ReadyWindow] = []
        var isStopping = false
    }

    private let queue = Guarded(Queue())
    private let available = DispatchSemaphore(value: 0)
    private let mailbox: Mailbox
    private let threads = Guarded<[ThreadHandle]>([])

    /// Starts `count` threads, at least one.
    init(count: Int, mailbox: Mailbox) throws(SystemError) {
        self.mailbox = mailbox
        for number in 0..<max(count, 1) {
            let thread = try ThreadHandle(name: "swqd-engine-\(number)") { [self] in work() }
            threads.withLock { $0.append(thread) }
        }
    }

    /// Hands a window out; ``LoopMessage/windowRan(device:engine:)`` follows.
    func submit(_ window: Machine.ReadyWindow) {
        queue.withLock { $0.windows.append(window) }
        available.signal()
    }

    /// Ends the threads, after the windows they have.
    func stop() {
        let running = threads.withLock { threads in
            defer { threads = [] }
            return threads
        }
        queue.withLock { $0.isStopping = true }
        for _ in running { available.signal() }
        for thread in running { thread.join() }
    }

    private func work() {
        while true {
            available.wait()
            let next = queue.withLock { queue -> Machine.ReadyWindow? in
                queue.windows.isEmpty ? nil : queue.windows.removeFirst()
            }
            guard let next else { return }
            next.run()
            mailbox.post(.windowRan(device: next.device, engine: next.engine))
        }
    }
}
