internal import Glibc
internal import Platform

/// A program that this one started. It does not outlive the object.
final class ChildProgram {
    let id: ProcessID
    private let handle: ProcessHandle
    private var hasEnded = false

    /// Starts `path`, with this process's environment and `environment` over it.
    ///
    /// - Parameters:
    ///   - input: What becomes its standard input; `nil` for nothing.
    ///   - outputPath: A file for its output and its errors; `nil` for this process's own.
    init(
        _ path: String, _ arguments: [String], environment: [String: String] = [:], input: Int32? = nil,
        outputPath: String? = nil
    ) throws {
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        if let input {
            unsafe posix_spawn_file_actions_adddup2(&actions, input, 0)
        } else {
            unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        }
        if let outputPath {
            unsafe posix_spawn_file_actions_addopen(&actions, 1, outputPath, O_WRONLY | O_CREAT | O_APPEND, 0o600)
            unsafe posix_spawn_file_actions_adddup2(&actions, 1, 2)
        }
        let variables = ProcessEnvironment.variables.merging(environment) { _, new in new }
        var words = unsafe ([path] + arguments).map { unsafe strdup($0) } + [nil]
        var assignments = unsafe variables.map { unsafe strdup("\($0.key)=\($0.value)") } + [nil]
        defer {
            for index in unsafe words.indices { unsafe free(words[index]) }
            for index in unsafe assignments.indices { unsafe free(assignments[index]) }
        }
        var child: pid_t = 0
        let code = unsafe posix_spawn(&child, path, &actions, nil, &words, &assignments)
        guard code == 0, let id = ProcessID(rawValue: child) else {
            throw SystemError(operation: "posix_spawn", code: code, context: path)
        }
        let handle = try ProcessHandle(id)
        self.id = id
        self.handle = handle
    }

    deinit {
        guard !hasEnded else { return }
        kill(id.rawValue, SIGKILL)
        _ = waitpid(id.rawValue, nil, 0)
    }

    /// Waits until it says that it is ready; `false` when it ended instead, or took too long.
    func waitUntilReady(_ readiness: borrowing ReadinessSocket) throws -> Bool {
        try readiness.waitUntilReady(orEnd: handle, timeoutMilliseconds: Setting.patienceMilliseconds)
    }

    /// Asks it to end.
    func terminate() {
        if !hasEnded { kill(id.rawValue, SIGTERM) }
    }

    /// Waits until it has ended, and throws unless its status is 0.
    func waitForSuccess(_ name: String) throws {
        let poller = try Poller()
        try poller.add(handle.descriptor, events: .readable, token: 0)
        var events = PollEventBuffer(capacity: 1)
        try poller.wait(into: &events, timeout: .milliseconds(Setting.patienceMilliseconds))
        try DemoError.require(events.count == 1, "\(name) does not end")
        var status: Int32 = 0
        guard unsafe waitpid(id.rawValue, &status, 0) == id.rawValue else { throw SystemError.last("waitpid") }
        hasEnded = true
        try DemoError.require(status == 0, "\(name) ended with wait status \(status)")
    }
}
