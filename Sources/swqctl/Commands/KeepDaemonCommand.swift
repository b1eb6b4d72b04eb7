internal import ArgumentParser
internal import FoundationEssentials
internal import Glibc
internal import Platform

/// `swqctl keep-daemon`: the keeper of a private daemon, started by `swqctl run` and by nobody else.
///
/// Descriptor 3 is a pipe whose other end closes with whoever wants the daemon. Then, or when the daemon ends, the
/// keeper ends what is left and removes the directory. A keeper that is killed takes the daemon with it.
struct KeepDaemonCommand: ParsableCommand {
    static let name = "keep-daemon"

    static let configuration = CommandConfiguration(
        commandName: name, abstract: "Keeps the daemon of swqctl run.", shouldDisplay: false)

    /// How long a daemon that was asked to end may take.
    private static let patienceMilliseconds: UInt32 = 15_000

    @Argument(help: "The daemon's directory, removed at the end.")
    var directory: String

    @Argument(parsing: .captureForPassthrough, help: "The daemon and its arguments.")
    var daemon: [String]

    func run() throws {
        let status: CInt
        do { status = try keep() } catch {
            StandardError.write("swqctl: \(error)\n")
            status = 1
        }
        do { try FileManager.default.removeItem(atPath: directory) } catch {
            StandardError.write("swqctl: \(directory) is left: \(error)\n")
        }
        throw ExitCode(status)
    }

    private func keep() throws -> CInt {
        let lifeline = OwnedFD(adopting: 3)
        guard fcntl(3, F_SETFD, FD_CLOEXEC) == 0 else { throw SystemError.last("fcntl") }
        var options = SpawnedProgram.Options(signalMask: try SignalMask.current())
        options.parentDeathSignal = SIGTERM
        let environment = ProcessEnvironment.variables.map { "\($0.key)=\($0.value)" }
        let program = try SpawnedProgram(daemon[0], arguments: daemon, environment: environment, options)
        let poller = try Poller()
        // Its other end says nothing: it closes.
        try poller.add(lifeline, events: .readable, token: 0)
        try poller.add(program.handle.descriptor, events: .readable, token: 1)
        var events = PollEventBuffer(capacity: 2)
        repeat { try poller.wait(into: &events, timeout: .never) } while events.count == 0
        guard !program.handle.hasExited else { return try program.waitForEnd().shellStatus }
        program.send(signal: SIGTERM)
        try poller.remove(lifeline)
        try poller.wait(into: &events, timeout: .milliseconds(Self.patienceMilliseconds))
        if !program.handle.hasExited { program.send(signal: SIGKILL) }
        return try program.waitForEnd().shellStatus
    }
}
