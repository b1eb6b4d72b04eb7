/// The version of the project, which all of its programs and the protocol's greeting carry: the one place that says it.
package enum ProjectVersion {
    /// Incompatible changes.
    package static let major: UInt32 = 0
    /// Compatible additions.
    package static let minor: UInt32 = 1
    /// Corrections.
    package static let micro: UInt32 = 0

    /// `0.1.0`
    package static let text = "\(major).\(minor).\(micro)"
}
