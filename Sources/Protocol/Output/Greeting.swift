package import ProtocolMessages

/// The first line of every connection.
package struct Greeting: Sendable {
    /// Version of the program, such as 0.1.0.
    package struct Version: Equatable, Sendable {
        package let major: UInt32
        package let minor: UInt32
        package let micro: UInt32

        package init(major: UInt32, minor: UInt32, micro: UInt32) {
            self.major = major
            self.minor = minor
            self.micro = micro
        }
    }

    /// Capabilities that `qmp_capabilities` may switch on.
    package static let capabilities = ["oob"]

    /// Version of the program.
    package let version: Version

    /// Name and full version of the program.
    package let package: String

    /// All limits in force.
    package let limits: WireLimitsConfiguration

    /// `authenticate` must follow the negotiation.
    package let requiresToken: Bool

    package init(version: Version, package: String, limits: WireLimitsConfiguration, requiresToken: Bool) {
        self.version = version
        self.package = package
        self.limits = limits
        self.requiresToken = requiresToken
    }
}
