internal import Glibc
package import Platform

/// A program that a test started. It is killed and waited for at the latest when the last reference ends.
package final class ChildProcess {
    /// What to start, and how.
    package struct Launch {
        /// Absolute path of the program.
        package var program: String
        /// Its arguments, without its name.
        package var arguments: [String]
        /// Its whole environment.
        package var environment: [String: String] = Launch.standardEnvironment
        /// Files for standard output and standard error; `/dev/null` without.
        package var standardOutput: String?
        package var standardError: String?
        /// Descriptors of this process that the program gets as 3, 4 and so on.
        package var descriptors: [CInt] = []

        package init(_ program: String, _ arguments: [String] = []) {
            self.program = program
            self.arguments = arguments
        }

        /// What programs need to run, sanitizers included, and nothing that configures them.
        package static var standardEnvironment: [String: String] {
            ProcessEnvironment.variables.filter { name, _ in
                ["PATH", "HOME", "LD_LIBRARY_PATH", "LLVM_PROFILE_FILE"].contains(name) || name.hasSuffix("SAN_OPTIONS")
            }
        }

        /// Runs shell text first, in the process that becomes the program: for limits and for variables that name the
        /// process itself.
        package mutating func prepend(shell text: String) {
            arguments = ["-c", "\(text)\nexec \"$0\" \"$@\"", program] + arguments
            program = "/bin/sh"
        }
    }

    /// How a process ended.
    package enum End: Equatable, Sendable {
        case exited(Int32)
        case killed(signal: Int32)
    }

    package let process: ProcessID
    private let handle: ProcessHandle
    private var ending: End?

    /// Starts a program.
    package init(_ launch: Launch) throws {
        process = try Self.spawn(launch)
        handle = try ProcessHandle(process)
    }

    deinit {
        guard ending == nil else { return }
        _ = Glibc.kill(process.rawValue, SIGKILL)
        _ = waitpid(process.rawValue, nil, 0)
    }

    /// Readable once the process has ended.
    package var endDescriptor: CInt { handle.descriptor.rawValue }

    /// Whether the process has ended, without waiting for that.
    package var hasEnded: Bool { handle.hasExited }

    /// Sends a signal.
    package func send(signal: Int32) throws {
        guard Glibc.kill(process.rawValue, signal) == 0 else { throw SystemError.last("kill") }
    }

    /// Waits until the process has ended.
    @discardableResult
    package func waitForEnd() throws -> End {
        if let ending { return ending }
        guard try Self.waitUntilReadable([endDescriptor]) != [] else {
            throw TestFailure("process \(process) did not end in time")
        }
        var status: CInt = 0
        guard unsafe waitpid(process.rawValue, &status, 0) == process.rawValue else {
            throw SystemError.last("waitpid")
        }
        let signal = status & 0x7F
        let end: End = signal == 0 ? .exited(status >> 8 & 0xFF) : .killed(signal: signal)
        ending = end
        return end
    }

    /// Waits until one of the descriptors is readable; empty when none was before the deadline.
    static func waitUntilReadable(_ descriptors: [CInt]) throws -> [CInt] {
        var polled = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        while true {
            let count = unsafe poll(&polled, nfds_t(polled.count), Deadline.milliseconds)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw SystemError.last("poll") }
            return polled.filter { $0.revents != 0 }.map(\.fd)
        }
    }

    private static func spawn(_ launch: Launch) throws -> ProcessID {
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        let flags = O_WRONLY | O_CREAT | O_APPEND
        unsafe posix_spawn_file_actions_addopen(&actions, 1, launch.standardOutput ?? "/dev/null", flags, 0o600)
        unsafe posix_spawn_file_actions_addopen(&actions, 2, launch.standardError ?? "/dev/null", flags, 0o600)
        // Moved out of the way first: a number that the program is to get may be another's here.
        let moved = launch.descriptors.map { fcntl($0, F_DUPFD_CLOEXEC, 512) }
        defer { for number in moved where number >= 0 { close(number) } }
        guard moved.allSatisfy({ $0 >= 0 }) else { throw SystemError.last("fcntl F_DUPFD_CLOEXEC") }
        for (index, number) in moved.enumerated() {
            unsafe posix_spawn_file_actions_adddup2(&actions, number, CInt(3 + index))
        }

        // Not those of this thread: the threads that tests run on block most.
        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        defer { unsafe posix_spawnattr_destroy(&attributes) }
        var blocked = sigset_t()
        unsafe sigemptyset(&blocked)
        unsafe posix_spawnattr_setsigmask(&attributes, &blocked)
        unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))

        var process: pid_t = 0
        let environment = launch.environment.map { "\($0)=\($1)" }
        let code = unsafe withCStrings([launch.program] + launch.arguments) { arguments in
            unsafe withCStrings(environment) { variables in
                unsafe posix_spawn(&process, launch.program, &actions, &attributes, arguments, variables)
            }
        }
        guard code == 0, let started = ProcessID(rawValue: process) else {
            throw SystemError(operation: "posix_spawn", code: code, context: launch.program)
        }
        return started
    }

    private static func withCStrings<Result>(
        _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
    ) -> Result {
        let copies: [UnsafeMutablePointer<CChar>?] = unsafe strings.map { unsafe strdup($0) } + [nil]
        defer { for index in unsafe copies.indices { unsafe free(copies[index]) } }
        return unsafe body(copies)
    }
}
