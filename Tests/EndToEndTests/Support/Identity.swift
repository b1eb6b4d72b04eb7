import Glibc
import Platform
import Testing

/// Who a process is.
enum Identity {
    /// A user and group that own nothing.
    static let nobody: UInt32 = 65_534

    /// For tests that become another user.
    static var requiresRoot: ConditionTrait {
        .enabled(if: UserID.current.rawValue == 0, "only root can become another user")
    }

    /// Gives up root for good. In a process of its own.
    static func becomeNobody() throws {
        guard setgroups(0, nil) == 0, setgid(nobody) == 0, setuid(nobody) == 0 else { throw SystemError.last("setuid") }
    }
}
