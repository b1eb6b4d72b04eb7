package import Platform
internal import Protocol
internal import ProtocolMessages

/// Where a configuration comes from. The command line overrides the environment, that the configuration file, and that
/// the defaults.
package struct ConfigurationSources: Sendable {
    private static let fileByteCountMax = 1 << 20

    /// The values of flags.
    package let flags: [OverridableSetting: String]
    /// The environment of the process: `SWQD_*`, and the directories of the service manager and the user.
    package let environment: [String: String]
    /// The user whose rights the daemon has.
    package let user: UserID

    package init(
        flags: [OverridableSetting: String], environment: [String: String] = ProcessEnvironment.variables,
        user: UserID = .current
    ) {
        self.flags = flags
        self.environment = environment
        self.user = user
    }

    /// Reads every source, also the files that they name, checks every value and resolves it. Changes nothing.
    package func load() throws(ConfigurationError) -> DaemonConfiguration {
        let overrides = try ConfigurationOverrides(flags: flags, environment: environment)
        let file = try overrides[.configurationFile].map { (path) throws(ConfigurationError) in
            try Self.parse(path)
        }
        let resolver = ConfigurationResolver(
            overrides: overrides, file: file ?? WireConfiguration(), path: overrides[.configurationFile]?.value,
            directories: StandardDirectories(environment: environment, user: user), user: user)
        return try resolver.resolve()
    }

    private static func parse(_ path: Setting<String>) throws(ConfigurationError) -> WireConfiguration {
        let text: [UInt8]
        do {
            text = try InputFile(path.value).contents(byteCountMax: fileByteCountMax)
        } catch {
            throw path.refused("\(error)")
        }
        do {
            return try ConfigurationFile.parse(text)
        } catch {
            throw ConfigurationError(.member(file: path.value, path: error.path), error.problem)
        }
    }
}
