internal import CPlatform
internal import Glibc

/// Why a lock was not taken.
public enum LockFileError: Error, Hashable, Sendable {
    /// Another process holds it; which one, when it has written that down.
    case held(path: String, holder: ProcessID?)
    /// A system call failed.
    case system(SystemError)
}

extension LockFileError: CustomStringConvertible {
    /// The reason in one sentence, for people.
    public var description: String {
        switch self {
        case .held(let path, let holder?): "\(path) is locked by process \(holder)"
        case .held(let path, nil): "\(path) is locked by another process"
        case .system(let error): error.description
        }
    }
}

/// A file locked by this process for as long as the value lives (`flock`).
///
/// The kernel releases the lock when the process ends, however it ends. The file stays, with the last holder's process
/// number in it: removing it would let two processes lock two files of the same name.
public struct LockFile: ~Copyable, Sendable {
    /// The name of the lock in a directory that one daemon at a time may use.
    public static let directoryFileName = "lock"

    /// The locked file.
    public let path: String
    private let descriptor: OwnedFD

    /// Takes the lock at `path`, creating the file (mode 0600) if need be. Does not wait.
    public init(path: String) throws(LockFileError) {
        let number = unsafe platform_open_file(path, 0o600)
        guard number >= 0 else { throw .system(.last("open", path)) }
        let file = OwnedFD(adopting: number)
        guard platform_lock(number) == 0 else {
            let error = SystemError.last("flock", path)
            guard error.code == EWOULDBLOCK else { throw .system(error) }
            throw .held(path: path, holder: Self.holder(in: number))
        }
        let text = "\(ProcessID.current)\n"
        guard ftruncate(number, 0) == 0, unsafe pwrite(number, text, text.utf8.count, 0) == text.utf8.count else {
            throw .system(.last("write", path))
        }
        self.path = path
        descriptor = file
    }

    /// Takes the lock of a directory, such as the daemon's state directory.
    public init(directory: String) throws(LockFileError) {
        try self.init(path: directory + "/" + Self.directoryFileName)
    }

    /// The number that the holder wrote, or `nil` in the moment before it does.
    private static func holder(in descriptor: CInt) -> ProcessID? {
        var text = [UInt8](repeating: 0, count: 16)
        let count = unsafe text.withUnsafeMutableBytes { unsafe pread(descriptor, $0.baseAddress, $0.count, 0) }
        guard count > 0 else { return nil }
        let digits = text.prefix(count).prefix { $0 != UInt8(ascii: "\n") }
        return Int32(String(decoding: digits, as: UTF8.self)).flatMap(ProcessID.init(rawValue:))
    }
}
