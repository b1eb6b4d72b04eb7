internal import DSA
internal import History
internal import Logging
internal import Machine
internal import PCIe
internal import Platform
internal import Protocol
internal import ProtocolMessages
internal import Virtualization

/// A process that uses its client's own memory: who reaches that, and what is out with him.
final class ReachedProcess {
    let executor: MemoryExecutor
    /// The connection whose client's memory it is.
    let owner: Session.ID
    /// Answers `attach-process`; `nil` once it has.
    var probed: ((SystemError?) -> Void)?
    /// Pieces of work that are with the executor.
    var outstandingCount = 0
    /// Since when the executor has been at the same piece of work, monotonic nanoseconds.
    var busySince: UInt64 = 0
    /// The executor has taken too long. Work is abandoned at once until it comes back.
    var isStuck = false
    /// Work that is handed out at the end of the turn.
    var gathered: [Machine.ForeignWork] = []

    init(executor: MemoryExecutor, owner: Session.ID) {
        self.executor = executor
        self.owner = owner
    }
}

extension Server {
    /// Makes a process whose memory is that of the client program at the other end of the connection, and answers
    /// `attach-process` once that is known to be within reach.
    func attachOwnMemory(_ id: RequestID, _ session: Session) throws(WireError) {
        guard session.transport != .tcp else {
            throw WireError(
                .unsupported, "a program's own memory is reached on the same machine only; use a Unix socket",
                path: "arguments.memory")
        }
        guard let owner = session.credentials?.process, let process = session.process else {
            throw WireError(
                .unsupported, "the program at the other end is in a PID namespace that the daemon cannot see",
                path: "arguments.memory")
        }
        guard let image = process.image else { throw Self.outOfReach(nil) }
        let space = try makeProcess(for: session, hasForeignMemory: true)
        do throws(SystemError) {
            let executor = try MemoryExecutor(process: space.number, owner: owner, image: image, mailbox: mailbox)
            space.reached = ReachedProcess(executor: executor, owner: session.id)
        } catch {
            removeUnused(space)
            throw WireError(.resourceExhausted, "no thread for the memory of the program: \(error)")
        }
        session.isParked = true
        space.reached?.probed = { [self] error in
            if let error {
                space.reached?.executor.stop()
                removeUnused(space)
                reply(Self.outOfReach(error), to: session, id: id)
            } else if session.isClosed {
                space.reached?.executor.stop()
                removeUnused(space)
                return
            } else {
                attach(session, to: space, id)
            }
            unpark(session)
        }
    }

    /// Takes back a process that nobody has attached to.
    private func removeUnused(_ space: ClientSpace) {
        guard let index = space.processIndex else { preconditionFailure("a process space is a process") }
        machine.removeProcess(index)
        processes[space.number] = nil
    }

    private static func outOfReach(_ error: SystemError?) -> WireError {
        let reason = error.map { ": \($0)" } ?? ""
        return WireError(
            .permissionDenied,
            "the daemon may not reach the memory of this program\(reason); it must run as the daemon's user, be "
                + "dumpable (PR_SET_DUMPABLE) and, under Yama, name the daemon with PR_SET_PTRACER",
            path: "arguments.memory")
    }

    // MARK: Work

    /// Gives the work that devices have in the memory of client programs to those who reach it.
    ///
    /// - Returns: Whether some of it ended at once, so that the devices can go on.
    func handOutForeignWork() -> Bool {
        let all = machine.takeForeignWork()
        guard !all.isEmpty else { return false }
        var hasEnded = false
        var receivers: [ReachedProcess] = []
        for work in all {
            guard let reached = processes[machine.processID(work.process).rawValue]?.reached, !reached.isStuck else {
                var work = work
                work.work.abandon()
                machine.finish(work)
                hasEnded = true
                continue
            }
            if reached.gathered.isEmpty { receivers.append(reached) }
            reached.gathered.append(work)
        }
        for reached in receivers {
            if reached.outstandingCount == 0 { reached.busySince = MonotonicClock.nanoseconds() }
            reached.outstandingCount += reached.gathered.count
            reached.executor.submit(reached.gathered)
            reached.gathered.removeAll(keepingCapacity: true)
        }
        return hasEnded
    }

    /// Takes back the work that an executor has carried out.
    func finishForeignWork(of reached: ReachedProcess) {
        let done = reached.executor.takeDone()
        for work in done { machine.finish(work) }
        guard !done.isEmpty else { return }
        if reached.isStuck {
            // All but what it was at had been taken from it.
            reached.isStuck = false
        } else {
            reached.outstandingCount -= done.count
            reached.busySince = MonotonicClock.nanoseconds()
        }
    }

    /// Abandons the descriptors of a process whose memory does not let itself be reached.
    func abandonForeignWork(of space: ClientSpace, because reason: String) {
        guard let reached = space.reached, !reached.isStuck, let index = space.processIndex else { return }
        finishForeignWork(of: reached)
        guard reached.outstandingCount > 0 else { return }
        log.notice(
            "descriptors of a process are abandoned",
            metadata: ["process": "\(space.number)", "because": "\(reason)"])
        reached.isStuck = reached.executor.forgetWaitingWork()
        reached.outstandingCount = 0
        machine.abandonForeignWork(ofProcess: index)
    }

    /// Abandons what has been out for longer than a page request may be without an answer.
    func expireForeignWork(_ now: UInt64) {
        let patience = UInt64(configuration.limits.pageRequestTimeoutMilliseconds) * 1_000_000
        guard patience > 0 else { return }
        for space in processes.values {
            guard let reached = space.reached, reached.outstandingCount > 0, !reached.isStuck,
                now >= reached.busySince + patience
            else { continue }
            abandonForeignWork(of: space, because: "its memory was not within reach for \(patience / 1_000_000) ms")
        }
    }

    /// The program whose memory a process uses leaves it: nothing is left that its descriptors could reach.
    func releaseMemory(of session: Session, process: ClientProcess?) {
        guard let space = session.space, let reached = space.reached, reached.owner == session.id else { return }
        if process?.handle.hasExited ?? false { abandonForeignWork(of: space, because: "its program has exited") }
    }
}
