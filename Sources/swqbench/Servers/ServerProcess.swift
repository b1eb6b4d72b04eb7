internal import CLoadGenerator
internal import FoundationEssentials
internal import Glibc

/// A server under measurement. It ends with this object, and with this process however that ends.
final class ServerProcess {
    /// The process's number; a child that has not been waited for, so it is nobody else's.
    let id: pid_t
    private let name: String
    private let log: String
    private var hasEnded = false

    /// Starts `path`.
    ///
    /// - Parameters:
    ///   - processor: The only one that it may use; `nil` for all.
    ///   - log: A file for its output.
    init(
        _ path: String, _ arguments: [String], environment: [String: String] = [:], processor: Int32?, log: String
    ) throws {
        name = path
        self.log = log
        var child: pid_t = 0
        let result = unsafe Self.withCStrings([path] + arguments) { arguments in
            unsafe Self.withCStrings(environment.map { "\($0.key)=\($0.value)" }) { environment in
                unsafe bench_spawn(path, arguments, environment, processor ?? -1, log, &child)
            }
        }
        try BenchError.check(result)
        id = child
    }

    deinit {
        guard !hasEnded else { return }
        kill(id, SIGKILL)
        _ = bench_wait(id, 10_000)
    }

    /// Asks it to end, and waits until it has.
    func stop() throws {
        guard !hasEnded else { return }
        kill(id, SIGTERM)
        guard try BenchError.check(bench_wait(id, 30_000)) == 1 else { throw BenchError("\(name) does not end") }
        hasEnded = true
    }

    /// Waits a moment: `false` when the process has ended meanwhile.
    func isAlive(after milliseconds: UInt32) throws -> Bool {
        guard !hasEnded else { return false }
        hasEnded = try BenchError.check(bench_wait(id, milliseconds)) == 1
        return !hasEnded
    }

    /// What it said last, for messages.
    var output: String {
        guard let bytes = FileManager.default.contents(atPath: log) else { return "" }
        return String(decoding: bytes.suffix(500), as: UTF8.self)
    }

    /// Anonymous memory in use, bytes.
    func anonymousBytes() throws -> Int {
        let rollup = try ProcessFile.read("/proc/\(id)/smaps_rollup")
        for line in rollup.split(separator: "\n") where line.hasPrefix("Anonymous:") {
            let fields = line.split(separator: " ")
            if fields.count == 3, let kibibytes = Int(fields[1]) { return kibibytes * 1024 }
        }
        throw BenchError("\(name): no Anonymous in smaps_rollup")
    }

    private static func withCStrings(
        _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>?) -> Int32
    ) -> Int32 {
        var copies = unsafe strings.map { unsafe strdup($0) } + [nil]
        defer { for index in unsafe copies.indices { unsafe free(copies[index]) } }
        return unsafe copies.withUnsafeMutableBufferPointer { unsafe body(UnsafePointer($0.baseAddress)) }
    }
}
