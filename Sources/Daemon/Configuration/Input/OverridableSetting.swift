/// A setting that a flag or a variable of the environment may give, over the configuration file.
package enum OverridableSetting: CaseIterable, Hashable, Sendable {
    case configurationFile
    case mainSocket
    case adminSocket
    case readOnlySocket
    case stateDirectory
    case tcpListen
    case tcpTokenFile
    case historyDurability
    case logLevel
    case deviceLayout

    /// The flag of the command line.
    package var flag: String {
        switch self {
        case .configurationFile: "--config"
        case .mainSocket: "--socket"
        case .adminSocket: "--admin-socket"
        case .readOnlySocket: "--read-only-socket"
        case .stateDirectory: "--state-dir"
        case .tcpListen: "--tcp"
        case .tcpTokenFile: "--tcp-token-file"
        case .historyDurability: "--history-durability"
        case .logLevel: "--log-level"
        case .deviceLayout: "--device-layout"
        }
    }

    /// The variable of the environment.
    package var variable: String {
        switch self {
        case .configurationFile: "SWQD_CONFIG"
        case .mainSocket: "SWQD_SOCKET"
        case .adminSocket: "SWQD_ADMIN_SOCKET"
        case .readOnlySocket: "SWQD_READ_ONLY_SOCKET"
        case .stateDirectory: "SWQD_STATE_DIR"
        case .tcpListen: "SWQD_TCP_LISTEN"
        case .tcpTokenFile: "SWQD_TCP_TOKEN_FILE"
        case .historyDurability: "SWQD_HISTORY_DURABILITY"
        case .logLevel: "SWQD_LOG_LEVEL"
        case .deviceLayout: "SWQD_DEVICE_LAYOUT"
        }
    }

    /// The member of the configuration file, the path of a default; empty where the file has none.
    package var member: String {
        switch self {
        case .configurationFile: ""
        case .mainSocket: "sockets.path"
        case .adminSocket: "sockets.adminPath"
        case .readOnlySocket: "sockets.readOnlyPath"
        case .stateDirectory: "stateDir"
        case .tcpListen: "tcp.listen"
        case .tcpTokenFile: "tcp.tokenFile"
        case .historyDurability: "history.durability"
        case .logLevel: "logLevel"
        case .deviceLayout: "devices"
        }
    }
}

/// What the environment and the command line say.
struct ConfigurationOverrides: Sendable {
    /// The variables that begin so belong to the daemon: one that it does not know is a mistake.
    private static let variablePrefix = "SWQD_"

    private var settings: [OverridableSetting: Setting<String>] = [:]

    /// Takes the variables, and the flags over them.
    ///
    /// - Throws: when a `SWQD_` variable is unknown, or a value is empty or holds a NUL.
    init(flags: [OverridableSetting: String], environment: [String: String]) throws(ConfigurationError) {
        let known = Set(OverridableSetting.allCases.map(\.variable))
        let unknown = environment.keys.filter { $0.hasPrefix(Self.variablePrefix) && !known.contains($0) }
        if let name = unknown.min() {
            throw ConfigurationError(
                .variable(name), "is unknown; known are \(known.sorted().joined(separator: ", "))")
        }
        for setting in OverridableSetting.allCases {
            if let value = flags[setting] {
                settings[setting] = Setting(value, from: .flag(setting.flag))
            } else if let value = environment[setting.variable] {
                settings[setting] = Setting(value, from: .variable(setting.variable))
            }
            guard let given = settings[setting] else { continue }
            guard !given.value.isEmpty else { throw given.refused("is empty; give a value or leave it out") }
            guard !given.value.utf8.contains(0) else { throw given.refused("contains a NUL byte") }
        }
    }

    subscript(setting: OverridableSetting) -> Setting<String>? { settings[setting] }
}
