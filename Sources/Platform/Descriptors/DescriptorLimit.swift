internal import CPlatform

/// The number of descriptors this process may hold (RLIMIT_NOFILE).
public struct DescriptorLimit: Hashable, Sendable {
    /// What the kernel enforces now.
    public let soft: UInt64
    /// How far the process may raise ``soft`` by itself.
    public let hard: UInt64

    /// Reads the limit.
    public static func current() throws(SystemError) -> DescriptorLimit {
        var soft: UInt64 = 0
        var hard: UInt64 = 0
        guard unsafe platform_descriptor_limit(&soft, &hard) == 0 else { throw .last("getrlimit RLIMIT_NOFILE") }
        return DescriptorLimit(soft: soft, hard: hard)
    }

    /// Raises the soft limit to the hard one and returns both values as they were before.
    ///
    /// The default soft limit of 1,024 exists for programs that use `select`; this one does not.
    @discardableResult
    public static func raise() throws(SystemError) -> DescriptorLimit {
        let before = try current()
        try setSoft(before.hard)
        return before
    }

    /// Sets the soft limit. Above the hard one it fails with EINVAL.
    public static func setSoft(_ soft: UInt64) throws(SystemError) {
        guard platform_descriptor_limit_set(soft) == 0 else {
            throw .last("setrlimit RLIMIT_NOFILE", String(soft))
        }
    }
}
