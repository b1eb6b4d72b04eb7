internal import FoundationEssentials
internal import Glibc
internal import Platform

/// Where servers keep what they need, gone when the benchmark ends.
final class WorkDirectories {
    /// Sockets: a short path, on any file system.
    let sockets: String
    /// Databases, each in a directory of its own: on the file system that is measured.
    private let states: String
    private var stateCount = 0
    private var socketCount = 0

    /// - Parameter directory: An existing directory on the file system that is measured.
    init(beside directory: String) throws {
        let base = URL(filePath: directory).path
        sockets = try Self.make("\(ProcessEnvironment.variables["TMPDIR"] ?? "/tmp")/swqbench.XXXXXX")
        do {
            states = try Self.make("\(base)/bench.XXXXXX")
        } catch {
            try FileManager.default.removeItem(atPath: sockets)
            throw error
        }
    }

    deinit {
        for path in [sockets, states] {
            do {
                try FileManager.default.removeItem(atPath: path)
            } catch {
                StandardError.write("swqbench: \(path): \(error)\n")
            }
        }
    }

    /// A new, empty directory.
    func newState() throws -> String {
        stateCount += 1
        let path = "\(states)/\(stateCount)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        return path
    }

    /// A path for a socket that is not in use.
    func newSocket() -> String {
        socketCount += 1
        return "\(sockets)/\(socketCount)"
    }

    private static func make(_ template: String) throws -> String {
        var bytes = Array(template.utf8CString)
        guard unsafe mkdtemp(&bytes) != nil else { throw BenchError("\(template): errno \(errno)") }
        return String(decoding: bytes.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
