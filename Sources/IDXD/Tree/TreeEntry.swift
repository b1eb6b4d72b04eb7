internal import PCIe

/// A name in the tree that programs see: `sys` and `dev` of a host with these devices (dsa-device 8.1).
public struct TreeEntry: Hashable, Sendable {
    /// Where it is below the root, without a slash in front.
    public let path: String
    /// What it is.
    public let kind: Kind

    /// What a name of the tree can be.
    public enum Kind: Hashable, Sendable {
        case directory
        /// A symbolic link with this target.
        case link(String)
        /// A file of this mode, whose text is an attribute.
        case attribute(AttributeReference, FileAccess)
        /// A device node; root alone may open it.
        case node(WorkQueueID)
    }

    init(_ path: String, _ kind: Kind) {
        self.path = path
        self.kind = kind
    }
}

extension Driver {
    static let busPath = "sys/bus/dsa"
    static let modulePath = "sys/module/idxd"

    /// Everything in the tree, each directory before what is in it.
    public func entries() -> [TreeEntry] {
        var tree = TreeBuilder()
        for directory in [
            "sys", "sys/bus", Self.busPath, "\(Self.busPath)/devices", "\(Self.busPath)/drivers", "sys/devices",
            "sys/module", Self.modulePath, "\(Self.modulePath)/parameters", "\(Self.modulePath)/drivers", "dev",
            "dev/dsa", "dev/char",
        ] {
            tree.directory(directory)
        }
        tree.file("\(Self.modulePath)/parameters/sva", .constant("Y"), .readOnly)
        tree.file("\(Self.modulePath)/parameters/tc_override", .constant("N"), .readOnly)
        for driver in BusDriver.allCases {
            let path = "\(Self.busPath)/drivers/\(driver.rawValue)"
            tree.directory(path)
            tree.file("\(path)/bind", .bind(driver), .writeOnly)
            tree.file("\(path)/unbind", .unbind(driver), .writeOnly)
            tree.link("\(path)/module", to: Self.modulePath)
            tree.link("\(Self.modulePath)/drivers/dsa:\(driver.rawValue)", to: path)
        }
        for device in devices { append(device, to: &tree) }
        return tree.entries
    }

    private func append(_ device: DriverDevice, to tree: inout TreeBuilder) {
        let root = "sys/devices/\(device.rootBusName)"
        tree.directory(root)
        let function = "\(root)/\(device.functionName)"
        tree.directory(function)
        for (name, value) in [
            ("vendor", "0x8086"), ("device", "0x0b25"), ("class", "0x088000"), ("numa_node", "0"),
        ] {
            tree.file("\(function)/\(name)", .constant(value), .readOnly)
        }
        let path = "\(function)/\(device.name)"
        object(device.name, at: path, driver: device.isBound ? .idxd : nil, &tree)
        for attribute in DeviceAttribute.allCases where device.has(attribute) {
            tree.file("\(path)/\(attribute.rawValue)", .device(device.index, attribute), attribute.access)
        }
        for group in device.groups.indices {
            let name = device.groupName(group)
            object(name, at: "\(path)/\(name)", driver: nil, &tree)
            for attribute in GroupAttribute.allCases where device.has(attribute) {
                tree.file(
                    "\(path)/\(name)/\(attribute.rawValue)", .group(device: device.index, group, attribute),
                    attribute.access)
            }
        }
        for engine in device.engineGroups.indices {
            let name = device.engineName(engine)
            object(name, at: "\(path)/\(name)", driver: nil, &tree)
            tree.file("\(path)/\(name)/group_id", .engine(device: device.index, engine), .readWrite)
        }
        for queue in device.workQueues.indices {
            append(WorkQueueID(device: device.index, queue: queue), of: device, at: path, to: &tree)
        }
    }

    private func append(
        _ id: WorkQueueID, of device: DriverDevice, at devicePath: String, to tree: inout TreeBuilder
    ) {
        let queue = device.workQueues[id.queue]
        let name = device.workQueueName(id.queue)
        let path = "\(devicePath)/\(name)"
        object(name, at: path, driver: queue.driver, &tree)
        for attribute in WorkQueueAttribute.allCases where device.has(attribute) {
            tree.file("\(path)/\(attribute.rawValue)", .workQueue(id, attribute), attribute.access)
        }
        guard let minor = queue.minor else { return }
        let node = "dsa!\(name)"
        object(node, at: "\(path)/\(node)", driver: nil, &tree)
        tree.file("\(path)/\(node)/dev", .nodeNumbers(id), .readOnly)
        for file in openFiles(of: id) {
            object("file\(file)", at: "\(path)/\(node)/file\(file)", driver: nil, &tree)
            for attribute in FileAttribute.allCases {
                tree.file(
                    "\(path)/\(node)/file\(file)/\(attribute.rawValue)", .file(file, attribute), .readOnly)
            }
        }
        tree.append(TreeEntry("dev/dsa/\(name)", .node(id)))
        tree.link("dev/char/\(Self.major):\(minor)", to: "dev/dsa/\(name)")
    }

    /// The directory of an object of the bus, and the links to and from it.
    private func object(_ name: String, at path: String, driver: BusDriver?, _ tree: inout TreeBuilder) {
        tree.directory(path)
        tree.link("\(path)/subsystem", to: Self.busPath)
        tree.link("\(Self.busPath)/devices/\(name)", to: path)
        guard let driver else { return }
        tree.link("\(path)/driver", to: "\(Self.busPath)/drivers/\(driver.rawValue)")
        tree.link("\(Self.busPath)/drivers/\(driver.rawValue)/\(name)", to: path)
    }
}

/// Collects entries; targets of links become relative, as sysfs has them.
private struct TreeBuilder {
    var entries: [TreeEntry] = []
    private var directories: Set<String> = []

    mutating func append(_ entry: TreeEntry) { entries.append(entry) }

    mutating func directory(_ path: String) {
        guard directories.insert(path).inserted else { return }
        entries.append(TreeEntry(path, .directory))
    }

    mutating func file(_ path: String, _ reference: AttributeReference, _ access: FileAccess) {
        entries.append(TreeEntry(path, .attribute(reference, access)))
    }

    mutating func link(_ path: String, to target: String) {
        let from = path.split(separator: "/").dropLast()
        let to = target.split(separator: "/")
        let common = zip(from, to).prefix { $0 == $1 }.count
        let steps = Array(repeating: "..", count: from.count - common) + to.dropFirst(common).map(String.init)
        entries.append(TreeEntry(path, .link(steps.joined(separator: "/"))))
    }
}

extension DriverDevice {
    /// The device's function, such as `0000:6a:01.0`.
    var functionName: String { "0000:\(requester.text)" }
    /// The root bus it is on, such as `pci0000:6a`.
    var rootBusName: String { "pci0000:\(requester.text.prefix(2))" }
}
