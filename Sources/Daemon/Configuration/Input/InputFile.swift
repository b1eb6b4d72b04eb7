internal import Glibc
internal import Platform

/// A file that the configuration names. It is opened once, so what is checked is what is read.
struct InputFile: ~Copyable {
    private let path: String
    private let descriptor: OwnedFD

    /// Opens a file for reading.
    init(_ path: String) throws(SystemError) {
        // Not blocking: a FIFO that nobody writes to must not hold up the start.
        let number = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)
        guard number >= 0 else { throw .last("open", path) }
        descriptor = OwnedFD(adopting: number)
        self.path = path
    }

    /// Who may do what with it.
    struct Status {
        let owner: UserID
        /// The permission bits.
        let mode: UInt32
        let isRegular: Bool
    }

    /// Who may do what with it now.
    func status() throws(SystemError) -> Status {
        var info = stat()
        guard unsafe fstat(descriptor.rawValue, &info) == 0 else { throw .last("fstat", path) }
        return Status(
            owner: UserID(rawValue: info.st_uid), mode: info.st_mode & 0o7777,
            isRegular: info.st_mode & S_IFMT == S_IFREG)
    }

    /// Everything in it.
    ///
    /// - Throws: EFBIG when that is more than `byteCountMax` bytes.
    func contents(byteCountMax: Int) throws(SystemError) -> [UInt8] {
        guard fcntl(descriptor.rawValue, F_SETFL, 0) == 0 else { throw .last("fcntl", path) }
        var contents: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = unsafe read(descriptor.rawValue, &chunk, chunk.count)
            if count < 0 {
                let error = SystemError.last("read", path)
                if error.code == EINTR { continue }
                throw error
            }
            if count == 0 { return contents }
            contents.append(contentsOf: chunk[..<count])
            guard contents.count <= byteCountMax else {
                throw SystemError(operation: "read", code: EFBIG, context: path)
            }
        }
    }
}
