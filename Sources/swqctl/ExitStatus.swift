internal import ArgumentParser

/// How the program ends. `swqctl --help` explains each to its users.
enum ExitStatus: Int32 {
    case success = 0
    /// The daemon or the device refused the command.
    case refused = 1
    /// The daemon cannot be reached, went away, or did not answer in time.
    case unreachable = 2
    /// What was to be explained is invalid.
    case invalid = 3
    /// EX_USAGE: the command line, or an input that it names, is wrong.
    case usage = 64
    /// run: no daemon, or no preload library.
    case notRun = 125
    /// run: the program cannot be executed, or the preload library cannot reach it.
    case unusableProgram = 126
    /// run: there is no such program.
    case noProgram = 127
    /// EX_IOERR: the output cannot be written.
    case output = 74

    /// Ends the program without a message.
    var exit: ExitCode { ExitCode(rawValue) }
}

/// An error that is printed as `swqctl: DESCRIPTION` and ends the program with a status of its own.
protocol ProgramFailure: Error, CustomStringConvertible {
    /// The status.
    var status: ExitStatus { get }
}
