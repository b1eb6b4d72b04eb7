internal import CPlatform
internal import Glibc

extension Listener {
    /// The variables of socket activation, to be removed once they have been read.
    public static let activationVariableNames = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"]

    /// The first descriptor that a service manager passes (SD_LISTEN_FDS_START).
    public static let activationFirstDescriptor: Int32 = 3

    /// Takes over the sockets that the service manager opened (sd_listen_fds_with_names(3)), each once: call
    /// ``ProcessEnvironment/remove(_:)`` with ``activationVariableNames`` afterwards.
    ///
    /// Empty when LISTEN_FDS is not set or LISTEN_PID means another process. Each must be a listening stream socket,
    /// Unix or loopback. A name that LISTEN_FDNAMES does not give is `"unknown"`.
    public static func inherited(
        environment: [String: String], process: ProcessID = .current,
        firstDescriptor: Int32 = activationFirstDescriptor
    ) throws(ListenError) -> [Listener] {
        guard let owner = environment["LISTEN_PID"], let text = environment["LISTEN_FDS"] else { return [] }
        guard let ownerNumber = Int32(owner) else {
            throw .inherited(descriptor: firstDescriptor, reason: .malformedVariable("LISTEN_PID=\(owner)"))
        }
        guard ownerNumber == process.rawValue else { return [] }
        guard let count = Int32(text), (0...Int32.max - firstDescriptor).contains(count) else {
            throw .inherited(descriptor: firstDescriptor, reason: .malformedVariable("LISTEN_FDS=\(text)"))
        }
        let names = (environment["LISTEN_FDNAMES"] ?? "").split(separator: ":", omittingEmptySubsequences: false)
        var listeners: [Listener] = []
        for index in 0..<count {
            let isNamed = names.count == count && !names[Int(index)].isEmpty
            let name = isNamed ? String(names[Int(index)]) : "unknown"
            do {
                listeners.append(try adopt(firstDescriptor + index, name: name))
            } catch {
                throw .inherited(descriptor: firstDescriptor + index, reason: error)
            }
        }
        return listeners
    }

    private static func adopt(_ number: Int32, name: String) throws(InheritedSocketFault) -> Listener {
        var socket = platform_socket()
        guard unsafe platform_socket_describe(number, &socket) == 0 else { throw .unusable(.last("getsockopt")) }
        guard socket.stream else { throw .notAStream }
        guard socket.listening else { throw .notListening }
        let address = try address(of: socket)
        guard platform_set_nonblocking_cloexec(number) == 0 else { throw .unusable(.last("fcntl")) }
        return Listener(descriptor: OwnedFD(adopting: number), address: address, inheritedName: name)
    }

    private static func address(of socket: platform_socket) throws(InheritedSocketFault) -> Address {
        switch socket.family {
        case PLATFORM_SOCKET_UNIX:
            return .unix(path: path(of: socket))
        case PLATFORM_SOCKET_IPV4, PLATFORM_SOCKET_IPV6:
            guard socket.loopback else { throw .notLoopback }
            let family: LoopbackEndpoint.Family = socket.family == PLATFORM_SOCKET_IPV6 ? .v6 : .v4
            return .loopback(LoopbackEndpoint(family: family, port: socket.port))
        default:
            throw .unknownFamily
        }
    }

    private static func path(of socket: platform_socket) -> String {
        var bytes = unsafe withUnsafeBytes(of: socket.path) { unsafe Array($0.prefix(socket.path_length)) }
        if bytes.first == 0 { bytes[0] = UInt8(ascii: "@") }
        return String(decoding: bytes, as: UTF8.self)
    }
}
