import Foundation
import Glibc
import Platform
import Protocol
import ProtocolMessages
import SwiftProtobuf
import TestKit
import Testing

@Suite struct `Attributes over the socket` {
    private let daemon: DaemonProcess
    private let client: WireClient

    private static let devices = "sys/bus/dsa/devices"
    private static let drivers = "sys/bus/dsa/drivers"

    init() throws {
        daemon = try DaemonProcess.start()
        client = try daemon.client()
    }

    private func root() throws -> String {
        try client.call(.queryIdxd, returning: WireQueryIdxdReturn.self).root
    }

    private func read(_ file: String) throws -> CallResult<String> {
        try client.readAttribute("\(Self.devices)/\(file)")
    }

    private func expect(_ file: String, _ text: String) throws {
        #expect(try read(file) == .value("\(text)\n"), "\(file)")
    }

    private func write(_ text: String, _ file: String) throws {
        #expect(
            try client.writeAttribute("\(Self.devices)/\(file)", text) == .value(UInt32(text.utf8.count)), "\(file)")
    }

    @Test func `A daemon without configuration shows its device bound, a shared and a dedicated WQ for users`() throws {
        try expect("dsa0/state", "enabled")
        try expect("dsa0/version", "0x100")
        for (file, shared, dedicated) in [
            ("state", "enabled", "enabled"), ("type", "user", "user"), ("mode", "shared", "dedicated"),
            ("size", "96", "32"), ("threshold", "80", "0"), ("group_id", "0", "0"), ("priority", "10", "10"),
            ("name", "shared", "dpdk_dedicated"), ("driver_name", "user", "user"), ("cdev_minor", "0", "1"),
            ("clients", "0", "0"),
        ] {
            try expect("wq0.0/\(file)", shared)
            try expect("wq0.1/\(file)", dedicated)
        }
        try expect("group0.0/work_queues", "wq0.0 wq0.1")
        try expect("group0.0/engines", "engine0.0 engine0.1 engine0.2 engine0.3")
        try expect("wq0.2/state", "disabled")
    }

    @Test func `What the kernel answers is a return with its errno`() throws {
        #expect(try read("wq0.2/cdev_minor") == .errno(6))
        #expect(try read("wq0.0/none") == .errno(2))
        #expect(try read("wq0.0") == .errno(21))
        #expect(try client.readAttribute("\(Self.drivers)/user/bind") == .errno(13))
        #expect(try client.writeAttribute("\(Self.devices)/wq0.2/size", "129") == .errno(1))
        #expect(try client.writeAttribute("\(Self.devices)/dsa0/state", "1") == .errno(13))
        #expect(try client.writeAttribute("\(Self.drivers)/user/bind", "wq0.0") == .errno(16))
        #expect(try client.writeAttribute("\(Self.drivers)/user/bind", "wq0.2") == .errno(19))
        try expect("dsa0/cmd_status", "0x80200000")
        try write("1", "dsa0/cmd_status")
        try expect("dsa0/cmd_status", "0")
    }

    @Test func `A device is unbound, configured anew and bound as accel-config does it`() throws {
        let watcher = try daemon.admin()
        try watcher.subscribe("DEVICE_STATE")
        for (name, driver) in [("wq0.0", "user"), ("wq0.1", "user"), ("dsa0", "idxd")] {
            #expect(
                try client.writeAttribute("\(Self.drivers)/\(driver)/unbind", name) == .value(UInt32(name.utf8.count)))
        }
        #expect(try watcher.nextEvent("DEVICE_STATE").decode(WireDeviceStateEvent.self).state == .disabled)
        try expect("dsa0/state", "disabled")
        try expect("wq0.0/size", "0")
        #expect(!exists("dev/dsa/wq0.0") && !exists("\(Self.devices)/dsa0/driver"))

        for (text, file) in [
            ("shared", "mode"), ("16", "size"), ("1", "group_id"), ("10", "priority"), ("1", "block_on_fault"),
            ("user", "type"), ("user", "driver_name"), ("app", "name"), ("15", "threshold"),
        ] {
            try write(text, "wq0.3/\(file)")
        }
        try write("1", "engine0.2/group_id")
        #expect(try client.writeAttribute("\(Self.drivers)/idxd/bind", "dsa0") == .value(4))
        #expect(try watcher.nextEvent("DEVICE_STATE").decode(WireDeviceStateEvent.self).state == .enabled)
        #expect(try client.writeAttribute("\(Self.devices)/dsa0/driver/../user/bind", "wq0.3") == .value(5))
        #expect(exists("dev/dsa/wq0.3"))
        let status = try watcher.workQueue(3)
        #expect(status.state == .enabled && status.size == 16 && status.threshold == 15 && status.blockOnFault)
        #expect(status.group == 1 && status.maxTransferShift == 21 && status.maxBatchShift == 5)
    }

    private func exists(_ path: String) -> Bool { unsafe access("\((try? root()) ?? "")/\(path)", F_OK) == 0 }

    @Test func `The tree on disk has the modes, the links and the text of the attributes, and goes with the daemon`()
        throws
    {
        let root = try root()
        func mode(_ path: String) throws -> UInt32 {
            var info = stat()
            guard unsafe lstat("\(root)/\(path)", &info) == 0 else { throw SystemError.last("lstat", path) }
            return UInt32(info.st_mode)
        }
        #expect(try mode("\(Self.devices)/wq0.0/size") & 0o777 == 0o644)
        #expect(try mode("\(Self.devices)/wq0.0/state") & 0o777 == 0o444)
        #expect(try mode("\(Self.drivers)/idxd/bind") & 0o777 == 0o200)
        #expect(try mode("dev/dsa/wq0.0") & 0o777 == 0o600)
        #expect(try mode("\(Self.devices)/wq0.0") & UInt32(S_IFMT) == UInt32(S_IFLNK))
        #expect(daemon.directory.text(of: "swqd.sock.d/idxd/\(Self.devices)/wq0.0/size") == "96\n")
        try write("5", "wq0.7/priority")
        #expect(daemon.directory.text(of: "swqd.sock.d/idxd/\(Self.devices)/wq0.7/priority") == "5\n")
        #expect(exists("\(Self.drivers)/user/wq0.0/driver/unbind"))

        // A daemon that crashes leaves it behind, and the next one replaces it.
        try daemon.kill()
        #expect(unsafe access("\(root)/dev/dsa/wq0.0", F_OK) == 0)
        let next = try daemon.restarted()
        #expect(daemon.directory.text(of: "swqd.sock.d/idxd/\(Self.devices)/wq0.7/priority") == "0\n")
        try next.terminate()
        try next.waitForEnd()
        #expect(unsafe access(root, F_OK) != 0)
        #expect(!daemon.directory.names(in: ".").contains("swqd.sock.d"))
    }

    @Test func `An admin's change through registers and commands shows in sysfs`() throws {
        let admin = try daemon.admin()
        try admin.deviceCommand(.disableWq, operand: 2)
        try expect("wq0.1/state", "disabled")
        try admin.call(
            .configureWq(
                .with {
                    $0.device = "dsa0"
                    $0.wq = 1
                    $0.priority = 3
                }))
        try expect("wq0.1/priority", "3")
    }

    @Test func `The read-only socket reads attributes and writes none`() throws {
        var options = DaemonProcess.Options()
        options.hasReadOnlySocket = true
        let daemon = try DaemonProcess.start(options)
        let reader = try WireClient(path: daemon.readOnlySocketPath)
        #expect(try reader.readAttribute("\(Self.devices)/dsa0/state") == .value("enabled\n"))
        let request = Request.writeAttribute(
            .with {
                $0.path = "\(Self.devices)/dsa0/cmd_status"
                $0.data = Data([1])
            })
        #expect(try reader.refusal(of: request).errorClass == "PermissionDenied")
    }

    @Test(Identity.requiresRoot)
    func `Another user reads attributes, and neither writes one nor opens a node until it may`() async throws {
        var options = DaemonProcess.Options(configuration: #"{"sockets": {"mode": "0666"}}"#)
        options.shell = "umask 0"
        let daemon = try DaemonProcess.start(options)
        guard unsafe chmod(daemon.directory.path, 0o755) == 0 else { throw SystemError.last("chmod") }
        let socket = daemon.socketPath
        let root = try daemon.client().call(.queryIdxd, returning: WireQueryIdxdReturn.self).root
        await #expect(processExitsWith: .success) { [socket = socket as String] in
            try Identity.becomeNobody()
            let client = try WireClient(path: socket)
            try client.attachProcess()
            #expect(try client.readAttribute("sys/bus/dsa/devices/dsa0/state") == .value("enabled\n"))
            #expect(try client.writeAttribute("sys/bus/dsa/devices/dsa0/cmd_status", "1") == .errno(13))
            #expect(try client.writeAttribute("sys/bus/dsa/drivers/idxd/unbind", "dsa0") == .errno(13))
            #expect(try client.openWQ("wq0.0") == .errno(13))
        }
        guard unsafe chmod("\(root)/dev/dsa/wq0.0", 0o666) == 0 else { throw SystemError.last("chmod") }
        await #expect(processExitsWith: .success) { [socket = socket as String] in
            try Identity.becomeNobody()
            let client = try WireClient(path: socket)
            try client.attachProcess()
            _ = try client.opened("wq0.0")
        }
    }
}
