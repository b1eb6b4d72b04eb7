internal import History
internal import Logging
internal import Platform
internal import ProtocolMessages

/// Brings the layers of a configuration together. The file has passed the walker, so its ranges hold; what only the
/// daemon knows, and all that flags and variables give, is checked here.
struct ConfigurationResolver {
    let overrides: ConfigurationOverrides
    let file: WireConfiguration
    /// Path of the file, as it was given.
    let path: String?
    let directories: StandardDirectories
    let user: UserID

    func resolve() throws(ConfigurationError) -> DaemonConfiguration {
        let sockets = try resolveSockets()
        let tcp = try resolveTCP()
        let state = try stateDirectory()
        let durability = try durability()
        let logLevel = try logLevel()
        var fabric = try resolveFabric()
        let devices = try resolveDevices(in: &fabric.fabric)
        let limits = DaemonLimits(file.limits)
        let retentionDays = file.history.hasRetentionDays ? file.history.retentionDays : 365
        let retentionRows = file.history.hasRetentionRows ? file.history.retentionRows : 10_000_000

        var wire = WireConfiguration()
        wire.sockets = sockets.wire
        if let tcp { wire.tcp = tcp.wire }
        wire.stateDir = state
        wire.history.durability = durability.wire
        wire.history.retentionDays = retentionDays
        wire.history.retentionRows = retentionRows
        wire.devices = devices.wire
        wire.ports = fabric.wire
        wire.limits = limits.wire
        wire.logLevel = logLevel.wire
        wire.pasidTranslationPolicy = .zfSetAndSkipped
        return DaemonConfiguration(
            file: path, mainSocketPath: sockets.main, mainSocketMode: sockets.mode, mainSocketGroup: sockets.group,
            adminSocketPath: sockets.admin, readOnlySocketPath: sockets.readOnly, socketDirectory: sockets.directory,
            tcp: tcp?.value, stateDirectory: state, durability: durability, retentionDays: Int(retentionDays),
            retentionRows: Int(retentionRows), fabric: fabric.fabric, devices: devices.setups, limits: limits,
            logLevel: logLevel, wire: wire)
    }

    /// The value of the highest layer that has one. A relative path of the file counts from the file's directory.
    func setting(_ setting: OverridableSetting, _ member: String?, isPath: Bool = false) -> Setting<String>? {
        if let override = overrides[setting] { return override }
        guard let member else { return nil }
        return Setting(isPath ? besideFile(member) : member, from: self.member(setting.member))
    }

    /// A member of the file as a source.
    func member(_ path: String) -> SettingSource { .member(file: self.path ?? "", path: path) }

    /// A path that the file names.
    func besideFile(_ path: String) -> String {
        guard !path.hasPrefix("/"), let slash = self.path?.lastIndex(of: "/"), let file = self.path else { return path }
        return file[...slash] + path
    }

    private func stateDirectory() throws(ConfigurationError) -> String {
        let given = setting(.stateDirectory, file.hasStateDir ? file.stateDir : nil, isPath: true)
        guard let directory = given?.value ?? directories.state else {
            throw missingDefault(.stateDirectory, variable: "STATE_DIRECTORY")
        }
        return directory
    }

    /// A path without a value, because the environment offers no directory.
    func missingDefault(_ setting: OverridableSetting, variable: String) -> ConfigurationError {
        ConfigurationError(
            .standard(setting.member),
            "depends on \(variable) or XDG_RUNTIME_DIR, and neither holds an absolute path; "
                + "give \(setting.flag) or \(setting.variable)")
    }

    private func durability() throws(ConfigurationError) -> DurabilityMode {
        let given = setting(
            .historyDurability, file.history.hasDurability ? DurabilityMode(file.history.durability)?.rawValue : nil)
        guard let given else { return .full }
        return try given.chosen(from: DurabilityMode.allCases)
    }

    private func logLevel() throws(ConfigurationError) -> Logger.Level {
        let given = setting(.logLevel, file.hasLogLevel ? Logger.Level(file.logLevel)?.rawValue : nil)
        guard let given else { return .info }
        return try given.chosen(from: Logger.Level.allCases)
    }
}

extension Setting where Value == String {
    /// The case of that name.
    fileprivate func chosen<Choice: RawRepresentable<String>>(
        from choices: [Choice]
    ) throws(ConfigurationError) -> Choice {
        guard let choice = Choice(rawValue: value) else {
            throw refused("is \"\(value)\"; accepted are \(choices.map(\.rawValue).joined(separator: ", "))")
        }
        return choice
    }
}

extension DurabilityMode {
    fileprivate init?(_ wire: WireHistoryConfiguration.Durability) {
        switch wire {
        case .full: self = .full
        case .normal: self = .normal
        case .off: self = .off
        case .UNRECOGNIZED: return nil
        }
    }

    fileprivate var wire: WireHistoryConfiguration.Durability {
        switch self {
        case .full: .full
        case .normal: .normal
        case .off: .off
        }
    }
}

extension Logger.Level {
    fileprivate init?(_ wire: WireConfiguration.LogLevel) {
        switch wire {
        case .trace: self = .trace
        case .debug: self = .debug
        case .info: self = .info
        case .notice: self = .notice
        case .warning: self = .warning
        case .error: self = .error
        case .critical: self = .critical
        case .UNRECOGNIZED: return nil
        }
    }

    fileprivate var wire: WireConfiguration.LogLevel {
        switch self {
        case .trace: .trace
        case .debug: .debug
        case .info: .info
        case .notice: .notice
        case .warning: .warning
        case .error: .error
        case .critical: .critical
        }
    }
}
