import Glibc
import Platform
import Synchronization
import Testing

@Suite struct `Process handle` {
    @Test(.timeLimit(.minutes(1))) func `The end of a process makes its handle readable`() throws {
        var child = try ChildProcess()
        let handle = try ProcessHandle(child.process)
        let poller = try Poller()
        var events = PollEventBuffer()
        try poller.add(handle.descriptor, events: .readable, token: 9)
        try poller.wait(into: &events, timeout: .immediate)
        #expect(events.count == 0)
        #expect(handle.hasExited == false)

        child.end()
        try poller.wait(into: &events, timeout: .never)
        #expect(events.count == 1)
        #expect(events[0].token == 9)
        #expect(handle.hasExited == true)
    }

    @Test func `A process that does not exist has no handle`() throws {
        // Above the largest PID a kernel gives out (2^22).
        let nobody = try #require(ProcessID(rawValue: .max))
        #expect(throws: SystemError(operation: "pidfd_open", code: ESRCH, context: nobody.description)) {
            _ = try ProcessHandle(nobody)
        }
    }

    @Test(arguments: [0, -1, .min] as [Int32]) func `A process number is positive`(_ number: Int32) {
        #expect(ProcessID(rawValue: number) == nil)
    }
}

@Suite struct `Process image` {
    /// The kernel can be built without them.
    private static let hasPageMaps = unsafe access("/proc/self/pagemap", R_OK) == 0

    @Test(.enabled(if: hasPageMaps, "the kernel has no /proc/PID/pagemap"), .timeLimit(.minutes(1)))
    func `An exec ends it, of the same program too, and the end of the process`() throws {
        var child = try ChildProcess(shell: "read line; exec /bin/sh -c 'echo next; read line'")
        let image = try ProcessImage(child.process)
        #expect(!image.hasEnded)
        try child.tell("go on\n")
        #expect(try child.hear() == "next\n")
        #expect(image.hasEnded)

        let next = try ProcessImage(child.process)
        #expect(!next.hasEnded)
        let handle = try ProcessHandle(child.process)
        let poller = try Poller()
        var events = PollEventBuffer()
        try poller.add(handle.descriptor, events: .readable, token: 0)
        child.end()
        try poller.wait(into: &events, timeout: .never)
        #expect(next.hasEnded)
    }

    @Test func `That of another user is not to be looked into`() async {
        await #expect(processExitsWith: .success) {
            // Process 1 is root's.
            let isAnother = getuid() != 0 || setuid(65_534) == 0
            #expect(isAnother)
            let first = try #require(ProcessID(rawValue: 1))
            let error = #expect(throws: SystemError.self) { _ = try ProcessImage(first) }
            #expect([EACCES, ENOENT].contains(error?.code))
        }
    }
}

@Suite struct `Thread` {
    @Test func `Join waits until the closure has returned`() throws {
        let box = Box()
        let thread = try ThreadHandle(name: "worker") { box.value.store(42, ordering: .relaxed) }
        thread.join()
        #expect(box.value.load(ordering: .relaxed) == 42)
    }

    @Test(
        arguments: zip(
            ["engine-0", "a name of twenty ch", "fourteen bytesé"], ["engine-0", "a name of twent", "fourteen bytes"]))
    func `A thread has the characters of its name that fit into 15 bytes`(_ name: String, _ kept: String) throws {
        let box = Box()
        let expected = Array(kept.utf8)[...]
        let thread = try ThreadHandle(name: name) {
            let file = OwnedFD(adopting: unsafe open("/proc/thread-self/comm", O_RDONLY | O_CLOEXEC))
            var actual = [UInt8](repeating: 0, count: 64)
            let count = unsafe read(file.rawValue, &actual, actual.count)
            let isSame = actual.prefix(count) == expected + [UInt8(ascii: "\n")]
            box.value.store(isSame ? 1 : 2, ordering: .relaxed)
        }
        thread.join()
        #expect(box.value.load(ordering: .relaxed) == 1)
    }

    @Test(arguments: Signal.allCases) func `A thread takes no signals`(_ signal: Signal) throws {
        let box = Box()
        let thread = try ThreadHandle(name: "worker") {
            var mask = sigset_t()
            unsafe pthread_sigmask(SIG_BLOCK, nil, &mask)
            box.value.store(unsafe Int(sigismember(&mask, signal.rawValue)), ordering: .relaxed)
        }
        thread.join()
        #expect(box.value.load(ordering: .relaxed) == 1)
    }

    @Test func `A stack below the kernel's minimum is refused`() {
        #expect(throws: SystemError(operation: "pthread_create", code: EINVAL, context: "tiny")) {
            _ = try ThreadHandle(name: "tiny", stackByteCount: 1) {}
        }
    }

    private final class Box: Sendable {
        let value = Atomic<Int>(0)
    }
}

@Suite struct `Environment` {
    @Test func `Variables are read, and removed for good`() async {
        await #expect(processExitsWith: .success) {
            #expect(unsafe setenv("SWQD_TEST", "a=b", 1) == 0)
            #expect(unsafe setenv("SWQD_EMPTY", "", 1) == 0)
            let variables = ProcessEnvironment.variables
            #expect(variables["SWQD_TEST"] == "a=b")
            #expect(variables["SWQD_EMPTY"] == "")
            ProcessEnvironment.remove(["SWQD_TEST", "SWQD_EMPTY", "SWQD_NEVER_SET"])
            #expect(ProcessEnvironment.variables["SWQD_TEST"] == nil)
            #expect(unsafe getenv("SWQD_EMPTY") == nil)
        }
    }
}
