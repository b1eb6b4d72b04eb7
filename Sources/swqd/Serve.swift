internal import Daemon

/// Runs the daemon until it has stopped.
func serve(_ configuration: DaemonConfiguration, from sources: ConfigurationSources) throws {
    let daemon = try Daemon(
        configuration: configuration, environment: sources.environment,
        configurationReload: { try sources.load() })
    try daemon.run()
}
