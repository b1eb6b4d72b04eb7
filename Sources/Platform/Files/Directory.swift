internal import Glibc

/// Directories, without Foundation.
public enum Directory {
    /// Makes sure that `path` is a directory. It and the missing ones above it are created with `mode`, less the umask;
    /// those that exist are left as they are.
    public static func create(_ path: String, mode: UInt32) throws(SystemError) {
        if unsafe mkdir(path, mode) == 0 { return }
        let error = SystemError.last("mkdir", path)
        switch error.code {
        case EEXIST:
            var info = stat()
            guard unsafe stat(path, &info) == 0 else { throw .last("stat", path) }
            guard info.st_mode & S_IFMT == S_IFDIR else {
                throw SystemError(operation: "mkdir", code: ENOTDIR, context: path)
            }
        case ENOENT:
            guard let parent = parent(of: path) else { throw error }
            try create(parent, mode: mode)
            guard unsafe mkdir(path, mode) == 0 || errno == EEXIST else { throw .last("mkdir", path) }
        default:
            throw error
        }
    }

    /// Removes an empty directory.
    public static func remove(_ path: String) throws(SystemError) {
        guard unsafe rmdir(path) == 0 else { throw .last("rmdir", path) }
    }

    /// `nil` for a path of one component and for the root.
    private static func parent(of path: String) -> String? {
        var parts = path.split(separator: "/")
        guard parts.count > 1 else { return nil }
        parts.removeLast()
        return (path.hasPrefix("/") ? "/" : "") + parts.joined(separator: "/")
    }
}
