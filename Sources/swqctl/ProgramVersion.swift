internal import Protocol

/// The version of this program.
enum ProgramVersion {
    /// `swqctl 0.1.0`, as `--version` writes it.
    static let package = "swqctl \(ProjectVersion.text)"
}
