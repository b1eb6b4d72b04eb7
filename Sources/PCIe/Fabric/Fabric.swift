/// What a port of the fabric is.
public enum PortKind: UInt8, Hashable, Sendable {
    /// A port of the root complex.
    case root = 4
    /// The port of a switch towards the root complex.
    case switchUpstream = 5
    /// A port of a switch away from it.
    case switchDownstream = 6
}

/// A root port or a port of a switch.
public struct FabricPort: Sendable {
    /// Its name in the topology.
    public let name: String
    /// What it is.
    public let kind: PortKind
    /// The index of the port above it; `nil` for a root port.
    public let parent: Int?
    /// Its registers.
    public var configuration: ConfigurationSpace

    /// Whether a request on its way to an endpoint leaves a component by it: where egress blocking counts.
    var isExit: Bool { kind != .switchUpstream }
}

/// Why a topology has no place for a port or an endpoint.
public enum FabricError: Error, Hashable, Sendable {
    /// Another port has the name.
    case nameTaken
    /// There is no port of this name.
    case unknownPort
    /// The kind does not go there: a root port has none above it, an upstream port has a root or downstream port, a
    /// downstream port has an upstream one.
    case misplaced
    /// Something is there already: a link has two ends.
    case linkTaken
}

/// Whether Deferrable Memory Writes reach an endpoint, and what stands in the way (virtualization §7.2).
public enum DMWrPath: Hashable, Sendable {
    /// They reach it.
    case open
    /// The endpoint completes none: Device Capabilities 2, bit 28, is 0.
    case noCompleter
    /// The port with this index does not route them: Device Capabilities 3, bit 0, is 0.
    case notRouted(port: Int)
    /// The port with this index lets none out: Device Control 3, bit 1, is 1.
    case egressBlocked(port: Int)
}

/// The fabric between root complex and endpoints: a forest of ports (virtualization §7).
///
/// An endpoint that hangs at no port is one of the root complex, with nothing in between.
public struct Fabric: Sendable {
    /// Every port, each after the one above it.
    public private(set) var ports: [FabricPort] = []
    /// Bit n: port n has something at its lower end.
    private var taken: Set<Int> = []

    /// A root complex without ports.
    public init() {}

    /// The index of the port with this name.
    public func port(named name: String) -> Int? { ports.firstIndex { $0.name == name } }

    /// Adds a port below `parent`. Returns its index.
    ///
    /// - Parameter routesDMWr: Device Capabilities 3, bit 0.
    public mutating func addPort(
        _ name: String, _ kind: PortKind, below parent: String?, routesDMWr: Bool, blocksEgress: Bool = false
    ) throws(FabricError) -> Int {
        guard port(named: name) == nil else { throw .nameTaken }
        var above: Int?
        if let parent {
            guard let index = port(named: parent) else { throw .unknownPort }
            above = index
        }
        switch (kind, above.map { ports[$0].kind }) {
        case (.root, nil), (.switchDownstream, .switchUpstream):
            break
        case (.switchUpstream, .root), (.switchUpstream, .switchDownstream):
            if let above { try take(above) }
        default:
            throw .misplaced
        }
        var configuration = ConfigurationSpace()
        // A bridge from PCI to PCI, type 1 header.
        configuration.define(0x08, 0x06_0400 << 8)
        configuration.define(0x0C, 1 << 16)
        configuration.addExpress(
            type: UInt32(kind.rawValue), completesDMWr: false, routesDMWr: routesDMWr, resets: false)
        configuration.blocksDMWrEgress = blocksEgress && routesDMWr
        ports.append(FabricPort(name: name, kind: kind, parent: above, configuration: configuration))
        return ports.count - 1
    }

    /// Takes the lower end of a port for an endpoint. Returns the port's index.
    public mutating func attachEndpoint(to name: String) throws(FabricError) -> Int {
        guard let index = port(named: name) else { throw .unknownPort }
        guard ports[index].isExit else { throw .misplaced }
        try take(index)
        return index
    }

    private mutating func take(_ index: Int) throws(FabricError) {
        guard taken.insert(index).inserted else { throw .linkTaken }
    }

    /// Reads a port's configuration space.
    public func read(port: Int, at offset: Int, byteCount: Int) throws(ConfigurationAccessError) -> UInt32 {
        try ports[port].configuration.read(at: offset, byteCount: byteCount)
    }

    /// Writes a port's configuration space.
    public mutating func write(
        _ value: UInt32, port: Int, at offset: Int, byteCount: Int
    ) throws(ConfigurationAccessError) {
        try ports[port].configuration.write(value, at: offset, byteCount: byteCount)
    }

    // MARK: Deferrable Memory Writes

    /// Whether a DMWr gets from the root complex to `endpoint`, which hangs at the port with index `port`. What is
    /// nearest to the root complex comes first.
    public func path(to endpoint: ConfigurationSpace, at port: Int?) -> DMWrPath {
        guard endpoint.completesDMWr else { return .noCompleter }
        var way: [Int] = []
        var next = port
        while let index = next {
            way.append(index)
            next = ports[index].parent
        }
        for index in way.reversed() {
            guard ports[index].configuration.routesDMWr else { return .notRouted(port: index) }
            if ports[index].isExit, ports[index].configuration.blocksDMWrEgress { return .egressBlocked(port: index) }
        }
        return .open
    }

    /// A DMWr has met what stands in its way: the port that blocks it says so (AER), and the requester gets an error
    /// completion (§7.3).
    public mutating func refuseDMWr(_ path: DMWrPath) -> DMWrCompletion {
        if case .egressBlocked(let port) = path {
            ports[port].configuration.uncorrectableErrors |= UncorrectableError.dmwrEgressBlocked
        }
        return .unsupportedRequest
    }
}
