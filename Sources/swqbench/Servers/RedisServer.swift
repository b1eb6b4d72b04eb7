internal import Platform

/// redis-server on a Unix socket, without persistence.
struct RedisServer {
    let process: ServerProcess
    let socketPath: String
    /// Such as `redis 7.0.15`.
    let version: String

    /// Starts it and waits until it answers.
    init(_ context: BenchmarkContext, processor: Int32?) throws {
        let state = try context.directories.newState()
        let path = context.directories.newSocket()
        socketPath = path
        process = try ServerProcess(
            context.redisPath,
            [
                "--port", "0", "--unixsocket", path, "--save", "", "--appendonly", "no", "--dir", state,
                "--daemonize", "no",
            ], processor: processor, log: "\(state)/log")
        let deadline = ContinuousClock.now + .seconds(10)
        while !Self.answers(path) {
            guard try process.isAlive(after: 2), ContinuousClock.now < deadline else {
                throw BenchError("redis-server does not answer: \(process.output)")
            }
        }
        version = try Self.version(path)
    }

    /// A connection that has been answered once.
    func connect() throws -> ClientConnection {
        var connection = try ClientConnection.unix(path: socketPath)
        try connection.setReceiveTimeout(milliseconds: 10_000)
        try connection.send(line: "PING\r")
        guard let reply = try connection.readLine(), reply == Array("+PONG\r".utf8) else {
            throw BenchError("redis-server does not answer PING")
        }
        return connection
    }

    /// `SET` with a value of 64 bytes and a key of 16.
    static func setRequest(key: Int) -> [UInt8] {
        let digits = String(key)
        let name = "key:" + String(repeating: "0", count: 12 - digits.count) + digits
        let value = String(repeating: "v", count: 64)
        return Array("*3\r\n$3\r\nSET\r\n$16\r\n\(name)\r\n$64\r\n\(value)\r\n".utf8)
    }

    /// Whether somebody listens; the file alone may be there before.
    private static func answers(_ path: String) -> Bool {
        do {
            _ = try ClientConnection.unix(path: path)
            return true
        } catch {
            return false
        }
    }

    private static func version(_ path: String) throws -> String {
        var connection = try ClientConnection.unix(path: path)
        try connection.setReceiveTimeout(milliseconds: 10_000)
        try connection.send(line: "INFO server\r")
        let key = "redis_version:"
        while let line = try connection.readLine() {
            let text = String(decoding: line, as: UTF8.self)
            if text.hasPrefix(key) { return "redis " + text.dropFirst(key.count).prefix { $0 != "\r" && $0 != "\r\n" } }
        }
        throw BenchError("redis-server does not say its version")
    }
}
