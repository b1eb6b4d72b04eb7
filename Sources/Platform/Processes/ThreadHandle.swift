internal import CPlatform
internal import Synchronization

/// A thread of the operating system that runs one closure.
///
/// It takes no signals (they belong to the thread that reads ``Signals``). A handle that ends without ``join()`` lets
/// its thread run on.
public final class ThreadHandle: Sendable {
    /// The longest name the kernel keeps (TASK_COMM_LEN less its NUL).
    public static let nameByteCountMax = 15

    private let thread: UInt
    private let isJoined = Atomic<Bool>(false)

    /// Starts a thread. The kernel knows it by the characters of `name` that fit into ``nameByteCountMax``;
    /// `stackByteCount` `nil` is the default size.
    public init(
        name: String, stackByteCount: Int? = nil, body: @escaping @Sendable () -> Void
    ) throws(SystemError) {
        let start = unsafe Unmanaged.passRetained(ThreadStart(name: Self.kept(of: name), body: body))
        var thread: UInt = 0
        let result = unsafe platform_thread_start(
            &thread, stackByteCount ?? 0,
            { context in
                guard let context = unsafe context else { return }
                unsafe Unmanaged<ThreadStart>.fromOpaque(context).takeRetainedValue().run()
            }, start.toOpaque())
        guard result == 0 else {
            let error = SystemError.last("pthread_create", name)
            unsafe start.release()
            throw error
        }
        self.thread = thread
    }

    deinit {
        if !isJoined.load(ordering: .relaxed) { _ = platform_thread_detach(thread) }
    }

    /// Waits until the closure has returned. At most once.
    public func join() {
        let wasJoined = isJoined.exchange(true, ordering: .relaxed)
        precondition(!wasJoined, "a thread is joined once")
        let result = platform_thread_join(thread)
        precondition(result == 0, "a thread does not join itself")
    }

    private static func kept(of name: String) -> String {
        var kept = name
        while kept.utf8.count > nameByteCountMax { kept.removeLast() }
        return kept
    }
}

/// What the new thread needs, in one object that C can carry.
private final class ThreadStart: Sendable {
    private let name: String
    private let body: @Sendable () -> Void

    init(name: String, body: @escaping @Sendable () -> Void) {
        self.name = name
        self.body = body
    }

    func run() {
        // The name is for people who look at the process; a kernel that refuses it refuses nothing else.
        _ = unsafe platform_thread_name(name)
        body()
    }
}
