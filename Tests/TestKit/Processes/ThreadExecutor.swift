internal import Platform

/// Gives each job a thread of its own, so that tasks which block hold up neither each other nor other tests.
///
///     try await withTaskExecutorPreference(ThreadExecutor()) { ... }
package final class ThreadExecutor: TaskExecutor {
    package init() {}

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        do {
            _ = try ThreadHandle(name: "test-task") { [self] in
                unsafe job.runSynchronously(on: asUnownedTaskExecutor())
            }
        } catch { preconditionFailure("a test has few tasks: \(error)") }
    }
}
