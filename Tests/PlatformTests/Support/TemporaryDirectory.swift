import Glibc
import Platform

/// An empty directory under the system's temporary one, removed with the files in it when the value ends. Its path is
/// short enough for sockets, and every user may look into it.
struct TemporaryDirectory: ~Copyable {
    let path: String

    init() throws {
        var template = Array("/tmp/swqd-platform-XXXXXX".utf8CString)
        guard let made = unsafe mkdtemp(&template) else { throw SystemError.last("mkdtemp") }
        guard unsafe chmod(made, 0o755) == 0 else { throw SystemError.last("chmod") }
        unsafe path = String(cString: made)
    }

    deinit {
        if let directory = unsafe opendir(path) {
            while let entry = unsafe readdir(directory) {
                let name = unsafe withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                    unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
                }
                if name != ".", name != ".." { _ = unsafe Glibc.remove(path + "/" + name) }
            }
            _ = unsafe closedir(directory)
        }
        _ = unsafe rmdir(path)
    }

    func file(_ name: String) -> String { path + "/" + name }
}

/// The kind and permissions of the file at `path`, or `nil` when there is none.
func fileMode(_ path: String) -> mode_t? {
    var info = stat()
    return unsafe lstat(path, &info) == 0 ? info.st_mode : nil
}

/// Makes an empty regular file.
func makeFile(_ path: String) throws -> OwnedFD {
    let number = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard number >= 0 else { throw SystemError.last("open", path) }
    return OwnedFD(adopting: number)
}
