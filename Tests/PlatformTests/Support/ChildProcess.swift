import Glibc
import Platform
import Testing

/// A child whose standard input and output are one socket, the other end of which is here.
struct ChildProcess: ~Copyable {
    let process: ProcessID
    private var socket: StreamSocket?

    /// Lives until its standard input ends.
    init() throws {
        try self.init(shell: "exec cat")
    }

    /// Runs the text in a shell.
    init(shell text: String) throws {
        let pair = try SocketPair(blocking: true)
        let childs = pair.near
        socket = consume pair.far

        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_adddup2(&actions, childs.descriptor.rawValue, 0)
        unsafe posix_spawn_file_actions_adddup2(&actions, childs.descriptor.rawValue, 1)
        var child: pid_t = 0
        let words: [String] = ["sh", "-c", text]
        var arguments: [UnsafeMutablePointer<CChar>?] = unsafe words.map { unsafe strdup($0) } + [nil]
        defer { for index in unsafe arguments.indices { unsafe free(arguments[index]) } }
        let code = unsafe posix_spawn(&child, "/bin/sh", &actions, nil, &arguments, nil)
        guard code == 0, let process = ProcessID(rawValue: child) else {
            throw SystemError(operation: "posix_spawn", code: code)
        }
        self.process = process
    }

    deinit {
        _ = waitpid(process.rawValue, nil, 0)
    }

    /// Writes to its input.
    func tell(_ text: String) throws {
        switch socket {
        case .some(let socket): #expect(socket.write(text) == .bytes(text.utf8.count))
        case .none: throw UnexpectedOutcome("the child's input has ended")
        }
    }

    /// Waits for its output, which is short.
    func hear() throws -> String {
        switch socket {
        case .some(let socket): return socket.read().text
        case .none: throw UnexpectedOutcome("the child's output has ended")
        }
    }

    /// Ends its input, and so the child.
    mutating func end() { socket = nil }
}
