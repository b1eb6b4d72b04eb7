import CMissingPages
import Glibc
import Testing

/// What not every kernel is built with.
enum Kernel {
    static var requiresHugePages: ConditionTrait {
        .enabled(if: has("/sys/kernel/mm/hugepages"), "the kernel has no hugetlbfs")
    }

    /// Without it nobody can see that a process has executed another program.
    static var requiresPageMaps: ConditionTrait {
        .enabled(if: has("/proc/self/pagemap"), "the kernel has no /proc/PID/pagemap")
    }

    /// A page that nobody brings.
    static var requiresMissingPages: ConditionTrait {
        .enabled(if: offersMissingPages, "the kernel refuses userfaultfd to this user")
    }

    private static var offersMissingPages: Bool {
        let number = test_missing_pages(0, 0)
        if number >= 0 { close(number) }
        // The range is none; that the call itself is refused would be EPERM or ENOSYS.
        return number >= 0 || (errno != EPERM && errno != ENOSYS)
    }

    private static func has(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }
}
