package import History
package import Logging
package import PCIe
package import Platform
package import ProtocolMessages

/// What the daemon runs with: every setting resolved, typed and checked.
package struct DaemonConfiguration: Sendable {
    /// Mode of the admin socket: whoever may connect there may do everything.
    package static let adminSocketMode: UInt32 = 0o600
    /// Mode of the read-only socket.
    package static let readOnlySocketMode: UInt32 = 0o666

    /// The configuration file, when there is one.
    package let file: String?

    /// Path of the main socket.
    package let mainSocketPath: String
    /// Permission bits of the main socket.
    package let mainSocketMode: UInt32
    /// Group of the main socket; `nil` leaves the daemon's.
    package let mainSocketGroup: GroupID?
    /// Path of the admin socket.
    package let adminSocketPath: String
    /// Path of the read-only socket; `nil` for none.
    package let readOnlySocketPath: String?
    /// The directory of the main socket when the daemon itself chose it: to be created, mode 0755. `nil` when somebody
    /// named the path, and with it a directory that has to be there.
    package let socketDirectory: String?

    /// TCP on loopback; `nil` for none.
    package let tcp: TCP?

    /// Directory of the history and the lock, to be created with mode 0700.
    package let stateDirectory: String
    /// When a row of the history counts as durable.
    package let durability: DurabilityMode
    /// Ended intervals older than this many days are deleted; 0 keeps all.
    package let retentionDays: Int
    /// The oldest ended intervals beyond this many rows are deleted; 0 keeps all.
    package let retentionRows: Int

    /// The ports between root complex and devices.
    package let fabric: Fabric
    /// The devices, with different names.
    package let devices: [DeviceSetup]
    /// Bounds on what clients may use.
    package let limits: DaemonLimits
    /// How much the daemon logs.
    package let logLevel: Logger.Level

    /// The same configuration with every member that has a value.
    package let wire: WireConfiguration

    /// The directory above the tree that stands for sysfs and the device nodes: that of the main socket, or one named
    /// after the socket where somebody chose its place, so that two daemons never share one.
    package var deviceTreeDirectory: String { socketDirectory ?? mainSocketPath + ".d" }

    /// The bounds as the greeting shows them.
    package var wireLimits: WireLimitsConfiguration { wire.limits }

    /// TCP on loopback.
    package struct TCP: Sendable {
        /// Where to listen.
        package let endpoint: LoopbackEndpoint
        /// What a client must prove to know.
        package let token: AccessToken
    }
}
