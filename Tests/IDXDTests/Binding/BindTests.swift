import DSA
import DSASpec
import Machine
import PCIe
import Testing

@testable import IDXD

@Suite struct `Bind and unbind` {
    /// A bind that fails, and what `cmd_status` shows then.
    struct Failure: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let object: String
        let driver: String
        let errno: Errno
        let status: String
        let stage: Stage
        let profile: ProfileChange
        let prepare: @Sendable (Host) -> Void

        init(
            _ name: String, _ object: String, _ driver: String, _ errno: Errno, _ status: String,
            at stage: Stage = .configured, on profile: ProfileChange = .plain,
            _ prepare: @escaping @Sendable (Host) -> Void = { _ in }
        ) {
            testDescription = name
            self.object = object
            self.driver = driver
            self.errno = errno
            self.status = status
            self.stage = stage
            self.profile = profile
            self.prepare = prepare
        }
    }

    /// What `cmd_status` has where a failure leaves it alone.
    private static let untouched = "0x33"

    static let failures: [Failure] = [
        // Devices.
        Failure("a device that is not Disabled", "dsa0", "idxd", .enxio, "0x80000010") {
            _ = $0.driver.bind("dsa0", to: .idxd, machine: &$0.machine)
            $0.require("dsa0", in: "idxd/unbind")
            for engine in 0..<4 { $0.require("0", in: "engine0.\(engine)/group_id") }
            _ = $0.machine.execute(.enableDevice, device: 0)
        },
        Failure("a device that is halted", "dsa0", "idxd", .enxio, "0x80000010") {
            $0.machine.halt(device: 0, until: .functionLevel)
        },
        Failure("no WQ in a group", "dsa0", "idxd", .enxio, "0x800d0000", at: .blank),
        Failure("no engine in a group", "dsa0", "idxd", .enxio, untouched) {
            for engine in 0..<4 { $0.require("-1", in: "engine0.\(engine)/group_id") }
        },
        Failure("a shared WQ without PASIDs", "dsa0", "idxd", .enxio, "0x800c0000", on: .withoutPASID),
        Failure("a shared WQ on a part that has none", "dsa0", "idxd", .enxio, "0x800c0000", on: .withoutShared),
        Failure("a configuration that Enable Device refuses", "dsa0", "idxd", .enxio, "0x15") {
            for engine in 0..<4 { $0.require("1", in: "engine0.\(engine)/group_id") }
        },
        Failure("a device that is bound", "dsa0", "idxd", .ebusy, untouched, at: .bound),
        // WQs, in the order of the checks: each is the first of those that are left.
        Failure("a WQ of a device that is not enabled", "wq0.2", "user", .enxio, untouched),
        Failure("a WQ of users without PASIDs", "wq0.2", "user", .eopnotsupp, "0x80110000", on: .withoutPASID) {
            $0.require("dedicated", in: "wq0.0/mode")
            $0.require("dsa0", in: "idxd/bind")
        },
        Failure("a WQ of another driver", "wq0.2", "user", .enodev, "0x80200000", at: .enabled) {
            $0.require("dmaengine", in: "wq0.2/driver_name")
        },
        Failure("a WQ without driver name", "wq0.2", "user", .enodev, "0x80200000", at: .enabled),
        Failure("a WQ that is enabled already", "wq0.0", "user", .ebusy, "0x80000021", at: .enabled) {
            _ = $0.machine.execute(.enableWorkQueue(0), device: 0)
            _ = $0.write("-1", in: "wq0.0/group_id")
        },
        Failure("a WQ in no group", "wq0.2", "user", .enxio, "0x80030000", at: .enabled) {
            $0.require("user", in: "wq0.2/driver_name")
        },
        Failure("a WQ without name", "wq0.2", "user", .enxio, "0x80040000", at: .enabled) {
            $0.require("user", in: "wq0.2/driver_name")
            $0.require("0", in: "wq0.2/group_id")
        },
        Failure("a shared WQ on a part that has none", "wq0.2", "user", .enxio, "0x80050000", on: .withoutShared) {
            $0.require("dedicated", in: "wq0.0/mode")
            $0.require("dsa0", in: "idxd/bind")
            $0.require("user", in: "wq0.2/driver_name")
            $0.require("0", in: "wq0.2/group_id")
            $0.require("app", in: "wq0.2/name")
        },
        Failure("a shared WQ without threshold", "wq0.2", "user", .enxio, "0x80060000", at: .enabled) {
            $0.require("user", in: "wq0.2/driver_name")
            $0.require("0", in: "wq0.2/group_id")
            $0.require("app", in: "wq0.2/name")
        },
        Failure(
            "a dedicated WQ of the kernel without privileged mode", "wq0.1", "dmaengine", .eopnotsupp, "0x800f0000",
            at: .enabled, on: .withoutPrivilege
        ) {
            $0.require("dmaengine", in: "wq0.1/driver_name")
        },
        Failure("a WQ that Enable WQ refuses for its priority", "wq0.0", "user", .enxio, "0x23", at: .enabled) {
            $0.require("0", in: "wq0.0/priority")
        },
        Failure("a WQ that Enable WQ refuses for its batches", "wq0.0", "user", .enxio, "0x27", at: .enabled) {
            $0.require("1", in: "wq0.0/max_batch_size")
        },
        Failure("a WQ that is bound", "wq0.0", "user", .ebusy, untouched, at: .bound),
        Failure("a WQ of DSA to the driver of IAX", "wq0.0", "crypto", .enodev, untouched, at: .enabled),
        Failure("any WQ to the driver of IAX, its device disabled", "wq0.0", "crypto", .enxio, untouched),
        // Objects that a driver does not take.
        Failure("a WQ to idxd", "wq0.0", "idxd", .enodev, untouched, at: .enabled),
        Failure("a device to user", "dsa0", "user", .enodev, untouched),
        Failure("a group", "group0.0", "user", .enodev, untouched),
        Failure("an engine", "engine0.0", "dsa", .enodev, untouched),
        Failure("a name that nobody has", "wq0.8", "user", .enodev, untouched),
        Failure("a name with more behind it", "wq0.0 ", "user", .enodev, untouched),
        Failure("a bound device to the legacy driver", "dsa0", "dsa", .enodev, untouched, at: .enabled),
        Failure("a bound WQ to the legacy driver", "wq0.0", "dsa", .enodev, untouched, at: .bound),
        Failure("a WQ of no type to the legacy driver", "wq0.2", "dsa", .enodev, untouched, at: .enabled),
    ]

    @Test(arguments: failures)
    func `A bind that fails answers as dsa-device 8_5 says, and binds nothing`(_ failure: Failure) throws {
        let host = try Host.at(failure.stage, failure.profile.profile)
        failure.prepare(host)
        // Leaves an error of a command behind, which only what fails may replace.
        host.driver.setCommandStatus(CommandStatusCode(rawValue: 0x33), device: 0)
        let bound = host.driver.entries().filter { $0.path.hasSuffix("/driver") }
        #expect(host.write(failure.object, in: "\(failure.driver)/bind") == .errno(failure.errno))
        #expect(host.commandStatus == failure.status)
        #expect(host.driver.entries().filter { $0.path.hasSuffix("/driver") } == bound)
    }

    @Test(arguments: [("dsa0", "user"), ("wq0.0", "dmaengine"), ("wq0.0", "idxd"), ("wq0.2", "user"), ("x", "dsa")])
    func `An unbind from another driver, or of what is not bound, is ENODEV`(_ object: String, _ driver: String) throws
    {
        let host = try Host.bound()
        #expect(host.write(object, in: "\(driver)/unbind") == .errno(.enodev))
    }

    @Test func `A bind enables device and WQ, makes the node and the links, and clears cmd_status`() throws {
        let host = try Host.configured()
        #expect(host.write("wq0.0", in: "user/bind") == .errno(.enxio))
        #expect(host.write("dsa0", in: "dsa/bind") == .ok)
        host.expect("dsa0/state", "enabled")
        host.driver.setCommandStatus(CommandStatusCode(rawValue: 0x33), device: 0)
        #expect(host.write("wq0.1\n", in: "dsa/bind") == .ok)
        host.expect("dsa0/cmd_status", "0")
        host.expect("wq0.1/state", "enabled")
        host.expect("wq0.1/cdev_minor", "0")
        let tree = DeviceTree(host.driver.entries())
        let wq = "sys/devices/pci0000:6a/0000:6a:01.0/dsa0/wq0.1"
        #expect(try tree.entry(at: "sys/bus/dsa/devices/wq0.1").path == wq)
        #expect(try tree.entry(at: "sys/bus/dsa/drivers/user/wq0.1").path == wq)
        #expect(try tree.entry(at: "\(wq)/driver/unbind").path == "sys/bus/dsa/drivers/user/unbind")
        #expect(try tree.entry(at: "dev/char/\(Driver.major):0").path == "dev/dsa/wq0.1")
        #expect(host.read("wq0.1/dsa!wq0.1/dev") == .text("\(Driver.major):0"))
    }

    @Test func `A WQ of the kernel is privileged and has no node`() throws {
        let host = try Host.configured()
        for (text, name) in [("kernel", "type"), ("dmaengine", "driver_name"), ("dma", "name")] {
            host.require(text, in: "wq0.1/\(name)")
        }
        host.require("dsa0", in: "idxd/bind")
        host.require("wq0.1", in: "dsa/bind")
        #expect(host.machine.devices[0].workQueues[1].configuration.isPrivileged)
        #expect(host.read("wq0.1/cdev_minor") == .errno(.enxio))
        #expect(throws: Errno.enoent) { try DeviceTree(host.driver.entries()).entry(at: "dev/dsa/wq0.1") }
    }

    @Test func `A user WQ has PASID Enable only if it is shared`() throws {
        let host = try Host.bound()
        #expect(host.machine.devices[0].workQueues[0].configuration.pasidEnable)
        #expect(!host.machine.devices[0].workQueues[1].configuration.pasidEnable)
    }

    @Test func `A WQ in a group with a type and size 0 silently gets size 16`() throws {
        let host = try Host.configured()
        host.require("0", in: "wq0.1/size")
        host.require("dsa0", in: "idxd/bind")
        host.expect("wq0.1/size", "16")
        #expect(host.machine.devices[0].workQueues[1].configuration.size == 16)
    }

    @Test func `Unbind of a WQ returns all but size and group to the defaults`() throws {
        let host = try Host.bound()
        host.require("wq0.0", in: "user/unbind")
        for (name, text) in [
            ("state", "disabled"), ("type", "none"), ("threshold", "0"), ("priority", "0"), ("mode", "shared"),
            ("name", ""), ("max_transfer_size", "2097152"), ("max_batch_size", "32"), ("block_on_fault", "0"),
            ("size", "16"), ("group_id", "0"), ("clients", "0"),
        ] {
            host.expect("wq0.0/\(name)", text)
        }
        #expect(host.read("wq0.0/cdev_minor") == .errno(.enxio))
        host.expect("wq0.1/state", "enabled")
    }

    @Test func `Unbind of a device releases its WQs and loses the whole configuration`() throws {
        let host = try Host.bound()
        host.require("dsa0", in: "idxd/unbind")
        host.expect("dsa0/state", "disabled")
        for wq in ["wq0.0", "wq0.1"] {
            for (name, text) in [("state", "disabled"), ("size", "0"), ("group_id", "-1"), ("name", "")] {
                host.expect("\(wq)/\(name)", text)
            }
        }
        host.expect("engine0.0/group_id", "-1")
        host.expect("group0.0/work_queues", "")
        host.expect("group0.0/read_buffers_allowed", "0")
        #expect(host.machine.devices[0].workQueues[0].configuration.size == 0)
        #expect(!host.driver.entries().contains { $0.path.hasSuffix("/driver") || $0.path.hasPrefix("dev/dsa/") })
    }

    @Test func `After an unbind everything can be configured and bound again`() throws {
        let host = try Host.bound()
        host.require("dsa0", in: "idxd/unbind")
        for engine in 0..<4 { host.require("1", in: "engine0.\(engine)/group_id") }
        for (text, name) in [
            ("1", "group_id"), ("8", "size"), ("shared", "mode"), ("4", "threshold"), ("2", "priority"),
            ("user", "type"), ("again", "name"),
        ] {
            host.require(text, in: "wq0.3/\(name)")
        }
        host.require("user", in: "wq0.3/driver_name")
        host.require("dsa0", in: "idxd/bind")
        host.require("wq0.3", in: "user/bind")
        #expect(host.machine.devices[0].groupFlags[1].readBuffersAllowed == 96)
        host.expect("wq0.3/state", "enabled")
    }

    @Test func `What somebody else writes into the registers is taken over, and what was only stored stays`() throws {
        let host = try Host.configured()
        host.driver.adoptConfiguration(device: 0, machine: host.machine)
        host.expect("wq0.0/size", "16")
        var configuration = WorkQueueConfiguration()
        configuration.size = 7
        configuration.priority = 3
        #expect(host.machine.configure(workQueue: 2, as: configuration, device: 0) == true)
        host.driver.adoptConfiguration(device: 0, machine: host.machine)
        host.expect("wq0.2/size", "7")
        host.expect("wq0.2/priority", "3")
        host.expect("wq0.0/size", "16")
        host.expect("wq0.0/group_id", "0")
        #expect(host.machine.configure(group: 2, as: GroupConfiguration(workQueues: 4, engines: 1), device: 0) == true)
        host.driver.adoptConfiguration(device: 0, machine: host.machine)
        host.expect("wq0.2/group_id", "2")
        host.expect("engine0.0/group_id", "2")
    }

    @Test func `Minor numbers are the lowest that are free`() throws {
        let host = try Host.bound()
        host.expect("wq0.0/cdev_minor", "0")
        host.expect("wq0.1/cdev_minor", "1")
        host.require("wq0.0", in: "user/unbind")
        for (text, name) in [("1", "priority"), ("4", "threshold"), ("user", "type"), ("x", "name")] {
            host.require(text, in: "wq0.0/\(name)")
        }
        host.require("wq0.0", in: "user/bind")
        host.expect("wq0.0/cdev_minor", "0")
    }

    @Test func `An unbind waits for the descriptors of its WQ, and goes on when they have ended`() throws {
        let host = try Host.bound()
        for engine in 0..<4 { host.machine.setHold(true, engine: engine, device: 0) }
        let portal = Portal(workQueue: 0, limit: .limited, interruptTable: .msix)
        let completion = host.machine.enqueueAsKernel(
            Descriptor(), pasid: try #require(HostPASID(rawValue: 1)), isPrivileged: false, to: portal, ofDevice: 0)
        #expect(completion == .successfulCompletion)
        #expect(host.write("wq0.0", in: "user/unbind") == .waits)
        #expect(host.driver.isBusy(device: 0))
        // The node is gone already.
        #expect(host.read("wq0.0/cdev_minor") == .errno(.enxio))
        #expect(host.resume() == nil)
        for engine in 0..<4 { host.machine.setHold(false, engine: engine, device: 0) }
        while host.machine.step() {}
        #expect(host.resume() == .finished(5))
        host.expect("wq0.0/state", "disabled")
        host.expect("wq0.0/type", "none")
    }

    @Test func `A command of somebody else delays the driver's, and neither is lost`() throws {
        let host = try Host.bound()
        for engine in 0..<4 { host.machine.setHold(true, engine: engine, device: 0) }
        let portal = Portal(workQueue: 0, limit: .limited, interruptTable: .msix)
        _ = host.machine.enqueueAsKernel(
            Descriptor(), pasid: try #require(HostPASID(rawValue: 1)), isPrivileged: false, to: portal, ofDevice: 0)
        #expect(host.machine.execute(.drainAll, device: 0) == .active)
        #expect(host.write("wq0.1", in: "user/unbind") == .waits)
        for engine in 0..<4 { host.machine.setHold(false, engine: engine, device: 0) }
        while host.machine.step() {}
        #expect(host.resume() == .finished(5))
        #expect(
            !host.machine.devices[0].softwareError.isValid
                || host.machine.devices[0].softwareError.code != .commandWhileActive)
        host.expect("wq0.1/state", "disabled")
    }
}
