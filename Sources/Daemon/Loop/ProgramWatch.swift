internal import Dispatch
internal import Platform

/// Finds out which clients have executed another program. The kernel tells nobody without privilege: one has to look.
///
/// On a thread of its own: a client can make the look at its address space last, which must not hold up the loop. It
/// then delays the look at others as well.
final class ProgramWatch: Sendable {
    private struct Round {
        var processes: [ClientProcess] = []
        var isUnderWay = false
        var isStopping = false
    }

    private let round = Guarded(Round())
    private let wanted = DispatchSemaphore(value: 0)
    private let mailbox: Mailbox

    init(mailbox: Mailbox) throws(SystemError) {
        self.mailbox = mailbox
        // Not joined: it may be waiting for a client.
        _ = try ThreadHandle(name: "swqd-programs") { [self] in work() }
    }

    /// Looks at `processes`; ``LoopMessage/programsEnded(_:)`` follows if any has ended. Nothing happens while the last
    /// round has not.
    func look(at processes: [ClientProcess]) {
        guard !processes.isEmpty else { return }
        let begins = round.withLock { round in
            guard !round.isUnderWay else { return false }
            round.processes = processes
            round.isUnderWay = true
            return true
        }
        if begins { wanted.signal() }
    }

    /// Ends the thread, after the round that is under way.
    func stop() {
        round.withLock { $0.isStopping = true }
        wanted.signal()
    }

    private func work() {
        while true {
            wanted.wait()
            guard let processes = round.withLock({ $0.isStopping ? nil : $0.processes }) else { return }
            let ended = processes.filter { $0.image?.hasEnded ?? false }
            round.withLock { round in
                round.processes = []
                round.isUnderWay = false
            }
            if !ended.isEmpty { mailbox.post(.programsEnded(ended)) }
        }
    }
}
