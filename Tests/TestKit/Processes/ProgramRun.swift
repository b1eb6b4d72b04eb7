/// A program that was run to its end.
package struct ProgramRun {
    package let end: ChildProcess.End
    package let output: String
    package let errors: String

    /// Runs a program and waits for its end.
    package init(_ launch: ChildProcess.Launch) throws {
        let directory = try TemporaryDirectory()
        var launch = launch
        launch.standardOutput = directory.file("output")
        launch.standardError = directory.file("errors")
        end = try ChildProcess(launch).waitForEnd()
        output = directory.text(of: "output")
        errors = directory.text(of: "errors")
    }

    /// Runs the client's program on a daemon.
    package static func swqctl(_ arguments: [String], on daemon: DaemonProcess) throws -> ProgramRun {
        try ProgramRun(ChildProcess.Launch(Programs.swqctl, arguments + ["--socket", daemon.socketPath]))
    }

    /// Runs the daemon's program with these arguments, for what ends by itself.
    package static func swqd(_ arguments: [String], environment: [String: String] = [:]) throws -> ProgramRun {
        var launch = ChildProcess.Launch(Programs.swqd, arguments)
        launch.environment.merge(environment) { $1 }
        return try ProgramRun(launch)
    }
}
