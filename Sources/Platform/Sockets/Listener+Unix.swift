internal import CPlatform
internal import Glibc

extension Listener {
    /// Listens on a Unix stream socket at `path`, whose file gets exactly the permission bits `mode` (say `0o660`).
    ///
    /// A file `<path>.lock` is created and locked for as long as the listener lives, so that of two daemons that start
    /// together one wins; it stays behind, unlocked. A socket that nobody answers on is removed and replaced; one that
    /// somebody answers on, and any other kind of file, is an error. The file is removed when the listener ends, if it
    /// is still the one made here.
    public static func unix(path: String, mode: UInt32) throws(ListenError) -> Listener {
        precondition(mode & ~0o777 == 0, "a mode has permission bits only")
        let checked: UnixSocketPath
        do { checked = try UnixSocketPath(path) } catch { throw .address(error) }

        let lock: LockFile
        do {
            lock = try LockFile(path: path + ".lock")
        } catch {
            switch error {
            case .held(_, let holder): throw .alreadyServed(path: path, holder: holder)
            case .system(let cause): throw .system(cause)
            }
        }
        try removeStaleSocket(at: checked)

        let number = platform_unix_socket(false, true)
        guard number >= 0 else { throw .system(.last("socket", path)) }
        let socket = OwnedFD(adopting: number)
        guard unsafe platform_unix_bind(number, path, path.utf8.count, mode) == 0 else {
            throw .system(.last("bind", path))
        }
        // From here on the file is ours, also when a later step fails. The umask may have taken bits from the mode.
        let file: SocketFile
        do { file = try SocketFile(path: path, lock: lock) } catch { throw .system(error) }
        guard unsafe chmod(path, mode) == 0 else {
            let error = SystemError.last("chmod", path)
            file.remove()
            throw .system(error)
        }
        do {
            try listen(socket, path)
        } catch {
            file.remove()
            throw error
        }
        return Listener(descriptor: socket, address: .unix(path: path), socketFile: file)
    }

    private static func removeStaleSocket(at path: UnixSocketPath) throws(ListenError) {
        var info = stat()
        guard unsafe lstat(path.string, &info) == 0 else {
            let error = SystemError.last("lstat", path.string)
            if error.code == ENOENT { return }
            throw .system(error)
        }
        guard info.st_mode & S_IFMT == S_IFSOCK else { throw .notASocket(path: path.string) }

        let number = platform_unix_socket(false, true)
        guard number >= 0 else { throw .system(.last("socket", path.string)) }
        let probe = OwnedFD(adopting: number)
        do {
            try path.connect(probe)
        } catch {
            switch error.code {
            case ECONNREFUSED: break
            // Gone since it was looked at.
            case ENOENT: return
            // A full backlog is an answer, too.
            case EAGAIN: throw .alreadyServed(path: path.string, holder: nil)
            default: throw .system(error)
            }
            guard unsafe unlink(path.string) == 0 || errno == ENOENT else {
                throw .system(.last("unlink", path.string))
            }
            return
        }
        let holder = try? StreamSocket(adopting: probe).peerCredentials().process
        throw .alreadyServed(path: path.string, holder: holder)
    }
}

/// The file of a Unix socket this process bound, with the lock that goes with its path.
struct SocketFile: ~Copyable, Sendable {
    private let path: String
    private let identity: FileIdentity
    private let lock: LockFile

    init(path: String, lock: consuming LockFile) throws(SystemError) {
        self.path = path
        self.lock = lock
        identity = try FileIdentity(path: path)
    }

    /// Removes the file if it is still the one that was bound.
    func remove() {
        guard let present = try? FileIdentity(path: path), present == identity else { return }
        _ = unsafe unlink(path)
    }
}
