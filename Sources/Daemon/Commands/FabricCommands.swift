internal import DSA
internal import Machine
internal import PCIe
internal import Protocol
internal import ProtocolMessages

extension Server {
    func readConfiguration(_ arguments: WireReadConfigArguments, _ id: RequestID, _ session: Session) throws(WireError)
    {
        let target: ConfigurationTarget
        switch arguments.target {
        case .device(let name): target = .device(try deviceIndex(name))
        case .port(let name): target = .port(try portIndex(name))
        case nil: preconditionFailure("the walker requires a member of a oneof")
        }
        let offset = Int(try address(arguments.offset, "offset"))
        var result = WireReadConfigReturn()
        do throws(ConfigurationAccessError) {
            result.value = Hexadecimal.text(
                try machine.readConfiguration(of: target, at: offset, byteCount: Int(arguments.size)))
        } catch { throw refusal(error, size: arguments.size) }
        reply(result, to: session, id: id)
    }

    func writeConfiguration(
        _ arguments: WireWriteConfigArguments, _ id: RequestID, _ session: Session
    ) throws(WireError) {
        let target: ConfigurationTarget
        switch arguments.target {
        case .device(let name): target = .device(try deviceIndex(name))
        case .port(let name): target = .port(try portIndex(name))
        case nil: preconditionFailure("the walker requires a member of a oneof")
        }
        let value = UInt32(truncatingIfNeeded: try address(arguments.value, "value"))
        guard arguments.size >= 4 || value >> (arguments.size * 8) == 0 else {
            throw WireError(
                .invalidArgument, "is \(arguments.value), more than \(arguments.size) bytes hold",
                path: "arguments.value")
        }
        let offset = Int(try address(arguments.offset, "offset"))
        do throws(ConfigurationAccessError) {
            try machine.writeConfiguration(of: target, value, at: offset, byteCount: Int(arguments.size))
        } catch { throw refusal(error, size: arguments.size) }
        if case .device(let index) = target { announceStates(ofDevice: index) }
        deliverEffects()
        replyEmpty(to: session, id: id)
    }

    private func portIndex(_ name: String) throws(WireError) -> Int {
        guard let index = machine.fabric.port(named: name) else {
            throw WireError(
                .notFound, "there is no port \(name); query-fabric lists those that exist", path: "arguments.port")
        }
        return index
    }

    private func refusal(_ error: ConfigurationAccessError, size: UInt32) -> WireError {
        switch error {
        case .unsupportedSize:
            WireError(
                .invalidArgument, "is \(size); configuration space is accessed by 1, 2 or 4 bytes",
                path: "arguments.size")
        case .misaligned:
            WireError(
                .invalidArgument, "is no multiple of \(size); accesses are naturally aligned", path: "arguments.offset")
        case .outOfRange:
            WireError(
                .invalidArgument, "lies beyond the \(ConfigurationSpace.byteCount) bytes of configuration space",
                path: "arguments.offset")
        }
    }

    func queryFabric(_ id: RequestID, _ session: Session) {
        var result = WireQueryFabricReturn()
        let ports = machine.fabric.ports
        result.ports = ports.map { port in
            var status = WirePortStatus()
            status.port = port.name
            status.kind = WirePortKind(port.kind)
            if let parent = port.parent { status.parent = ports[parent].name }
            status.dmwrRouting = port.configuration.routesDMWr
            status.egressBlocking = port.configuration.blocksDMWrEgress
            status.uncorrectableErrors = Hexadecimal.text(port.configuration.uncorrectableErrors)
            return status
        }
        result.devices = deviceNames.indices.map { index in
            var path = WireDevicePath()
            path.device = deviceNames[index]
            if let port = machine.port(ofDevice: index) { path.port = ports[port].name }
            switch machine.dmwrPath(toDevice: index) {
            case .open:
                path.verdict = .open
            case .noCompleter:
                path.verdict = .noCompleter
            case .notRouted(let port):
                path.verdict = .notRouted
                path.obstacle = ports[port].name
            case .egressBlocked(let port):
                path.verdict = .egressBlocked
                path.obstacle = ports[port].name
            }
            return path
        }
        reply(result, to: session, id: id)
    }
}

extension WirePortKind {
    init(_ kind: PortKind) {
        self =
            switch kind {
            case .root: .rootPort
            case .switchUpstream: .switchUpstream
            case .switchDownstream: .switchDownstream
            }
    }
}
