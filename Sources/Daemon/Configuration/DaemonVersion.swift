internal import Protocol

/// The daemon's name for its version.
package enum DaemonVersion {
    /// `swqd 0.1.0`, as the greeting and `--version` write it.
    package static let package = "swqd \(ProjectVersion.text)"
}
