/// A configuration that the daemon does not start with.
package struct ConfigurationError: Error, Hashable, Sendable {
    /// What has to be changed.
    package let source: SettingSource
    /// What is wrong with it, with the value and what is accepted.
    package let problem: String

    package init(_ source: SettingSource, _ problem: String) {
        self.source = source
        self.problem = problem
    }
}

extension ConfigurationError: CustomStringConvertible {
    /// `/etc/swqd/swqd.json: sockets.mode: "0999" is not an octal mode; 000 to 0777 is accepted`
    package var description: String { "\(source): \(problem)" }
}
