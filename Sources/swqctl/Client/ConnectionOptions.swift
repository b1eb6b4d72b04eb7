internal import ArgumentParser
internal import Platform

/// Which daemon to talk to, and how.
struct ConnectionOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The daemon's main socket.", valueName: "path"))
    var socket: String?

    @Option(help: ArgumentHelp("The daemon's admin socket; it is used for every command.", valueName: "path"))
    var adminSocket: String?

    @Flag(help: "Use the admin socket, which sees what belongs to any client. Changing commands always do.")
    var admin = false

    @Option(help: ArgumentHelp("Use TCP on loopback: 127.0.0.1:PORT or [::1]:PORT.", valueName: "endpoint"))
    var tcp: String?

    @Option(help: ArgumentHelp("The file that holds the token for --tcp.", valueName: "path"))
    var tokenFile: String?

    @Option(
        name: .customLong("timeout-ms"),
        help: ArgumentHelp("Longest wait for a reply, milliseconds; 0 waits for ever.", valueName: "n"))
    var timeoutMilliseconds: UInt32 = 30_000

    func validate() throws {
        if tcp != nil {
            guard tokenFile != nil else { throw ValidationError("--tcp needs --token-file.") }
            guard socket == nil, adminSocket == nil, !admin else {
                throw ValidationError("--tcp excludes --socket, --admin-socket and --admin.")
            }
        } else if tokenFile != nil {
            throw ValidationError("--token-file is for --tcp.")
        }
    }

    /// Whether nothing was asked for: a command without a daemon takes none of these.
    var isDefault: Bool {
        socket == nil && adminSocket == nil && !admin && tcp == nil && tokenFile == nil
            && timeoutMilliseconds == 30_000
    }

    /// The address.
    ///
    /// - Parameter needsAdmin: The command is for the admin socket only.
    func address(needsAdmin: Bool, environment: [String: String]) throws -> DaemonAddress {
        if let tcp {
            guard !needsAdmin else { throw ValidationError("This command needs the admin socket, not --tcp.") }
            let endpoint: LoopbackEndpoint
            do { endpoint = try LoopbackEndpoint(parsing: tcp) } catch { throw ValidationError("--tcp: \(error).") }
            return .loopback(endpoint, token: try Self.token(in: tokenFile ?? ""))
        }
        let paths = SocketPaths(environment: environment)
        guard needsAdmin || admin || adminSocket != nil else { return .unix(paths.main(option: socket)) }
        return .unix(paths.admin(option: adminSocket, mainOption: socket))
    }

    /// The content of a token file without surrounding white space.
    private static func token(in path: String) throws -> String {
        let bytes = try InputFile.contents(of: path, byteCountMax: 1 << 16)
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw InputError("\(path) is not UTF-8 text")
        }
        return String(text.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
    }
}

/// A command that talks to the daemon.
protocol DaemonCommand: ParsableCommand {
    /// Which daemon, and how.
    var connection: ConnectionOptions { get }

    /// The command works on the admin socket only.
    static var needsAdmin: Bool { get }

    /// Does the work on a connection that is ready for commands.
    func run(on client: inout DaemonClient) throws
}

extension DaemonCommand {
    static var needsAdmin: Bool { false }

    func run() throws {
        let address = try connection.address(
            needsAdmin: Self.needsAdmin, environment: ProcessEnvironment.variables)
        var client = try DaemonClient.open(address, timeoutMilliseconds: connection.timeoutMilliseconds)
        try run(on: &client)
    }
}
