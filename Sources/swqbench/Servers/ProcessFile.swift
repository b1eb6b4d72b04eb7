internal import Glibc

/// Files of /proc, which have no size and are read to their end.
enum ProcessFile {
    static func read(_ path: String) throws(BenchError) -> String {
        let number = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard number >= 0 else { throw BenchError("\(path): errno \(errno)") }
        defer { close(number) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = unsafe Glibc.read(number, &chunk, chunk.count)
            guard count >= 0 else { throw BenchError("\(path): errno \(errno)") }
            guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
            bytes += chunk[..<count]
        }
    }
}
