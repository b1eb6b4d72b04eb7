internal import PCIe
internal import ProtocolMessages

extension ConfigurationResolver {
    /// The ports of the file, without endpoints, and the same with every member that has a value.
    func resolveFabric() throws(ConfigurationError) -> (fabric: Fabric, wire: [WirePortConfiguration]) {
        var fabric = Fabric()
        var wire: [WirePortConfiguration] = []
        for (index, port) in file.ports.enumerated() {
            var written = port
            if !port.hasKind { written.kind = .rootPort }
            if !port.hasDmwrRouting { written.dmwrRouting = true }
            if !port.hasEgressBlocking { written.egressBlocking = false }
            let kind: PortKind =
                switch written.kind {
                case .rootPort, .UNRECOGNIZED: .root
                case .switchUpstream: .switchUpstream
                case .switchDownstream: .switchDownstream
                }
            let path = "ports[\(index)]"
            guard written.dmwrRouting || !written.egressBlocking else {
                throw ConfigurationError(
                    member("\(path).egressBlocking"), "counts only for a port that routes DMWr (dmwrRouting)")
            }
            do throws(FabricError) {
                _ = try fabric.addPort(
                    port.name, kind, below: port.hasParent ? port.parent : nil, routesDMWr: written.dmwrRouting,
                    blocksEgress: written.egressBlocking)
            } catch { throw refusal(error, of: port, at: path) }
            wire.append(written)
        }
        return (fabric, wire)
    }

    private func refusal(
        _ error: FabricError, of port: WirePortConfiguration, at path: String
    ) -> ConfigurationError {
        switch error {
        case .nameTaken:
            ConfigurationError(member("\(path).name"), "is \"\(port.name)\", which another port has")
        case .unknownPort:
            ConfigurationError(member("\(path).parent"), "is \"\(port.parent)\", and no port before it has that name")
        case .misplaced:
            ConfigurationError(
                member("\(path).parent"),
                "does not fit the kind: a root_port has none, a switch_upstream a root_port or switch_downstream, "
                    + "a switch_downstream a switch_upstream")
        case .linkTaken:
            ConfigurationError(member("\(path).parent"), "is \"\(port.parent)\", at which something hangs already")
        }
    }

    /// Hangs a device at the port that it names. Returns the port's index.
    func attach(
        _ device: WireDeviceConfiguration, to fabric: inout Fabric, at path: String
    ) throws(ConfigurationError) -> Int? {
        guard device.hasPort else { return nil }
        do throws(FabricError) { return try fabric.attachEndpoint(to: device.port) } catch {
            let problem =
                switch error {
                case .linkTaken: "at which something hangs already"
                case .misplaced: "to which no device goes: it leads to its switch"
                case .unknownPort, .nameTaken: "and ports has none of that name"
                }
            throw ConfigurationError(member("\(path).port"), "is \"\(device.port)\", \(problem)")
        }
    }
}
