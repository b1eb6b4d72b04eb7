internal import CPlatform
internal import Glibc

/// A directory tree that this process alone writes, below a root that it made.
public struct FileTree: ~Copyable, Sendable {
    /// The root's absolute path.
    public let root: String

    /// An empty tree; what an earlier process left there goes.
    public init(root: String) throws(SystemError) {
        guard unsafe platform_remove_tree(root) == 0 else { throw .last("nftw", root) }
        guard unsafe mkdir(root, 0o755) == 0, unsafe chmod(root, 0o755) == 0 else { throw .last("mkdir", root) }
        self.root = root
    }

    /// Removes the tree with its root.
    public func remove() throws(SystemError) {
        guard unsafe platform_remove_tree(root) == 0 else { throw .last("nftw", root) }
    }

    /// Makes a directory that everyone may look into.
    public func makeDirectory(_ path: String) throws(SystemError) {
        let path = absolute(path)
        guard unsafe mkdir(path, 0o755) == 0, unsafe chmod(path, 0o755) == 0 else { throw .last("mkdir", path) }
    }

    /// Makes a symbolic link.
    public func makeLink(_ path: String, to target: String) throws(SystemError) {
        let path = absolute(path)
        guard unsafe symlink(target, path) == 0 else { throw .last("symlink", path) }
    }

    /// Gives a file this text. It has the mode that it was made with, or was given since by somebody else.
    public func write(_ text: [UInt8], to path: String, mode: UInt32) throws(SystemError) {
        let path = absolute(path)
        let result = unsafe text.withUnsafeBytes { unsafe platform_write_file(path, mode, $0.baseAddress, $0.count) }
        guard result == 0 else { throw .last("write", path) }
    }

    /// Removes a file, a link or an empty directory.
    public func removeEntry(_ path: String) throws(SystemError) {
        let path = absolute(path)
        guard unsafe Glibc.remove(path) == 0 || errno == ENOENT else { throw .last("remove", path) }
    }

    /// Who may use the file or directory at `path`.
    public func permissions(of path: String) throws(SystemError) -> FilePermissions {
        let path = absolute(path)
        var info = stat()
        guard unsafe lstat(path, &info) == 0 else { throw .last("lstat", path) }
        return FilePermissions(
            mode: UInt32(info.st_mode) & 0o777, user: UserID(rawValue: info.st_uid),
            group: GroupID(rawValue: info.st_gid))
    }

    private func absolute(_ path: String) -> String { path.isEmpty ? root : "\(root)/\(path)" }
}

/// The owner of a file and its mode.
public struct FilePermissions: Hashable, Sendable {
    /// The nine bits of rwxrwxrwx.
    public let mode: UInt32
    /// Whose it is.
    public let user: UserID
    /// The group it belongs to.
    public let group: GroupID

    /// Permissions as the kernel keeps them.
    public init(mode: UInt32, user: UserID, group: GroupID) {
        self.mode = mode
        self.user = user
        self.group = group
    }

    /// What somebody wants to do with a file, as the bit of `mode` for everyone.
    public enum Access: UInt32, Sendable {
        case write = 2
        case read = 4
    }

    /// Whether a user with this one group may do it. Root may what anyone may, as in sysfs.
    public func allow(_ access: Access, user: UserID?, group: GroupID?, isRoot: Bool) -> Bool {
        let bit = access.rawValue
        if isRoot { return mode & (bit << 6 | bit << 3 | bit) != 0 }
        if user == self.user { return mode >> 6 & bit != 0 }
        if group == self.group { return mode >> 3 & bit != 0 }
        return mode & bit != 0
    }
}
