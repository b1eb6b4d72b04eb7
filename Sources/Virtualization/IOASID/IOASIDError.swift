/// Why the IOASID core refused an operation, by the errno that the kernel's core returns (virtualization §5.3).
/// A refused operation has changed nothing.
public enum IOASIDError: Int32, Error, Hashable, Sendable, CaseIterable {
    /// ENOENT: no such IOASID, or nothing attached to it.
    case noEntry = 2
    /// EACCES: the IOASID belongs to another set.
    case accessDenied = 13
    /// EBUSY: in use, or about to be freed.
    case busy = 16
    /// EEXIST: the token, or the subscriber, is there already.
    case exists = 17
    /// EINVAL: an argument that no state could make valid, or an unknown set.
    case invalidArgument = 22
    /// ENOSPC: not enough capacity is available.
    case noSpace = 28

    /// The errno's name, such as `ENOSPC`.
    public var name: String {
        switch self {
        case .noEntry: "ENOENT"
        case .accessDenied: "EACCES"
        case .busy: "EBUSY"
        case .exists: "EEXIST"
        case .invalidArgument: "EINVAL"
        case .noSpace: "ENOSPC"
        }
    }
}
