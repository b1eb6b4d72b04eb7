internal import Platform

/// The directories that the daemon uses when nobody names any.
struct StandardDirectories: Sendable {
    /// For the sockets; `nil` when the environment offers none.
    let runtime: String?
    /// For the history and the lock; `nil` when the environment offers none.
    let state: String?

    /// What the service manager made (RUNTIME_DIRECTORY, STATE_DIRECTORY), else `swqd` in the user's XDG_RUNTIME_DIR,
    /// else, for root, the places of a system service.
    init(environment: [String: String], user: UserID) {
        let isRoot = user.rawValue == 0
        let ofUser = Self.absolute(environment["XDG_RUNTIME_DIR"]).map { $0 + "/swqd" }
        runtime = Self.first(environment["RUNTIME_DIRECTORY"]) ?? ofUser ?? (isRoot ? "/run/swqd" : nil)
        state = Self.first(environment["STATE_DIRECTORY"]) ?? ofUser ?? (isRoot ? "/var/lib/swqd" : nil)
    }

    /// The first of a list: a unit may ask for several directories, and its own comes first.
    private static func first(_ list: String?) -> String? {
        list?.split(separator: ":", omittingEmptySubsequences: false).first.flatMap { absolute(String($0)) }
    }

    /// A relative or empty path counts as none (XDG Base Directory Specification).
    private static func absolute(_ path: String?) -> String? {
        path.flatMap { $0.hasPrefix("/") ? $0 : nil }
    }
}
