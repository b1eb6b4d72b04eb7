internal import Glibc
internal import Platform

/// A participant: this program once more, as a process of its own.
final class ParticipantProgram {
    /// Name for people.
    let name: String
    private let program: ChildProgram
    private var channel: ControlChannel

    /// Starts it.
    ///
    /// - Parameter role: The subcommand and what only this one is told.
    init(name: String, role: [String], socketPath: String, count: Int, seed: UInt64) throws {
        var ends: [CInt] = [-1, -1]
        let type = CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        guard unsafe socketpair(AF_UNIX, type, 0, &ends) == 0 else { throw SystemError.last("socketpair") }
        let channel = try ControlChannel(adopting: OwnedFD(adopting: ends[0]))
        let far = OwnedFD(adopting: ends[1])
        let program = try ChildProgram(
            "/proc/self/exe",
            role + ["--socket", socketPath, "--name", name, "--count", String(count), "--seed", String(seed)],
            input: far.rawValue)
        self.name = name
        self.channel = channel
        self.program = program
    }

    var id: ProcessID { program.id }

    func order(_ order: ParticipantOrder) throws {
        try channel.send(order)
    }

    /// Waits until it is set up.
    func waitUntilPrepared() throws -> Participation {
        guard case .prepared(let participation) = try receive() else { throw DemoError("\(name) is out of step") }
        return participation
    }

    /// Waits until it has met a full WQ.
    func waitUntilRetried() throws {
        guard case .retried = try receive() else { throw DemoError("\(name) is out of step") }
    }

    /// Waits until all that it submitted has completed.
    func waitUntilFinished() throws -> Totals {
        guard case .finished(let totals) = try receive() else { throw DemoError("\(name) is out of step") }
        return totals
    }

    /// Lets it undo what it bound, and waits until it has ended.
    func leave() throws {
        try order(.leave)
        try program.waitForSuccess(name)
    }

    private func receive() throws -> ParticipantMessage {
        let message: ParticipantMessage
        do { message = try channel.receive() } catch { throw DemoError("\(name): \(error)") }
        if case .failed(let reason) = message { throw DemoError("\(name): \(reason)") }
        return message
    }
}
