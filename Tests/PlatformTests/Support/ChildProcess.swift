import Glibc
import Platform

/// A child that lives until its standard input ends: `cat`.
struct ChildProcess: ~Copyable {
    let process: ProcessID
    private var input: StreamSocket?

    init() throws {
        let pair = try SocketPair(blocking: true)
        let reading = pair.near
        input = consume pair.far

        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_adddup2(&actions, reading.descriptor.rawValue, 0)
        var child: pid_t = 0
        var arguments: [UnsafeMutablePointer<CChar>?] = unsafe [strdup("cat"), nil]
        defer { unsafe free(arguments[0]) }
        let code = unsafe posix_spawn(&child, "/bin/cat", &actions, nil, &arguments, nil)
        guard code == 0, let process = ProcessID(rawValue: child) else {
            throw SystemError(operation: "posix_spawn", code: code)
        }
        self.process = process
    }

    deinit {
        _ = waitpid(process.rawValue, nil, 0)
    }

    /// Ends its input, and so the child.
    mutating func end() { input = nil }
}
