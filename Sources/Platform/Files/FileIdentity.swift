internal import Glibc

/// Which file a path names now: unique while that file exists.
struct FileIdentity: Hashable, Sendable {
    private let device: UInt64
    private let inode: UInt64

    /// The file at `path` itself, not what a symbolic link there points to.
    init(path: String) throws(SystemError) {
        var info = stat()
        guard unsafe lstat(path, &info) == 0 else { throw .last("lstat", path) }
        device = UInt64(info.st_dev)
        inode = UInt64(info.st_ino)
    }
}
