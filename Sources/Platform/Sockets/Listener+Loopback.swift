internal import CPlatform

extension Listener {
    /// Listens on a port of the loopback address. ``address`` has the port that the kernel chose for port 0.
    public static func loopback(_ endpoint: LoopbackEndpoint) throws(ListenError) -> Listener {
        let isV6 = endpoint.family == .v6
        let number = platform_loopback_socket(isV6, true)
        guard number >= 0 else { throw .system(.last("socket", endpoint.description)) }
        let socket = OwnedFD(adopting: number)
        guard platform_loopback_bind(number, isV6, endpoint.port) == 0 else {
            throw .system(.last("bind", endpoint.description))
        }
        try listen(socket, endpoint.description)
        var bound = platform_socket()
        guard unsafe platform_socket_describe(number, &bound) == 0 else {
            throw .system(.last("getsockname", endpoint.description))
        }
        return Listener(
            descriptor: socket, address: .loopback(LoopbackEndpoint(family: endpoint.family, port: bound.port)))
    }
}
