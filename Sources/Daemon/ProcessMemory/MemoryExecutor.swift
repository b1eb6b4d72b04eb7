internal import DSA
internal import Dispatch
internal import Machine
internal import Platform
internal import Synchronization

/// The thread that reaches the memory of one client program, and the work that waits for it.
///
/// A client can make the thread wait in the kernel for as long as it likes (userfaultfd, a file on a slow mount). So
/// nobody waits for the thread: what it has is abandoned when the client ends or has been too slow, and the thread is
/// left to itself and ends when the kernel lets it go.
final class MemoryExecutor: Sendable {
    private struct Queue {
        var work: [Machine.ForeignWork] = []
        var next = 0
        /// Work that was carried out and that the loop has not taken back.
        var done: [Machine.ForeignWork] = []
        /// The loop knows that there is some.
        var isTold = false
        /// The thread is at a piece of work.
        var isBusy = false
        var isStopping = false

        /// Adds to what was done. Returns whether to tell the loop: of several pieces together, unless nothing else is
        /// to be done.
        mutating func finish(_ work: Machine.ForeignWork) -> Bool {
            done.append(work)
            isBusy = false
            guard !isTold, done.count >= MemoryExecutor.toldCount || next == self.work.count else { return false }
            isTold = true
            return true
        }

        mutating func take() -> Machine.ForeignWork? {
            guard next < work.count else { return nil }
            next += 1
            isBusy = true
            defer {
                if next == work.count {
                    work.removeAll(keepingCapacity: true)
                    next = 0
                }
            }
            return work[next - 1]
        }
    }

    /// A wake-up of the loop costs as much as a small operation, so that several are told of together.
    private static let toldCount = 4

    /// The process whose memory it is, as clients know it.
    let process: UInt32
    private let queue = Guarded(Queue())
    private let available = DispatchSemaphore(value: 0)
    private let mailbox: Mailbox

    /// Starts the thread. It looks first whether it may reach the memory of `owner`, the program that `image` holds;
    /// ``LoopMessage/memoryProbed(process:_:)`` tells.
    init(process: UInt32, owner: ProcessID, image: ProcessImage, mailbox: Mailbox) throws(SystemError) {
        self.process = process
        self.mailbox = mailbox
        // Not joined: it may be waiting for a client.
        _ = try ThreadHandle(name: "swqd-memory-\(process)", stackByteCount: 256 << 10) { [self] in
            work(on: ProcessMemory(of: owner, image: image))
        }
    }

    /// Hands work out; ``LoopMessage/foreignWorkDone(process:)`` follows.
    func submit(_ work: [Machine.ForeignWork]) {
        let isFirst = queue.withLock { queue in
            defer { queue.work.append(contentsOf: work) }
            return queue.work.isEmpty
        }
        if isFirst { available.signal() }
    }

    /// Takes back what was carried out.
    func takeDone() -> [Machine.ForeignWork] {
        queue.withLock { queue in
            defer { queue.done.removeAll(keepingCapacity: true) }
            queue.isTold = false
            return queue.done
        }
    }

    /// Forgets the work that has not begun. Returns whether some has.
    func forgetWaitingWork() -> Bool {
        queue.withLock { queue in
            queue.work.removeAll()
            queue.next = 0
            return queue.isBusy
        }
    }

    /// Lets the thread end, after what it is doing.
    func stop() {
        queue.withLock { queue in
            queue.work.removeAll()
            queue.next = 0
            queue.isStopping = true
        }
        available.signal()
    }

    // MARK: The thread

    private func work(on memory: ProcessMemory) {
        mailbox.post(.memoryProbed(process: process, Self.probe(memory)))
        let bounce = ForeignBounce()
        var reach = ReachedMemory(memory)
        while true {
            available.wait()
            guard !queue.withLock({ $0.isStopping }) else { return }
            while var next = queue.withLock({ $0.take() }) {
                // A program that was executed meanwhile has other memory at the same addresses.
                if memory.hasEnded {
                    next.work.abandon()
                } else {
                    next.work.run(in: &reach, through: bounce)
                }
                if queue.withLock({ $0.finish(next) }) { mailbox.post(.foreignWorkDone(process: process)) }
            }
        }
    }

    private static func probe(_ memory: ProcessMemory) -> SystemError? {
        do throws(SystemError) {
            try memory.probe()
            return nil
        } catch { return error }
    }
}

/// A process's memory as the device's operations see it.
private struct ReachedMemory: ForeignMemory {
    private let memory: ProcessMemory

    init(_ memory: ProcessMemory) {
        self.memory = memory
    }

    func read(_ pieces: ForeignPieces) -> ForeignCopy {
        list(pieces)
        return Self.copy(memory.read())
    }

    func write(_ pieces: ForeignPieces) -> ForeignCopy {
        list(pieces)
        return Self.copy(memory.write())
    }

    func presentByteCount(of pieces: ForeignPieces, isWrite: Bool) -> ForeignCopy {
        list(pieces)
        return Self.copy(memory.presentByteCount(isWrite: isWrite))
    }

    private func list(_ pieces: ForeignPieces) {
        memory.beginPieces()
        for index in 0..<pieces.count {
            let piece = unsafe pieces[index]
            unsafe memory.append(
                ProcessMemory.Piece(local: piece.local, address: piece.address, byteCount: piece.byteCount))
        }
    }

    private static func copy(_ outcome: ProcessMemory.Outcome) -> ForeignCopy {
        switch outcome {
        case .bytes(let count): .copied(count)
        case .gone: .gone
        }
    }
}
