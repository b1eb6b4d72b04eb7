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

    private static func has(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }
}
