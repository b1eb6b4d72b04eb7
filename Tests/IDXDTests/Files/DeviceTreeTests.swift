import DSA
import DSASpec
import IDXD
import Machine
import PCIe
import Testing

@Suite struct `The tree of sysfs and device nodes` {
    @Test func `Objects of the bus are links to directories below the function`() throws {
        let host = try Host.bound()
        let tree = DeviceTree(host.driver.entries())
        let function = "sys/devices/pci0000:6a/0000:6a:01.0"
        for (name, path) in [
            ("dsa0", "dsa0"), ("wq0.7", "dsa0/wq0.7"), ("engine0.3", "dsa0/engine0.3"), ("group0.3", "dsa0/group0.3"),
        ] {
            #expect(try tree.entry(at: "sys/bus/dsa/devices/\(name)").path == "\(function)/\(path)")
            #expect(try tree.entry(at: "sys/bus/dsa/devices/\(name)/subsystem").path == "sys/bus/dsa")
        }
        let link = tree.entries["sys/bus/dsa/devices/wq0.0"]?.kind
        #expect(link == .link("../../../devices/pci0000:6a/0000:6a:01.0/dsa0/wq0.0"))
        for driver in ["idxd", "user", "dmaengine", "crypto", "dsa"] {
            #expect(tree.entries["sys/bus/dsa/drivers/\(driver)"]?.kind == .directory)
            #expect(
                tree.entries["sys/bus/dsa/drivers/\(driver)/bind"]?.kind
                    == .attribute(.bind(BusDriver(rawValue: driver)!), .writeOnly))
        }
        #expect(tree.entries["sys/module/idxd"]?.kind == .directory)
    }

    @Test func `Every link leads somewhere, and every entry's directory comes before it`() throws {
        let host = try Host(.dsa2, deviceCount: 3)
        var seen: Set<String> = [""]
        let entries = host.driver.entries()
        let tree = DeviceTree(entries)
        for entry in entries {
            let parent = entry.path.split(separator: "/").dropLast().joined(separator: "/")
            #expect(seen.contains(parent), "\(entry.path)")
            #expect(seen.insert(entry.path).inserted, "\(entry.path)")
            #expect(throws: Never.self) { try tree.entry(at: entry.path) }
        }
    }

    @Test(arguments: ["sys/bus/dsa/devices/dsa9", "sys/bus/dsa/devices/dsa0/none", "sys/module/idxd/x/../..", "x"])
    func `A name that is not there is ENOENT`(_ path: String) throws {
        let tree = DeviceTree(try Host().driver.entries())
        #expect(throws: Errno.enoent) { try tree.entry(at: path) }
    }

    @Test func `Paths may go up, through links and stay`() throws {
        let tree = DeviceTree(try Host().driver.entries())
        let path = "/sys/bus/dsa/devices/./wq0.1/../wq0.0/subsystem/devices/dsa0/state"
        #expect(try tree.entry(at: path).path == "sys/devices/pci0000:6a/0000:6a:01.0/dsa0/state")
        #expect(throws: Errno.enoent) { try tree.entry(at: "sys/bus/dsa/devices/dsa0/state/x") }
    }

    @Test func `A device whose name is not dsaN gets the first number that is free`() throws {
        let memory = try Host(deviceCount: 2)
        #expect(memory.driver.devices.map(\.name) == ["dsa0", "dsa1"])
        var driver = Driver()
        driver.probe(name: "dsa1", index: 0, machine: memory.machine)
        driver.probe(name: "mine", index: 1, machine: memory.machine)
        #expect(driver.devices.map(\.name) == ["dsa1", "dsa0"])
    }
}
