import Glibc
import Platform
import Synchronization

/// Kills a process when so many replies of it have arrived, so that the moment is a point in the work and not in time.
final class KillSwitch: Sendable {
    private let process: ProcessID
    private let point: Int
    private let count = Atomic<Int>(0)

    /// - Parameter point: The reply that is the last one counted, from 1.
    init(_ process: ProcessID, at point: Int) {
        self.process = process
        self.point = point
    }

    /// A reply has arrived. Others may already be on their way: what the process has sent stays sent.
    func replyArrived() {
        if count.add(1, ordering: .relaxed).newValue == point { pull() }
    }

    /// Kills at once.
    func pull() { kill(process.rawValue, SIGKILL) }
}
