/// The version of the program: the one place that says it.
package enum DaemonVersion {
    /// Incompatible changes.
    package static let major: UInt32 = 0
    /// Compatible additions.
    package static let minor: UInt32 = 1
    /// Corrections.
    package static let micro: UInt32 = 0

    /// `0.1.0`
    package static let text = "\(major).\(minor).\(micro)"

    /// `swqd 0.1.0`, as the greeting and `--version` write it.
    package static let package = "swqd \(text)"
}
