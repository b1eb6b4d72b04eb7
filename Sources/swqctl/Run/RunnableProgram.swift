internal import Glibc
internal import Platform

/// The program to run: found as a shell finds it, and of a kind that a preload library reaches.
struct RunnableProgram {
    /// What is executed.
    let path: String
    /// All arguments, the program's name first.
    let arguments: [String]

    /// Finds the program and looks at it. Scripts are looked at through their `#!`.
    init(_ words: [String], environment: [String: String]) throws(RunError) {
        let name = words[0]
        let found = try Self.find(name, path: environment["PATH"])
        switch try ProgramReach(of: found) {
        case .reachable:
            path = found
            arguments = words
        case .shellText:
            // As execvp does with a file that the kernel does not know.
            path = "/bin/sh"
            arguments = ["/bin/sh", found] + words.dropFirst()
            guard case .reachable = try ProgramReach(of: path) else {
                throw .unusable("\(found) is text, and /bin/sh is no program")
            }
        }
    }

    /// Runs it to its end, and passes signals on meanwhile.
    func run(
        environment: [String], signalMask: SignalMask, _ signals: borrowing ForwardedSignals
    ) throws(RunError) -> SpawnedProgram.End {
        let program: SpawnedProgram
        do {
            program = try SpawnedProgram(
                path, arguments: arguments, environment: environment, .init(signalMask: signalMask))
        } catch {
            throw error.code == ENOENT ? .notFound("\(error)") : .unusable("\(error)")
        }
        do {
            let poller = try Poller()
            try poller.add(program.handle.descriptor, events: .readable, token: 0)
            try poller.add(signals.descriptor, events: .readable, token: 1)
            var events = PollEventBuffer(capacity: 2)
            while !program.handle.hasExited {
                try poller.wait(into: &events, timeout: .never)
                while let signal = try signals.next() { program.send(signal: signal) }
            }
            return try program.waitForEnd()
        } catch { throw .failed("\(path) cannot be waited for: \(error)") }
    }

    private static func find(_ name: String, path: String?) throws(RunError) -> String {
        guard !name.isEmpty else { throw .notFound("the name of the program is empty") }
        if name.contains("/") {
            try check(name)
            return name
        }
        var refusal: RunError?
        let directories = (path ?? "/usr/local/bin:/usr/bin:/bin").split(
            separator: ":", omittingEmptySubsequences: false)
        for directory in directories {
            let candidate = directory.isEmpty ? "./\(name)" : "\(directory)/\(name)"
            do throws(RunError) {
                try check(candidate)
                return candidate
            } catch {
                if case .unusable = error { refusal = refusal ?? error }
            }
        }
        throw refusal ?? .notFound("\(name): there is no such program in PATH")
    }

    /// Whether a file can be executed at all.
    private static func check(_ path: String) throws(RunError) {
        var info = stat()
        guard unsafe stat(path, &info) == 0 else {
            let error = SystemError.last("stat", path)
            throw error.code == ENOENT || error.code == ENOTDIR ? .notFound("\(error)") : .unusable("\(error)")
        }
        guard info.st_mode & S_IFMT == S_IFREG else { throw .unusable("\(path) is no file") }
        guard unsafe access(path, X_OK) == 0 else { throw .unusable("\(SystemError.last("access", path))") }
    }
}
