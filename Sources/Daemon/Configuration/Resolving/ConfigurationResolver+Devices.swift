internal import DSA
internal import PCIe
internal import ProtocolMessages

extension ConfigurationResolver {
    private static let deviceCountMax = 16

    /// The devices: those of the layout that a flag or variable names, else those of the file, else the standard one.
    ///
    /// - Parameter fabric: Takes those that hang at a port.
    func resolveDevices(
        in fabric: inout Fabric
    ) throws(ConfigurationError) -> (setups: [DeviceSetup], wire: [WireDeviceConfiguration]) {
        if let layout = overrides[.deviceLayout] { return try devices(of: layout) }
        let given = file.devices.isEmpty ? [WireDeviceConfiguration()] : file.devices
        var setups: [DeviceSetup] = []
        var wire: [WireDeviceConfiguration] = []
        for (index, device) in given.enumerated() {
            let path = "devices[\(index)]"
            let name = device.hasName ? device.name : "dsa\(index)"
            if let other = setups.firstIndex(where: { $0.name == name }) {
                throw ConfigurationError(
                    member("\(path).name"), "is \"\(name)\", which is taken: devices[\(other)] has the same name")
            }
            let profile = try profile(of: device, at: path)
            var written = WireDeviceConfiguration()
            written.name = name
            written.setProfile(profile)
            if device.hasLayout {
                let layout = Setting(besideFile(device.layout), from: member("\(path).layout"))
                setups.append(try DeviceLayout.read(layout).setup(named: name, profile: profile))
                written.layout = layout.value
            } else {
                setups.append(.standard(name: name, profile: profile))
            }
            if let port = try attach(device, to: &fabric, at: path) {
                setups[setups.count - 1].port = port
                written.port = device.port
            }
            wire.append(written)
        }
        return (setups, wire)
    }

    /// Every device that a layout file describes, under the names that it gives them.
    private func devices(
        of path: Setting<String>
    ) throws(ConfigurationError) -> (setups: [DeviceSetup], wire: [WireDeviceConfiguration]) {
        let layout = try DeviceLayout.read(path)
        guard layout.names.count <= Self.deviceCountMax else {
            throw path.refused(
                "\(path.value) describes \(layout.names.count) devices; 1 to \(Self.deviceCountMax) are accepted")
        }
        var setups: [DeviceSetup] = []
        var wire: [WireDeviceConfiguration] = []
        for name in layout.names {
            setups.append(try layout.setup(named: name, profile: .dsa1))
            var written = WireDeviceConfiguration()
            written.name = name
            written.setProfile(.dsa1)
            written.layout = path.value
            wire.append(written)
        }
        return (setups, wire)
    }
}
