internal import DSA
internal import DSASpec
internal import IOMMU
public import PCIe

/// A device's place in the fabric, as the machine keeps it.
struct FunctionSlot: Sendable {
    /// Its configuration space.
    var configuration: ConfigurationSpace
    /// The port that it hangs at; `nil` for an endpoint of the root complex.
    let port: Int?
    /// How many interfaces each WQ has.
    var interfaceCounts: [Int]
    /// The devices that are its virtual functions.
    var virtualFunctions: [Int] = []
    /// Whether DMWr reach it: what ``Fabric/path(to:at:)`` says now.
    var path = DMWrPath.open
}

/// Whose configuration space.
public enum ConfigurationTarget: Hashable, Sendable {
    /// The device with this index.
    case device(Int)
    /// The port of the fabric with this index.
    case port(Int)
}

extension Machine {
    /// What the configuration space of a device says at power-on.
    static func identity(of profile: DeviceProfile, device index: Int) -> EndpointIdentity {
        let layout = profile.registerLayout
        let bars = HostAddressLayout.bars(ofDevice: index)
        return EndpointIdentity(
            vendor: 0x8086, device: 0x0B25, classCode: 0x08_8000, vectorCount: profile.msixVectorCount,
            vectorTableOffset: UInt32(layout.messageTableOffset), pendingBitsOffset: UInt32(layout.pendingBitsOffset),
            pageRequestCapacity: UInt32(clamping: profile.pageRequestCapacity), registers: bars.registers,
            portals: bars.portals,
            virtualFunctionCountMax: UInt16(clamping: profile.virtualFunctionCountMax))
    }

    /// Makes `fabric` what is between root complex and devices.
    ///
    /// - Precondition: There is no device yet.
    public mutating func install(_ fabric: Fabric) {
        precondition(devices.count == 0, "devices hang at ports that exist")
        self.fabric = fabric
    }

    /// Adds a port to the fabric; see ``Fabric/addPort(_:_:below:routesDMWr:blocksEgress:)``.
    public mutating func addPort(
        _ name: String, _ kind: PortKind, below parent: String?, routesDMWr: Bool, blocksEgress: Bool = false
    ) throws(FabricError) -> Int {
        try fabric.addPort(name, kind, below: parent, routesDMWr: routesDMWr, blocksEgress: blocksEgress)
    }

    /// Whether a DMWr gets to a device, and what stands in its way (virtualization §7.2).
    public func dmwrPath(toDevice index: Int) -> DMWrPath { functions[index].path }

    /// The port that a device hangs at; `nil` for an endpoint of the root complex.
    public func port(ofDevice index: Int) -> Int? { functions[index].port }

    /// Reads the configuration space of a device or a port.
    public func readConfiguration(
        of target: ConfigurationTarget, at offset: Int, byteCount: Int
    ) throws(ConfigurationAccessError) -> UInt32 {
        switch target {
        case .device(let index): try functions[index].configuration.read(at: offset, byteCount: byteCount)
        case .port(let index): try fabric.read(port: index, at: offset, byteCount: byteCount)
        }
    }

    /// Writes the configuration space of a device or a port. What the function obeys it obeys from now on; Initiate
    /// Function Level Reset resets it.
    public mutating func writeConfiguration(
        of target: ConfigurationTarget, _ value: UInt32, at offset: Int, byteCount: Int
    ) throws(ConfigurationAccessError) {
        switch target {
        case .port(let index):
            try fabric.write(value, port: index, at: offset, byteCount: byteCount)
            for device in devices.indices where devices.contains(device) { updatePath(toDevice: device) }
        case .device(let index):
            try functions[index].configuration.write(value, at: offset, byteCount: byteCount)
            if functions[index].configuration.takeFunctionLevelReset() {
                functionLevelReset(device: index)
            } else {
                let settings = functions[index].configuration.settings(
                    trafficClasses: devices[index].function.trafficClasses)
                if settings != devices[index].function { devices[index].pciConfigurationChanged(to: settings) }
            }
            collectEffects(ofDevice: index)
        }
    }

    /// Resets a function and its configuration space; see ``Device/functionLevelReset()``.
    public mutating func functionLevelReset(device index: Int) {
        functions[index].configuration = ConfigurationSpace(
            Self.identity(of: devices[index].profile, device: index), isIntegrated: functions[index].port == nil)
        updatePath(toDevice: index)
        devices[index].functionLevelReset()
        collectEffects(ofDevice: index)
    }

    mutating func updatePath(toDevice index: Int) {
        functions[index].path = fabric.path(to: functions[index].configuration, at: functions[index].port)
        if functions[index].path == .open {
            unreachableDevices &= ~(1 << UInt64(index))
        } else {
            unreachableDevices |= 1 << UInt64(index)
        }
    }

    /// A DMWr to a device that none reaches.
    mutating func refuseDeferrableWrite(toDevice index: Int) -> DMWrCompletion {
        fabric.refuseDMWr(functions[index].path)
    }
}
