internal import Platform

/// Where the daemon is.
enum DaemonAddress: Equatable {
    /// Paths of Unix sockets, most wanted first: the first that somebody serves counts.
    case unix([String])
    /// A port of the loopback address, and the token that proves the right to use it.
    case loopback(LoopbackEndpoint, token: String)
}

/// The paths of the daemon's sockets, from options, the environment and the defaults of `swqd`.
struct SocketPaths {
    private static let adminName = "admin.sock"

    private let environment: [String: String]

    init(environment: [String: String]) {
        self.environment = environment
    }

    /// Candidates for the main socket, given the option `--socket`.
    func main(option: String?) -> [String] {
        if let path = option ?? variable("SWQD_SOCKET") { return [path] }
        // A relative path counts as none (XDG Base Directory Specification).
        let ofUser = variable("XDG_RUNTIME_DIR").flatMap { $0.hasPrefix("/") ? "\($0)/swqd/swqd.sock" : nil }
        return [ofUser, "/run/swqd/swqd.sock"].compactMap(\.self)
    }

    /// Candidates for the admin socket, given the options `--admin-socket` and `--socket`.
    func admin(option: String?, mainOption: String?) -> [String] {
        if let option { return [option] }
        if mainOption == nil, let path = variable("SWQD_ADMIN_SOCKET") { return [path] }
        return main(option: mainOption).map(Self.beside)
    }

    private func variable(_ name: String) -> String? {
        environment[name].flatMap { $0.isEmpty ? nil : $0 }
    }

    /// The admin socket in the directory of `path`.
    private static func beside(_ path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return adminName }
        return path[...slash] + adminName
    }
}
